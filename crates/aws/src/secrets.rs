//! Secrets of an environment: set, listed, read by people; made and looked for by releases.
//!
//! Invariant: a value is told to nobody but whoever asks for it by name. Refuses names that the
//! manifest does not have, and URLs of databases, which Terraform writes.

use std::collections::BTreeSet;

use neargate_core::model::{SecretGenerator, Service};
use neargate_core::secret::SecretValue;

use super::api::{LabelledVersion, WriteConflict};
use super::environment::Driver;
use super::error::DriverError;
use super::secret_stores::{MissingSecretRule, NeededSecret, SecretLocation, needed};
use super::terraform_outputs::ServiceFacts;
use neargate_core::preflight_finding::{FindingState, PreflightFinding};

impl Driver {
    /// Versions of the manifest's secrets, by name; nothing: it has no value yet.
    ///
    /// # Errors
    /// A call failed.
    pub async fn secret_versions(
        &self,
    ) -> Result<Vec<(String, Vec<LabelledVersion>)>, DriverError> {
        let mut all = Vec::new();
        for name in self.manifest.secrets.keys() {
            let versions = self.aws.versions(&self.place(name)?).await?;
            all.push((name.clone(), versions));
        }
        Ok(all)
    }

    /// The version in use and its value.
    ///
    /// # Errors
    /// There is none, or a call failed.
    pub async fn secret(&self, name: &str) -> Result<(String, SecretValue), DriverError> {
        let found = self.aws.value(&self.place(name)?).await?;
        found.ok_or_else(|| DriverError::SecretWithoutValue {
            name: name.to_owned(),
            env: self.manifest.env.clone(),
        })
    }

    /// Writes a value; gives its version.
    ///
    /// # Errors
    /// The value cannot be kept there, or a call failed.
    pub async fn set_secret(&self, name: &str, value: &SecretValue) -> Result<String, DriverError> {
        let place = self.place(name)?;
        if let Some(why) = place.refuses(value) {
            return Err(DriverError::Usage(format!(
                "secret {name} cannot have this value: {why}"
            )));
        }
        let key = self.facts.kms_key.as_deref();
        let version = self
            .aws
            .put_value(&place, value, key, WriteConflict::Replace);
        Ok(version.await?.unwrap_or_default())
    }

    /// Where a secret of the manifest is kept.
    fn place(&self, name: &str) -> Result<SecretLocation, DriverError> {
        let env = &self.manifest.env;
        if !self.manifest.secrets.contains_key(name) {
            let names: Vec<&str> = self.manifest.secrets.keys().map(String::as_str).collect();
            return Err(DriverError::Usage(if name.contains('.') {
                format!("`{name}` is written by Terraform: neargate infra apply -e {env}")
            } else {
                format!(
                    "the manifest has no secret `{name}`; it has {}",
                    names.join(", ")
                )
            }));
        }
        self.place_of(name).ok_or_else(|| DriverError::Missing {
            what: format!("secret {name} does not exist on AWS yet"),
            help: format!("apply the infrastructure first: neargate infra apply -e {env}"),
        })
    }

    pub(super) fn place_of(&self, name: &str) -> Option<SecretLocation> {
        SecretLocation::of(self.facts.secrets.get(name)?)
    }

    /// The secrets that a release of a service would find, with and without values.
    pub(super) async fn secret_findings(
        &self,
        spec: &Service,
    ) -> Result<Vec<PreflightFinding>, DriverError> {
        let mut findings = Vec::new();
        for (need, _, has) in self.looked_for(spec).await? {
            let (is, words) = match (has, need.without) {
                (true, _) => (FindingState::Ok, "it is there".to_owned()),
                (false, MissingSecretRule::Make(_)) => (
                    FindingState::Ok,
                    "none yet: the next deploy generates it".to_owned(),
                ),
                (false, MissingSecretRule::LeaveOut) => {
                    (FindingState::Ok, "none: it is left out".to_owned())
                }
                (false, MissingSecretRule::SetIt | MissingSecretRule::ApplyIt) => {
                    let command = need.command(&self.manifest.env).unwrap_or_default();
                    (FindingState::Missing, format!("there is none: {command}"))
                }
            };
            let what = format!("value of {}", need.label);
            findings.push(PreflightFinding::new(&spec.name, &what, is, words));
        }
        Ok(findings)
    }

    /// Makes what can be made, and gives the facts of a service as [`Self::without_optional`] does.
    pub(super) async fn with_values(
        &self,
        spec: &Service,
        facts: &ServiceFacts,
    ) -> Result<ServiceFacts, DriverError> {
        let looked = self.looked_for(spec).await?;
        for (need, place, has) in &looked {
            if let (false, MissingSecretRule::Make(rule)) = (has, need.without) {
                self.make_value(spec, need, place, rule).await?;
            }
        }
        Ok(self.without_absent(&looked, facts))
    }

    /// The facts of a service without the variables that have no value and need none.
    pub(super) async fn without_optional(
        &self,
        spec: &Service,
        facts: &ServiceFacts,
    ) -> Result<ServiceFacts, DriverError> {
        Ok(self.without_absent(&self.looked_for(spec).await?, facts))
    }

    fn without_absent(
        &self,
        looked: &[(NeededSecret, SecretLocation, bool)],
        facts: &ServiceFacts,
    ) -> ServiceFacts {
        let absent = looked
            .iter()
            .filter(|(need, _, has)| !has && need.without == MissingSecretRule::LeaveOut)
            .filter_map(|(need, ..)| self.facts.secrets.get(&need.place));
        let absent: BTreeSet<&String> = absent.collect();
        let mut told = facts.clone();
        told.secrets.retain(|_, arn| !absent.contains(arn));
        told
    }

    async fn make_value(
        &self,
        spec: &Service,
        need: &NeededSecret,
        place: &SecretLocation,
        rule: SecretGenerator,
    ) -> Result<(), DriverError> {
        let mut random = vec![0; rule.bytes()];
        getrandom::fill(&mut random).map_err(|error| {
            DriverError::Failed(format!("the system gave no random bytes: {error}"))
        })?;
        let value = SecretValue::generate(rule, &random);
        let key = self.facts.kms_key.as_deref();
        let made = self
            .aws
            .put_value(place, &value, key, WriteConflict::Keep)
            .await?;
        let words = match made {
            Some(_) => "has a first value",
            None => "got its value from another client",
        };
        self.say(&spec.name, &format!("{} {words}", need.label));
        Ok(())
    }

    /// The secrets of a service whose place is known, and whether they have values.
    async fn looked_for(
        &self,
        spec: &Service,
    ) -> Result<Vec<(NeededSecret, SecretLocation, bool)>, DriverError> {
        let mut found = Vec::new();
        for need in needed(&self.manifest, spec) {
            if let Some(place) = self.place_of(&need.place) {
                let has = self.aws.has_value(&place).await?;
                found.push((need, place, has));
            }
        }
        Ok(found)
    }
}
