//! All faults, one after another, and for those that a manifest would not catch the change that
//! would.
//!
//! Invariant: a change is advised only when a rehearsal with it catches the fault. Changes are
//! `--set` overrides, so they go through the manifest's own reading and checking.

use serde::Serialize;

use super::fault::{Fault, all};
use super::{Rehearsal, RehearsalSettings, RehearseError, TimingModel, rehearse};
use crate::model::{Manifest, Service};

/// A fault and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultAdvice {
    /// In words, after "a version that …".
    pub words: String,
    /// Why this service cannot meet the fault; `None`: it can.
    pub not_here: Option<String>,
    /// The rehearsal of the manifest as it is.
    pub rehearsal: Rehearsal,
    /// A change that would catch it, when the manifest does not.
    pub change: Option<SuggestedChange>,
}

/// A change of the manifest that catches a fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuggestedChange {
    /// As `--set` takes them.
    pub settings: Vec<String>,
    /// The rehearsal with them.
    pub then: Box<Rehearsal>,
}

/// Rehearses every fault. `load` reads the manifest with more overrides; `None`: they are wrong.
///
/// # Errors
/// [`RehearseError`] when there is nothing to rehearse.
pub fn advise(
    manifest: &Manifest,
    question: &RehearsalSettings,
    load: impl Fn(&[String]) -> Option<Manifest>,
) -> Result<Vec<FaultAdvice>, RehearseError> {
    let mut table = Vec::new();
    for fault in all() {
        let question = RehearsalSettings {
            fault,
            ..question.clone()
        };
        let rehearsal = rehearse(manifest, &question)?;
        let service = &manifest.services[&question.service];
        let not_here = not_here(service, fault);
        let change = if rehearsal.caught || not_here.is_some() {
            None
        } else {
            first_that_catches(
                &question,
                candidates(manifest, &question, &rehearsal),
                &load,
            )
        };
        table.push(FaultAdvice {
            words: fault.describe(),
            not_here,
            rehearsal,
            change,
        });
    }
    Ok(table)
}

fn first_that_catches(
    question: &RehearsalSettings,
    candidates: Vec<Vec<String>>,
    load: impl Fn(&[String]) -> Option<Manifest>,
) -> Option<SuggestedChange> {
    candidates.into_iter().find_map(|settings| {
        let manifest = load(&settings)?;
        let then = rehearse(&manifest, question).ok()?;
        then.caught.then(|| SuggestedChange {
            settings,
            then: Box::new(then),
        })
    })
}

/// Why a fault cannot happen to a service.
fn not_here(service: &Service, fault: Fault) -> Option<String> {
    let policy = &service.release;
    let words = match fault {
        Fault::MigrateFail if policy.before.is_empty() => "it has no `before` job",
        Fault::SmokeFail if policy.smoke.is_empty() => "it has no `smoke` job",
        Fault::HookTimeout if policy.before.is_empty() && policy.smoke.is_empty() => {
            "it has no `before` and no `smoke` job"
        }
        Fault::DatabaseDown(_) if !uses_database(service) => "it uses no database",
        _ => return None,
    };
    Some(words.to_owned())
}

fn uses_database(service: &Service) -> bool {
    use crate::model::UsedResource;
    let mut uses = service.uses.iter();
    uses.any(|used| matches!(used, UsedResource::Database(_)))
}

/// Changes that may catch a fault, the smallest first.
fn candidates(
    manifest: &Manifest,
    question: &RehearsalSettings,
    found: &Rehearsal,
) -> Vec<Vec<String>> {
    let writer = Writer {
        manifest,
        question,
        service: &manifest.services[&question.service],
    };
    // An alarm that saw it may as well guard.
    let seen = found.alarms.iter();
    let mut all: Vec<Vec<String>> = seen.map(|fired| vec![writer.guard(&fired.alarm)]).collect();
    match question.fault {
        Fault::BadHealth => {
            let health = writer.set("health={ path = \"/healthz\" }");
            let breaker = writer.set("release.breaker=true");
            all.push(vec![health.clone()]);
            all.push(vec![breaker.clone()]);
            all.push(vec![health, breaker]);
        }
        Fault::Crash(after) => {
            all.push(vec![writer.set("release.breaker=true")]);
            all.push(vec![
                writer.set("release.breaker={ reset-on-healthy = false }"),
            ]);
            let alarm = writer.alarm("restarts", "metric = \"restarts\", above = 0");
            all.extend(writer.with_time(alarm, after.as_secs()));
        }
        Fault::ErrorRate(percent) => {
            let below = (100.0 - percent / 2.0).clamp(90.0, 99.5);
            let watched = format!("metric = \"success_rate\", below = {below:.1}, {JUDGED}");
            all.extend(writer.with_time(writer.alarm("success-rate", &watched), 0));
        }
        Fault::Latency(by) => {
            let above = (by.as_millis() / 2).clamp(100, 1000);
            let watched =
                format!("metric = \"latency\", statistic = \"p95\", above = {above}, {JUDGED}");
            all.extend(writer.with_time(writer.alarm("latency-p95", &watched), 0));
        }
        Fault::Leak(rate) => {
            let alarm = "metric = \"memory\", statistic = \"maximum\", above = 50";
            // Half of the memory must have had the time to leak.
            let limit = u64::from(writer.service.size.memory) << 20;
            let time = limit / 2 / rate.max(1);
            all.extend(writer.with_time(writer.alarm("memory", alarm), time));
        }
        _ => {}
    }
    all
}

/// How a metric of requests is judged.
const JUDGED: &str = "missing = \"not-breaching\", minimum-samples = 20";

/// Writes changes of one service.
struct Writer<'a> {
    manifest: &'a Manifest,
    question: &'a RehearsalSettings,
    service: &'a Service,
}

impl Writer<'_> {
    fn set(&self, text: &str) -> String {
        format!("service.{}.{text}", self.service.name)
    }

    /// One guard more.
    fn guard(&self, alarm: &str) -> String {
        let mut guards = self.service.release.guard.clone();
        guards.push(alarm.to_owned());
        let guards: Vec<String> = guards.iter().map(|name| format!("\"{name}\"")).collect();
        self.set(&format!("release.guard=[{}]", guards.join(", ")))
    }

    /// A change as it is, with a longer bake, and with a canary: what shows itself only after some
    /// seconds needs that time before all users have it.
    fn with_time(&self, change: Vec<String>, seconds: u64) -> Vec<Vec<String>> {
        let minutes = seconds.div_ceil(60) + 1;
        let bake = self.set(&format!("release.bake=\"{minutes}m\""));
        let canary = [
            self.set("release.strategy=\"canary\""),
            self.set("release.steps=[10, 50, 100]"),
        ];
        let mut longer = change.clone();
        longer.push(bake.clone());
        let mut stepwise = change.clone();
        stepwise.extend(canary);
        stepwise.push(bake);
        vec![change, longer, stepwise]
    }

    /// A new alarm that guards.
    fn alarm(&self, name: &str, watched: &str) -> Vec<String> {
        let name = if self.manifest.alarms.contains_key(name) {
            format!("{}-{name}", self.service.name)
        } else {
            name.to_owned()
        };
        let period = match self.question.on {
            TimingModel::Near => "10s",
            TimingModel::Ecs => "1m",
        };
        let service = &self.service.name;
        vec![
            format!(
                "alarm.{name}={{ service = \"{service}\", {watched}, period = \"{period}\", datapoints = \"2/2\" }}"
            ),
            self.guard(&name),
        ]
    }
}
