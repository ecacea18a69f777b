//! The image of one service for `deploy` on AWS: built if it has to be, pushed, named by digest.
//!
//! Invariants: the same commit without a change beside it has one tag, and is built once; whatever
//! is pushed was looked at first: it is for the tasks' processor. Refuses a machine without a
//! builder before anything is built.

use std::collections::BTreeSet;

use neargate_core::model::Service;
use neargate_far::pipeline::Registry;
use neargate_far::pipeline::stage::{From, built_name, image_of, processor};
use serde_json::Value;

use super::machine::{PLAIN_ERRORS, ask, aws, command, containers};
use super::stage_runner::StageRunner;
use crate::failure::Failure;
use crate::output;

/// Characters of a commit that are its tag.
const COMMIT: usize = 24;

impl StageRunner<'_> {
    /// Brings the image of a service to its repository; gives `REPOSITORY@DIGEST`. Without
    /// `build` the manifest's build command is not run.
    pub(crate) fn deliver(
        &self,
        service: &Service,
        repository: &str,
        build: bool,
    ) -> Result<String, Failure> {
        containers()?;
        aws()?;
        let name = service.name.as_str();
        let Some(from) = image_of(self.manifest, service) else {
            return Err(Failure::Failed(format!(
                "nothing says how `{name}` is built"
            )));
        };
        let registry = self.registry_of(repository)?;
        let commit = if build { self.commit_tag() } else { None };
        if let Some(tag) = &commit
            && let Some(digest) = self.pushed(&registry, repository, tag)?
        {
            let words = format!("{repository}:{tag} is there already: nothing is built");
            output::progress(name, &words);
            return Ok(format!("{repository}@{digest}"));
        }
        if let Some(script) = service.build.as_deref().filter(|_| build) {
            self.shell(name, script, &[])?;
        }
        if let From::Artifact { artifact, .. } = &from {
            let base = &self.manifest.pipeline.base;
            let words = format!("has no Dockerfile: `{artifact}` is laid on {base}");
            output::progress(name, &words);
        }
        let local = built_name(&self.manifest.app, name);
        self.image(name, &local, &from)?;
        self.check_platform(&local)?;
        let tag = match commit {
            Some(tag) => tag,
            None => Registry::tag(&self.image_id(&local)?),
        };
        let reference = format!("{repository}:{tag}");
        if self.pushed(&registry, repository, &tag)?.is_none() {
            self.send(name, &local, &reference, &registry)?;
        }
        match self.pushed(&registry, repository, &tag)? {
            Some(digest) => Ok(format!("{repository}@{digest}")),
            None => Err(Failure::Failed(format!(
                "{reference} was pushed, and the registry does not know it"
            ))),
        }
    }

    /// Looks whether an image that others built has the tasks' processor, in its registry. What
    /// cannot be known (no builder here, no sign-in there) is left to ECS.
    pub(crate) fn check_given(&self, service: &str, image: &str) -> Result<(), Failure> {
        let Ok(program) = containers() else {
            return Ok(());
        };
        let mut words = vec!["manifest", "inspect"];
        // Docker says the platform of a single image only when asked for all.
        words.extend((program == "docker").then_some("--verbose"));
        words.push(image);
        let said = ask(command(program, &words, &self.folder)).unwrap_or_default();
        let document = serde_json::from_str(&said).unwrap_or(Value::Null);
        let has = platforms(&document);
        let wanted = processor(self.manifest).platform();
        if has.is_empty() || has.contains(wanted) {
            return Ok(());
        }
        let has: Vec<String> = has.into_iter().collect();
        Err(Failure::Failed(format!(
            "{image} is for {}, and tasks of `{service}` run on {wanted}: name an image for that, \
             or write aws.architecture",
            has.join(", ")
        )))
    }

    /// The commit when everything is committed, files that git does not know yet among it, and
    /// the command line changes nothing of the manifest.
    fn commit_tag(&self) -> Option<String> {
        if !self.flags.overrides.is_empty() {
            return None;
        }
        let git = |arguments: &[&str]| ask(command("git", arguments, &self.folder)).ok();
        let changed = git(&["status", "--porcelain"])?;
        let commit = git(&["rev-parse", "HEAD"])?;
        changed
            .is_empty()
            .then(|| format!("git-{}", commit.chars().take(COMMIT).collect::<String>()))
    }

    /// The digest of a tag in a repository; `None`: there is none.
    fn pushed(
        &self,
        registry: &Registry,
        repository: &str,
        tag: &str,
    ) -> Result<Option<String>, Failure> {
        let name = repository.strip_prefix(&registry.host);
        let name = name.unwrap_or(repository).trim_start_matches('/');
        let image = format!("imageTag={tag}");
        let words = ["ecr", "describe-images", "--region", &registry.region];
        let mut look = command(aws()?, &words, &self.folder);
        look.args(["--repository-name", name, "--image-ids", &image]);
        look.args(["--query", "imageDetails[0].imageDigest", "--output", "text"]);
        look.env(PLAIN_ERRORS.0, PLAIN_ERRORS.1);
        match ask(look) {
            Ok(digest) if digest.starts_with("sha256:") => Ok(Some(digest)),
            Ok(other) => Err(Failure::Failed(format!(
                "`aws ecr describe-images` names no digest of {repository}:{tag}: `{other}`"
            ))),
            // Amazon ECR API reference, DescribeImages.
            Err(failure) if failure.aws_code() == Some("ImageNotFoundException") => Ok(None),
            Err(failure) => Err(Failure::Environment(failure.to_string())),
        }
    }

    fn check_platform(&self, local: &str) -> Result<(), Failure> {
        let wanted = processor(self.manifest).platform();
        let format = "{{.Os}}/{{.Architecture}}";
        let inspect = ["image", "inspect", "--format", format, local];
        let is = ask(command(containers()?, &inspect, &self.folder))?;
        if is == wanted {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "the image is for {is}, and tasks run on {wanted}: its Dockerfile names a platform or \
             a base of one; nothing was pushed"
        )))
    }

    /// The registry that a repository's URL names.
    fn registry_of(&self, repository: &str) -> Result<Registry, Failure> {
        let host = repository.split('/').next().unwrap_or_default();
        Ok(Registry {
            host: host.to_owned(),
            region: self.region()?.to_owned(),
        })
    }
}

/// Every `platform` of a manifest or an index, as `os/architecture`. Attestations have `unknown`
/// ones. Source: OCI image specification, "Image Index".
fn platforms(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match document {
        Value::Array(items) => found.extend(items.iter().flat_map(platforms)),
        Value::Object(fields) => {
            let text = |platform: &Value, key: &str| platform[key].as_str().map(str::to_owned);
            let own = fields.get("platform");
            if let Some((os, processor)) =
                own.and_then(|it| text(it, "os").zip(text(it, "architecture")))
                && os != "unknown"
            {
                found.insert(format!("{os}/{processor}"));
            }
            found.extend(fields.values().flat_map(platforms));
        }
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_found_in_an_index_and_in_a_single_manifest() {
        let platform = |os: &str, processor: &str| serde_json::json!({ "platform": { "os": os, "architecture": processor } });
        let arm = platform("linux", "arm64");
        let index = serde_json::json!({ "manifests": [arm, platform("unknown", "unknown")] });
        assert_eq!(Vec::from_iter(platforms(&index)), ["linux/arm64"]);
        let verbose = serde_json::json!([{ "Descriptor": platform("linux", "amd64") }]);
        assert_eq!(Vec::from_iter(platforms(&verbose)), ["linux/amd64"]);
        assert!(platforms(&Value::Null).is_empty());
    }
}
