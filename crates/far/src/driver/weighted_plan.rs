//! A release by listener weights: core's release machine on one side, ECS on the other.
//!
//! While such a release goes on, a second ECS service (the *visitor*) runs the new revision in
//! the other target group, and the rule's weights say how many requests it gets. At the end the
//! service itself takes the new revision, gets all requests again, and the visitor goes: whatever
//! happened, one service stays, in one target group.
//!
//! Pure: [`goal`] says what the machine wants of ECS, [`next_call`] which one call comes next,
//! [`events`] what an observation means to the machine. ECS keeps tasks alive by itself, so the
//! machine's tasks stand for a number of ECS's: the first `n` are healthy when `n` are.
//! Invariant: the visitor goes only after the weight is taken from it, and the service's own
//! tasks are replaced only while the visitor has all requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use neargate_core::alarm::AlarmState;
use neargate_core::machine::strategy::{WHOLE, evaluation};
use neargate_core::machine::{
    EnvironmentState, Event, Fact, GuardVerdict, JournalEntry, ProcessExit, Release, ReleaseStage,
    RevisionDefinition, ServiceState, Supersede, Task, TaskHealth, TaskLifecycle, apply, decide,
};
use neargate_core::model::{Alarm, Strategy};
use neargate_core::time::Timestamp;

/// What ECS, the load balancer and CloudWatch said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServicesObserved {
    /// The service itself.
    pub main: ServiceObservation,
    /// The service of the new revision, while there is one.
    pub visitor: Option<ServiceObservation>,
    /// The share of the visitor's target group, tenths of a percent.
    pub weight: u32,
    /// State and words of alarms, by their name in the manifest.
    pub alarms: BTreeMap<String, (AlarmState, String)>,
}

/// An ECS service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceObservation {
    /// ARN of its task definition.
    pub definition: String,
    /// `desiredCount`
    pub desired: u32,
    /// Healthy targets; running tasks when no load balancer asks.
    pub healthy: u32,
    /// Tasks that ECS counts as failed in the present deployment.
    pub failed: u32,
    /// Whether all its tasks are of its task definition and run.
    pub steady: bool,
    /// ECS's newest words about it.
    pub said: String,
}

/// What the machine wants of ECS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityGoal {
    /// Task definition of the service.
    pub main: String,
    /// Task definition and number of tasks of the visitor.
    pub visitor: Option<(String, u32)>,
    /// Share of the visitor's target group, tenths of a percent.
    pub weight: u32,
}

/// One change in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsChange {
    /// CreateService: the visitor.
    CreateVisitor {
        /// Task definition.
        definition: String,
        /// Tasks.
        count: u32,
    },
    /// UpdateService of the visitor.
    UpdateVisitor {
        /// Task definition.
        definition: String,
        /// Tasks.
        count: u32,
    },
    /// UpdateService: the service gets this task definition.
    UpdateMain {
        /// Task definition.
        definition: String,
    },
    /// ModifyRule.
    SetWeight {
        /// Share of the visitor, tenths of a percent.
        weight: u32,
    },
    /// DeleteService: the visitor.
    DeleteVisitor,
}

/// The machine's state at the beginning: the old revision is stable, the release to the new one
/// has begun. Its entries are the head of the journal. Revisions have ECS's numbers, so that what
/// the machine says of them is what people see.
#[must_use]
pub fn seed(
    name: &str,
    (old_number, old): (u32, &RevisionDefinition),
    (new_number, new): (u32, &RevisionDefinition),
    desired: u32,
    now: Timestamp,
) -> (EnvironmentState, Vec<JournalEntry>) {
    let (mut state, mut entries) = (EnvironmentState::default(), Vec::new());
    let mut first = old.clone();
    first.guards.clear();
    let release = &mut first.service.release;
    release.strategy = Strategy::Rolling;
    for jobs in [
        &mut release.before,
        &mut release.smoke,
        &mut release.after,
        &mut release.on_rollback,
        &mut release.guard,
    ] {
        jobs.clear();
    }
    let mut second = new.clone();
    // They have run: the driver does them before any way of releasing.
    second.service.release.before.clear();
    for definition in [&mut first, &mut second] {
        definition.service.scale.min = desired;
        definition.service.scale.max = desired;
    }
    let mut told = |state: &mut EnvironmentState, event: Event| {
        let step = decide(state, now, &event);
        for entry in step.entries() {
            apply(state, entry);
        }
        entries.extend_from_slice(step.entries());
    };
    let deploy = |definition: RevisionDefinition| Event::DeployRequested {
        service: name.to_owned(),
        definition: Box::new(definition),
        firing: Vec::new(),
        supersede: Supersede::Refuse,
    };
    told(&mut state, Event::UpRequested);
    number_next(&mut state, name, old_number);
    told(&mut state, deploy(first));
    // A rolling start may take several rounds within its limits.
    for _ in 0..desired.max(1) {
        let fresh: Vec<String> = state.services.get(name).map_or(Vec::new(), |service| {
            let pending = |task: &&Task| matches!(task.lifecycle, TaskLifecycle::Pending { .. });
            let tasks = service.tasks.values().filter(pending);
            tasks.map(|task| task.id.clone()).collect()
        });
        for task in fresh {
            told(&mut state, Event::TaskStarted { task: task.clone() });
            told(&mut state, health(&task, TaskHealth::Healthy, "it serves"));
        }
    }
    number_next(&mut state, name, new_number);
    told(&mut state, deploy(second));
    (state, entries)
}

