//! `verify`, and the first thing of every deploy: what would stop a release, found before it.
//!
//! Everything is reported in one go. Refuses to go on only for what is missing; what cannot be
//! told from here (the processor of an image of others) is not guessed. `verify` also asks the
//! questions of [`super::account_checks`]. A task's size is one of Fargate's: `check` has refused every
//! other.

use neargate_core::alarm::AlarmState;
use neargate_core::model::{Architecture, Service, UsedResource, Workload};

use super::environment::Driver;
use super::error::DriverError;
use super::terraform_outputs::ServiceFacts;
use neargate_core::preflight_finding::{FindingState, PreflightFinding};
use neargate_far::ecs_strategy::{Mover, NativeStrategy, ReleaseStart, mover};

impl Driver {
    /// Looks at everything that a release of each service needs.
    ///
    /// # Errors
    /// A call failed.
    pub async fn verify(&self) -> Result<Vec<PreflightFinding>, DriverError> {
        let who = self.aws.who().await?;
        let mut findings = vec![PreflightFinding::new(
            "",
            "credentials",
            FindingState::Ok,
            who,
        )];
        for (name, service) in &self.manifest.services {
            match service.runs {
                Workload::Static(_) => findings.push(self.site_finding(name)),
                _ => findings.extend(self.look(name).await?),
            }
        }
        Ok(findings)
    }

    /// Images are built for the manifest's processor, tasks run on the applied one.
    fn architecture(&self, name: &str, facts: &ServiceFacts) -> PreflightFinding {
        let wanted = match self.manifest.aws.architecture {
            Architecture::Arm64 => "ARM64",
            Architecture::X86_64 => "X86_64",
        };
        let applied = facts.architecture.as_str();
        if wanted == applied {
            return PreflightFinding::new(name, "processor", FindingState::Ok, wanted.to_owned());
        }
        let words = format!(
            "the manifest asks for {wanted}, and the infrastructure was applied for {applied}. \
             Apply it again: neargate infra apply"
        );
        PreflightFinding::new(name, "processor", FindingState::Missing, words)
    }

    fn site_finding(&self, name: &str) -> PreflightFinding {
        match &self.facts.static_bucket {
            Some(bucket) => PreflightFinding::new(name, "bucket", FindingState::Ok, bucket.clone()),
            None => {
                let words = "the infrastructure has no bucket for a site";
                PreflightFinding::new(name, "bucket", FindingState::Missing, words.to_owned())
            }
        }
    }

    /// The findings of one service, the missing ones as a failure.
    pub(super) async fn preflight(&self, service: &str) -> Result<(), DriverError> {
        let findings = self.look(service).await?;
        let missing = findings.iter().filter(|it| it.is == FindingState::Missing);
        let missing: Vec<String> = missing
            .map(|it| format!("{}: {}", it.what, it.words))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(DriverError::Missing {
            what: format!("`{service}` cannot be released: {}", missing.join("; ")),
            help: format!(
                "look at all of it: neargate verify -e {}",
                self.manifest.env
            ),
        })
    }

    async fn look(&self, name: &str) -> Result<Vec<PreflightFinding>, DriverError> {
        let (spec, facts) = self.service(name)?;
        let seen = self.aws.service(&self.facts.cluster, &facts.name).await?;
        let (is, words) = match &seen {
            Some(seen) => (
                FindingState::Ok,
                format!("{} of {} tasks run", seen.running, seen.desired),
            ),
            None => (
                FindingState::Missing,
                format!("{} has no service {}", self.facts.cluster, facts.name),
            ),
        };
        let mut findings = vec![PreflightFinding::new(name, "service", is, words)];
        findings.push(self.architecture(name, facts));
        findings.extend(mover_finding(name, spec, facts));
        findings.extend(variables(name, spec, facts));
        findings.extend(self.secret_findings(spec).await?);
        findings.extend(jobs(name, spec, |job| self.manifest.jobs.contains_key(job)));
        findings.extend(self.guard_findings(name, spec).await?);
        Ok(findings)
    }

