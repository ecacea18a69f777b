//! A release with a fault, in simulated time: when it is noticed, by what, and who meets it.
//!
//! Invariant: the machine, the guards, the alarms and the health rules are those that run near;
//! processes, users and times are modelled, and [`Rehearsal::assumptions`] says how. Equal
//! questions have equal answers. Refuses services that are not there or have no tasks.

mod advice;
mod answer;
mod fault;
mod notice;
mod timing;
mod traffic;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

pub use advice::{FaultAdvice, advise};
pub use fault::{FORMS, Fault, FaultError, all};
pub use notice::Detector;
pub use timing::TimingModel;
pub use traffic::RequestTally;

use crate::alarm::AlarmDefinition;
use crate::ids::RevisionNumber;
use crate::machine::{self, Event, RevisionDefinition, Supersede};
use crate::model::{Alarm, Manifest, Service, TreatMissingData};
use crate::time::Timestamp;
use answer::AnswerReader;
use timing::RehearsalTiming;
use world::RehearsalWorld;

/// Most requests a second that are modelled.
pub const MOST_RATE: f64 = 10_000.0;
/// A release that gets no further in so long goes on waiting.
const PATIENCE: Duration = Duration::from_secs(3600);
/// No rehearsal lasts longer: ECS gives a stage 24 hours.
const LONGEST: Duration = Duration::from_secs(26 * 3600);

/// Question of a rehearsal.
#[derive(Debug, Clone, PartialEq)]
pub struct RehearsalSettings {
    /// Name of the service.
    pub service: String,
    /// The fault that is rehearsed.
    pub fault: Fault,
    /// Platform whose times are taken.
    pub on: TimingModel,
    /// Requests a second.
    pub rate: f64,
    /// Decides what is chance.
    pub seed: u64,
}

/// Why there is no rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RehearseError {
    /// No such service.
    #[error("there is no service `{0}`; the manifest has {1}")]
    UnknownService(String, String),
    /// A static site.
    #[error("`{0}` is a static site: its files change at once, there is nothing to rehearse")]
    NoTasks(String),
    /// The rate is out of bounds.
    #[error("the traffic must be from 0 to {MOST_RATE} requests a second")]
    Rate,
    /// A good version cannot become stable, so there is nothing to release over.
    #[error("even a good version of `{0}` does not become stable: {1}")]
    NeverStable(String, String),
}

/// How a rehearsal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RehearsalOutcome {
    /// The new version serves.
    Done,
    /// The stable version serves again.
    RolledBack,
    /// The release failed where it was.
    Failed,
    /// It did not begin.
    Refused,
    /// It waits for something that does not come.
    Waiting,
}

impl RehearsalOutcome {
    /// The name that people and scripts see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Waiting => "waiting",
        }
    }
}

/// Result of a rehearsal. Times are milliseconds from the deploy on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rehearsal {
    /// Name of the service.
    pub service: String,
    /// The fault as it is written.
    pub fault: String,
    /// Platform whose times were taken.
    pub on: TimingModel,
    /// Requests a second.
    pub rate: f64,
    /// Seed of chance: the same one gives the same rehearsal.
    pub seed: u64,
    /// How it ended.
    pub ending: RehearsalOutcome,
    /// Why, in the machine's words.
    pub reason: String,
    /// Whether the machine did what should be done about this fault.
    pub caught: bool,
    /// The first detector that noticed; none when the release was done or waits.
    pub noticed_by: Option<Detector>,
    /// When that was; `None` without a detector.
    pub noticed_at: Option<u64>,
    /// When the first request met the fault.
    pub met_at: Option<u64>,
    /// When the release was over.
    pub ended_at: u64,
    /// Requests to the new version until then.
    pub new: RequestTally,
    /// Requests to the stable version until then.
    pub stable: RequestTally,
    /// Requests a minute that meet the fault when the release is over.
    pub met_per_minute_after: u64,
    /// The service's alarms that fire in or after the release: when, which, why.
    pub alarms: Vec<AlarmFiring>,
    /// The revision that serves in the end: the new one or not.
    pub new_serves: bool,
    /// Its healthy tasks, and how many there should be.
    pub healthy: (usize, u32),
    /// The events, in the order of time.
    pub timeline: Vec<RehearsalEvent>,
    /// Assumptions of the model, one sentence each.
    pub assumptions: Vec<String>,
}

