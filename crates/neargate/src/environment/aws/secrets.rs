//! Secrets on AWS: in Secrets Manager or Parameter Store. CloudTrail records who read and wrote them.

use neargate_aws::api::{LabelledVersion, StagingLabel};
use neargate_aws::environment::Driver;
use neargate_core::model::Manifest;

use crate::environment::ListedSecret;
use crate::failure::Failure;

/// Every version of the manifest's secrets, and the secrets without one.
pub(super) async fn list(driver: &Driver) -> Result<Vec<ListedSecret>, Failure> {
    let mut listed = Vec::new();
    for (name, versions) in driver.secret_versions().await? {
        if versions.is_empty() {
            listed.push(ListedSecret::Unset {
                remedy: remedy(driver.manifest(), &name),
                name: name.clone(),
            });
        }
        listed.extend(versions.into_iter().map(|version| row(&name, version)));
    }
    Ok(listed)
}

fn remedy(manifest: &Manifest, name: &str) -> String {
    let secret = manifest.secrets.get(name);
    match secret.is_some_and(|secret| secret.generate.is_some()) {
        true => "the next deploy of its users makes it".to_owned(),
        false => format!("neargate secret set {name} -e {}", manifest.env),
    }
}

fn row(name: &str, seen: LabelledVersion) -> ListedSecret {
    ListedSecret::Version {
        name: name.to_owned(),
        version: seen.version,
        stage: match seen.stage {
            StagingLabel::Current => "current",
            StagingLabel::Previous => "previous",
            StagingLabel::Older => "older",
        },
        at: seen.at,
    }
}