    async fn guard_findings(
        &self,
        name: &str,
        spec: &Service,
    ) -> Result<Vec<PreflightFinding>, DriverError> {
        let states = self.guard_states(spec).await?;
        let guard = |guard: &String| {
            let what = format!("guard {guard}");
            match states.get(guard) {
                None => PreflightFinding::new(
                    name,
                    &what,
                    FindingState::Missing,
                    "CloudWatch has no such alarm".to_owned(),
                ),
                // A firing guard refuses a release in its own words.
                Some((AlarmState::Alarm, reason)) => PreflightFinding::new(
                    name,
                    &what,
                    FindingState::Ok,
                    format!("it fires: {reason}"),
                ),
                Some((state, _)) => {
                    PreflightFinding::new(name, &what, FindingState::Ok, state.to_string())
                }
            }
        };
        Ok(spec.release.guard.iter().map(guard).collect())
    }
}

/// The mover of a release must be the one that the applied infrastructure was made for: ECS needs a
/// role and its rules, and must not move weights that the driver moves.
fn mover_finding(name: &str, spec: &Service, facts: &ServiceFacts) -> Option<PreflightFinding> {
    let by = facts.weights_by.as_deref()?;
    let applied = facts.deployment.strategy.as_str();
    let ecs = by == "ecs" && applied != "ROLLING";
    let (wanted, agree) = match mover(&spec.release, ReleaseStart::Rules(facts.rules.len())) {
        Mover::Weights { why } => (format!("neargate moves the weights: {why}"), !ecs),
        Mover::Native(native) => (
            format!("ECS moves it ({})", native.strategy.word()),
            ecs || native.strategy == NativeStrategy::Rolling,
        ),
    };
    if agree {
        return Some(PreflightFinding::new(
            name,
            "release",
            FindingState::Ok,
            wanted,
        ));
    }
    let words = format!(
        "the infrastructure was applied for another kind of release. Now: \
         {wanted}. Applied: {applied}, weights by {by}. Apply it again: neargate infra apply"
    );
    Some(PreflightFinding::new(
        name,
        "release",
        FindingState::Missing,
        words,
    ))
}

/// Everything that `uses` names must come from Terraform, as a variable or a secret.
fn variables(name: &str, spec: &Service, facts: &ServiceFacts) -> Vec<PreflightFinding> {
    let upper = |name: &str| name.to_uppercase().replace('-', "_");
    let given = |variable: &str| {
        facts.secrets.contains_key(variable)
            || facts.environment.contains_key(variable)
            || spec.env.contains_key(variable)
    };
    let look = |used: &UsedResource| {
        let (what, names) = match used {
            UsedResource::Database(own) => (
                format!("database.{own}"),
                vec![
                    "DATABASE_URL".to_owned(),
                    format!("DATABASE_{}_URL", upper(own)),
                ],
            ),
            UsedResource::Cache(own) => (
                format!("cache.{own}"),
                vec!["REDIS_URL".to_owned(), format!("REDIS_{}_URL", upper(own))],
            ),
            UsedResource::Secret(own) => (format!("secret.{own}"), vec![upper(own)]),
        };
        match names.iter().find(|variable| given(variable)) {
            Some(variable) => {
                PreflightFinding::new(name, &what, FindingState::Ok, format!("as {variable}"))
            }
            None => {
                let words = format!("Terraform gives no {}", names.join(" or "));
                PreflightFinding::new(name, &what, FindingState::Missing, words)
            }
        }
    };
    spec.uses.iter().map(look).collect()
}

fn jobs(name: &str, spec: &Service, known: impl Fn(&str) -> bool) -> Vec<PreflightFinding> {
    let release = &spec.release;
    let all = release.before.iter().chain(&release.smoke);
    all.chain(&release.after)
        .filter(|job| !known(job))
        .map(|job| {
            let what = format!("job {job}");
            PreflightFinding::new(
                name,
                &what,
                FindingState::Missing,
                "the manifest has none".to_owned(),
            )
        })
        .collect()
}