/// The entry that registers a revision carries its number, so a replay gets it from there.
fn number_next(state: &mut EnvironmentState, name: &str, number: u32) {
    let service = state.services.entry(name.to_owned());
    service
        .or_insert_with(|| ServiceState::new(name))
        .next_revision = number;
}

/// The state that a journal gives.
#[must_use]
pub fn replay(journal: &[JournalEntry]) -> EnvironmentState {
    let mut state = EnvironmentState::default();
    for entry in journal {
        apply(&mut state, entry);
    }
    state
}

/// Task definitions of a release: ARNs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseTaskDefinitions {
    /// The one that served before.
    pub from: String,
    /// The one that shall serve.
    pub to: String,
}

/// What the machine wants of ECS now. `None`: nothing, the release has ended.
#[must_use]
pub fn goal(
    service: &ServiceState,
    ends: &ReleaseTaskDefinitions,
    observed: &ServicesObserved,
) -> Option<CapacityGoal> {
    let release = service.release.as_ref()?;
    let visitor = Some((ends.to.clone(), service.desired_tasks()));
    Some(match release.stage {
        ReleaseStage::Pending | ReleaseStage::BeforeHooks => CapacityGoal {
            main: ends.from.clone(),
            visitor: None,
            weight: 0,
        },
        ReleaseStage::ScaleUp
        | ReleaseStage::TestTraffic
        | ReleaseStage::Shifting
        | ReleaseStage::Baking => CapacityGoal {
            main: ends.from.clone(),
            visitor,
            weight: release.weight.min(WHOLE),
        },
        ReleaseStage::CleaningUp if moved(observed, &ends.to) => CapacityGoal {
            main: ends.to.clone(),
            visitor: observed
                .visitor
                .as_ref()
                .filter(|_| observed.weight > 0)
                .and(visitor),
            weight: 0,
        },
        ReleaseStage::CleaningUp => CapacityGoal {
            main: ends.to.clone(),
            visitor,
            weight: WHOLE,
        },
        ReleaseStage::RollingBack => CapacityGoal {
            main: ends.from.clone(),
            visitor: observed
                .visitor
                .as_ref()
                .filter(|_| observed.weight > 0)
                .and(visitor),
            weight: 0,
        },
    })
}

/// The service itself runs this task definition, and nothing else.
fn moved(observed: &ServicesObserved, definition: &str) -> bool {
    observed.main.definition == definition && observed.main.steady
}

/// The one call that comes next; `None`: AWS is as it should be, or on its way.
#[must_use]
pub fn next_call(goal: &CapacityGoal, observed: &ServicesObserved) -> Option<AwsChange> {
    if let Some((definition, count)) = &goal.visitor {
        let (definition, count) = (definition.clone(), *count);
        match &observed.visitor {
            None => return Some(AwsChange::CreateVisitor { definition, count }),
            Some(fleet) if fleet.definition != definition || fleet.desired != count => {
                return Some(AwsChange::UpdateVisitor { definition, count });
            }
            Some(_) => {}
        }
    }
    // Up before the service is touched, so that the visitor has the requests; down likewise.
    if goal.weight != observed.weight {
        return Some(AwsChange::SetWeight {
            weight: goal.weight,
        });
    }
    if goal.main != observed.main.definition && !goal.main.is_empty() {
        return Some(AwsChange::UpdateMain {
            definition: goal.main.clone(),
        });
    }
    match (&goal.visitor, &observed.visitor) {
        (None, Some(_)) => Some(AwsChange::DeleteVisitor),
        _ => None,
    }
}

/// What an observation means to the machine.
#[must_use]
pub fn events(
    service: &ServiceState,
    observed: &ServicesObserved,
    ended: u32,
    now: Timestamp,
) -> Vec<Event> {
    let Some(release) = &service.release else {
        return Vec::new();
    };
    let mut events = fleet_events(service, release, observed, ended);
    events.extend(leaving(service, release, observed));
    events.extend(verdicts(service, release, observed, now));
    events.push(Event::TimePassed);
    events
}