/// An alarm that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmFiring {
    pub at: u64,
    pub alarm: String,
    pub reason: String,
}

/// A moment of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RehearsalEvent {
    pub at: u64,
    pub text: String,
}

/// Rehearses a release of a service.
///
/// # Errors
/// [`RehearseError`] when there is nothing to rehearse.
pub fn rehearse(
    manifest: &Manifest,
    question: &RehearsalSettings,
) -> Result<Rehearsal, RehearseError> {
    let service = subject(manifest, question)?;
    let manifest = as_on(manifest, question.on, &service.name);
    let mut world = RehearsalWorld::new(
        &service.name,
        question.fault,
        question.on,
        question.rate,
        question.seed,
    );
    settle_first(&mut world, &manifest, service)?;
    warm_up(&mut world, &manifest);
    world.traffic.tallies.clear();
    world.notices.clear();
    world.alarms.clear();
    let began = world.now;
    let refusal = deploy_new(&mut world, &manifest, service);
    let met_at = follow(&mut world, question.fault);
    let mut found = AnswerReader::new(question, began).read(&world, refusal, met_at);
    watch_on(&mut world, question, &manifest, &mut found);
    Ok(found)
}

/// The service, when it can be rehearsed.
fn subject<'a>(
    manifest: &'a Manifest,
    question: &RehearsalSettings,
) -> Result<&'a Service, RehearseError> {
    let name = &question.service;
    let Some(service) = manifest.services.get(name) else {
        let known: Vec<&str> = manifest.services.keys().map(String::as_str).collect();
        let known = known.join(", ");
        return Err(RehearseError::UnknownService(name.clone(), known));
    };
    if !RevisionDefinition::of(manifest, service).has_tasks() {
        return Err(RehearseError::NoTasks(name.clone()));
    }
    if !(0.0..=MOST_RATE).contains(&question.rate) {
        return Err(RehearseError::Rate);
    }
    Ok(service)
}

/// The manifest as it is watched: on ECS there is no data for shorter periods than a minute; the
/// alarms of other services have no data at all here, and that means nothing.
fn as_on(manifest: &Manifest, on: TimingModel, service: &str) -> Manifest {
    let mut manifest = manifest.clone();
    for alarm in manifest.alarms.values_mut() {
        alarm.period = alarm.period.max(RehearsalTiming::of(on).period);
        if alarm.service.as_deref().is_some_and(|of| of != service) {
            alarm.missing = TreatMissingData::Missing;
        }
    }
    manifest
}

/// A good version becomes stable.
fn settle_first(
    world: &mut RehearsalWorld,
    manifest: &Manifest,
    service: &Service,
) -> Result<(), RehearseError> {
    world.happen(&Event::UpRequested);
    deploy(world, RevisionDefinition::of(manifest, service));
    let until = world.now.after(LONGEST);
    let stable = |world: &RehearsalWorld| {
        world
            .service()
            .is_some_and(|service| service.release.is_none())
    };
    while !stable(world) && world.now < until {
        world.step();
    }
    match world.service() {
        Some(found) if found.stable.is_some() => Ok(()),
        found => {
            let ended = found.and_then(|found| found.history.back());
            let words = match ended {
                Some(ended) => ended.reason.clone(),
                None => found
                    .map(|found| machine::waiting_for(found, world.now))
                    .unwrap_or_default(),
            };
            Err(RehearseError::NeverStable(service.name.clone(), words))
        }
    }
}

