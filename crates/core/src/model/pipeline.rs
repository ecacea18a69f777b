//! How the app is built and released by a pipeline.

use serde::{Deserialize, Serialize};

/// One pipeline for all environments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pipeline {
    /// Run by `sh -c` in the manifest's folder before anything is built.
    pub test: Option<String>,
    /// Run by `sh -c` for each image, whose name is in `IMAGE`; `None`: trivy or grype.
    pub scan: Option<String>,
    /// The image that an artifact is laid on.
    pub base: String,
    /// How a workflow puts `neargate` on its PATH.
    pub install: Option<String>,
    /// The branch whose commits are released.
    pub branch: String,
    /// Environments in the order in which they are released; empty: see `order`.
    pub environments: Vec<String>,
}

impl Pipeline {
    /// The environments that a pipeline releases, in its order: as written, or by name with
    /// `prod` and `production` last.
    #[must_use]
    pub fn order(&self, on_aws: &[String]) -> Vec<String> {
        if !self.environments.is_empty() {
            return self.environments.clone();
        }
        let mut all = on_aws.to_vec();
        all.sort_by_key(|name| {
            let last = matches!(name.as_str(), "prod" | "production");
            (last, name.clone())
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Pipeline;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn production_is_released_last_unless_the_order_is_written() {
        let mut pipeline = Pipeline::default();
        let there = names(&["dev", "prod", "staging"]);
        assert_eq!(pipeline.order(&there), names(&["dev", "staging", "prod"]));
        pipeline.environments = names(&["staging", "prod"]);
        assert_eq!(pipeline.order(&there), names(&["staging", "prod"]));
    }
}