/// Tasks of the new revision: they run when ECS was told, are healthy when as many are.
fn fleet_events(
    service: &ServiceState,
    release: &Release,
    observed: &ServicesObserved,
    ended: u32,
) -> Vec<Event> {
    let arriving = matches!(
        release.stage,
        ReleaseStage::ScaleUp
            | ReleaseStage::TestTraffic
            | ReleaseStage::Shifting
            | ReleaseStage::Baking
    );
    let Some(visitor) = observed.visitor.as_ref().filter(|_| arriving) else {
        return Vec::new();
    };
    let own = |task: &&Task| task.revision == release.to && task.active();
    let mut events = Vec::new();
    let mut lost = visitor.failed.saturating_sub(ended);
    for (at, task) in service.tasks.values().filter(own).enumerate() {
        let healthy = at < visitor.healthy as usize;
        if matches!(task.lifecycle, TaskLifecycle::Pending { .. }) {
            events.push(Event::TaskStarted {
                task: task.id.clone(),
            });
        }
        if healthy && task.health != TaskHealth::Healthy {
            events.push(health(&task.id, TaskHealth::Healthy, "ECS says so"));
        } else if !healthy && lost > 0 {
            lost -= 1;
            events.push(Event::TaskExited {
                task: task.id.clone(),
                exit: ProcessExit::Unknown,
                last_lines: vec![visitor.said.clone()],
            });
        } else if !healthy && task.health == TaskHealth::Healthy {
            let words = format!("only {} are healthy", visitor.healthy);
            events.push(health(&task.id, TaskHealth::Unhealthy, &words));
        }
    }
    events
}

/// Tasks that the machine sends away. Those of a whole revision are gone when ECS has moved.
fn leaving(service: &ServiceState, release: &Release, observed: &ServicesObserved) -> Vec<Event> {
    let alone = observed.visitor.is_none() && observed.weight == 0 && observed.main.steady;
    let gone = |task: &Task| match release.stage {
        ReleaseStage::CleaningUp | ReleaseStage::RollingBack => alone,
        _ => task.revision == release.to,
    };
    let mut events = Vec::new();
    for task in service
        .tasks
        .values()
        .filter(|task| !task.active() && gone(task))
    {
        let task_id = || task.id.clone();
        if matches!(task.lifecycle, TaskLifecycle::Deactivating { .. }) {
            events.push(Event::TaskDrained {
                task: task_id(),
                cut: 0,
            });
        }
        events.push(Event::TaskExited {
            task: task_id(),
            exit: ProcessExit::Code(0),
            last_lines: Vec::new(),
        });
    }
    events
}

fn health(task: &str, health: TaskHealth, reason: &str) -> Event {
    Event::TaskHealthChanged {
        task: task.to_owned(),
        health,
        reason: reason.to_owned(),
        last_lines: Vec::new(),
    }
}

fn verdicts(
    service: &ServiceState,
    release: &Release,
    observed: &ServicesObserved,
    now: Timestamp,
) -> Vec<Event> {
    let Some(since) = release.step_since else {
        return Vec::new();
    };
    let guards = service
        .definition(release.to)
        .map(|definition| definition.guards.clone())
        .unwrap_or_default();
    let mut events = Vec::new();
    for (name, alarm) in guards {
        let Some((state, words)) = observed.alarms.get(&name) else {
            continue;
        };
        events.push(Event::GuardJudged {
            release: release.id,
            step: release.step,
            guard: name,
            verdict: verdict(&alarm, *state, now.since(since)),
            reason: words.clone(),
        });
    }
    events
}

/// What an alarm's state says about a step that is this old. An alarm that fires is believed at
/// once; one that is quiet only when all data points that it looks at are of this step.
#[must_use]
pub fn verdict(alarm: &Alarm, state: AlarmState, age: Duration) -> GuardVerdict {
    match state {
        AlarmState::Alarm => GuardVerdict::Fired,
        _ if age < evaluation(alarm) => GuardVerdict::Pending,
        AlarmState::Ok => GuardVerdict::Quiet,
        AlarmState::InsufficientData => GuardVerdict::TooLittle,
    }
}

/// Tasks of a revision that have ended, by the journal.
#[must_use]
pub fn ended(journal: &[JournalEntry], revision: u32) -> u32 {
    let stopped = journal.iter().filter(
        |entry| matches!(&entry.fact, Fact::TaskStopped { revision: of, .. } if *of == revision),
    );
    u32::try_from(stopped.count()).unwrap_or(u32::MAX)
}

/// A definition for the machine: what a revision is, for its decisions.
#[must_use]
pub fn of(definition: &RevisionDefinition, arn: &str) -> RevisionDefinition {
    RevisionDefinition {
        artifact: Some(arn.to_owned()),
        ..definition.clone()
    }
}

/// How the machine's release ended.
#[must_use]
pub fn finished(service: &ServiceState) -> Option<Arc<neargate_core::machine::FinishedRelease>> {
    match &service.release {
        Some(_) => None,
        None => service.history.back().cloned(),
    }
}