/// Alarms see a while of good days first.
fn warm_up(world: &mut RehearsalWorld, manifest: &Manifest) {
    let now = world.now;
    world.watches.watch(&manifest.alarms, BTreeMap::new(), now);
    let until = now.after(longest_range(&manifest.alarms).min(Duration::from_secs(3600)));
    while world.now < until {
        world.step();
    }
}

fn longest_range(alarms: &BTreeMap<String, Alarm>) -> Duration {
    let range = |alarm: &Alarm| match AlarmDefinition::from_manifest(alarm) {
        Ok(AlarmDefinition::Metric(alarm)) => {
            let range = u32::try_from(alarm.range()).unwrap_or(u32::MAX);
            alarm.period.saturating_mul(range) + alarm.cadence()
        }
        _ => Duration::ZERO,
    };
    alarms.values().map(range).max().unwrap_or_default()
}

fn deploy(world: &mut RehearsalWorld, definition: RevisionDefinition) -> Option<String> {
    world.happen(&Event::DeployRequested {
        service: definition.service.name.as_str().into(),
        definition: Box::new(definition),
        firing: world.watches.alarms().firing(),
        supersede: Supersede::Refuse,
    })
}

fn deploy_new(
    world: &mut RehearsalWorld,
    manifest: &Manifest,
    service: &Service,
) -> Option<String> {
    let mut definition = RevisionDefinition::of(manifest, service);
    // A revision that differs in nothing would not be released.
    definition.overrides.push("rehearsal".to_owned());
    let name = "NEARGATE_REHEARSAL".to_owned();
    definition.service.env.insert(name, "1".to_owned());
    world.bad = world
        .service()
        .map_or(RevisionNumber::NONE, |service| service.next_revision);
    deploy(world, definition)
}

/// Until the release is over or waits for ever; when the first request met the fault.
fn follow(world: &mut RehearsalWorld, fault: Fault) -> Option<Timestamp> {
    let until = world.now.after(LONGEST);
    let mut met_at = None;
    let mut seen = (None, world.now);
    while let Some(release) = world.service().and_then(|service| service.release.as_ref()) {
        let waits = release.hook.is_some() || release.bake_until.is_some();
        let place = Some((release.stage, release.step, release.hooks_done));
        if place != seen.0 || waits {
            seen = (place, world.now);
        }
        if world.now.since(seen.1) > PATIENCE || world.now >= until {
            break;
        }
        world.step();
        if met_at.is_none() && met(world, fault) > 0 {
            met_at = Some(world.now);
        }
    }
    met_at
}

/// Requests that met the fault so far.
fn met(world: &RehearsalWorld, fault: Fault) -> u64 {
    let by = |tally: &RequestTally| match fault {
        // An answer that is too late counts once.
        Fault::Latency(_) => tally.slowed,
        _ => tally.failed,
    };
    world.traffic.tallies.values().map(by).sum()
}

/// A bad version that serves is watched on: what it does to a minute, and which alarm sees it.
fn watch_on(
    world: &mut RehearsalWorld,
    question: &RehearsalSettings,
    manifest: &Manifest,
    found: &mut Rehearsal,
) {
    if found.caught || !found.new_serves {
        return;
    }
    let before = met(world, question.fault);
    let began = Timestamp(world.now.0 - found.ended_at);
    let minute = world.now.after(Duration::from_secs(60));
    let until = world.now.after(
        (longest_range(&manifest.alarms) + Duration::from_secs(120)).min(Duration::from_secs(3600)),
    );
    let mut after_a_minute = None;
    while world.now < until {
        world.step();
        if world.now >= minute && after_a_minute.is_none() {
            after_a_minute = Some(met(world, question.fault) - before);
        }
    }
    found.met_per_minute_after = after_a_minute.unwrap_or(0);
    found.alarms = AnswerReader::new(question, began).alarms(world);
}
