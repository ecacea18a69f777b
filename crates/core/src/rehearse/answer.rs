//! What a rehearsal shows, read from its world.

use super::fault::Fault;
use super::timing::TimingModel;
use super::traffic::RequestTally;
use super::world::RehearsalWorld;
use super::{AlarmFiring, Rehearsal, RehearsalEvent, RehearsalOutcome, RehearsalSettings};
use crate::machine::{self, FinishedRelease, ServiceState, TimelineEvent};
use crate::time::Timestamp;

/// Reads the answer from a world.
pub(super) struct AnswerReader<'a> {
    question: &'a RehearsalSettings,
    began: Timestamp,
}

impl<'a> AnswerReader<'a> {
    pub(super) fn new(question: &'a RehearsalSettings, began: Timestamp) -> Self {
        Self { question, began }
    }

    fn at(&self, moment: Timestamp) -> u64 {
        u64::try_from(moment.since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn read(
        &self,
        world: &RehearsalWorld,
        refusal: Option<String>,
        met_at: Option<Timestamp>,
    ) -> Rehearsal {
        let service = world.service();
        let ended = service
            .and_then(|service| service.history.back())
            .filter(|ended| ended.to == world.bad);
        let (ending, reason) = ending(world, refusal, ended.map(AsRef::as_ref));
        let new_serves = service.is_some_and(|service| service.primary == world.bad)
            && ending != RehearsalOutcome::Refused;
        let notice = world.notices.first();
        let tally = |mine: bool| {
            let all = world.traffic.tallies.iter();
            let own = all.filter(|(revision, _)| (**revision == world.bad) == mine);
            own.fold(RequestTally::default(), |sum, (_, tally)| RequestTally {
                requests: sum.requests + tally.requests,
                failed: sum.failed + tally.failed,
                slowed: sum.slowed + tally.slowed,
            })
        };
        let question = self.question;
        Rehearsal {
            service: question.service.clone(),
            fault: question.fault.to_string(),
            on: question.on,
            rate: question.rate,
            seed: question.seed,
            ending,
            caught: caught(question.fault, ending, new_serves),
            reason,
            noticed_by: notice.map(|notice| notice.by.clone()),
            noticed_at: notice.map(|notice| self.at(notice.at)),
            met_at: met_at.map(|met_at| self.at(met_at)),
            ended_at: self.at(world.now),
            new: tally(true),
            stable: tally(false),
            met_per_minute_after: 0,
            alarms: self.alarms(world),
            new_serves,
            healthy: healthy(service),
            timeline: self.timeline(world, met_at),
            assumptions: assumptions(question),
        }
    }

    pub(super) fn alarms(&self, world: &RehearsalWorld) -> Vec<AlarmFiring> {
        let fired = |(at, alarm, reason): &(Timestamp, String, String)| AlarmFiring {
            at: self.at(*at),
            alarm: alarm.clone(),
            reason: reason.clone(),
        };
        world.alarms.iter().map(fired).collect()
    }

    fn timeline(&self, world: &RehearsalWorld, met_at: Option<Timestamp>) -> Vec<RehearsalEvent> {
        let told = |at: Timestamp, text: String| RehearsalEvent {
            at: self.at(at),
            text,
        };
        let mut timeline: Vec<RehearsalEvent> = story(world)
            .iter()
            .map(|moment| told(moment.at, moment.text.clone()))
            .collect();
        let word = match self.question.fault {
            Fault::Latency(_) => "the first request is slow",
            _ => "the first request fails",
        };
        timeline.extend(met_at.map(|at| told(at, word.to_owned())));
        if let (Some(at), Fault::DatabaseDown(time)) = (world.database_down, self.question.fault) {
            timeline.push(told(at, "the database is gone".to_owned()));
            let back = at.after(time);
            if back <= world.now {
                timeline.push(told(back, "the database is back".to_owned()));
            }
        }
        for (at, alarm, _) in &world.alarms {
            timeline.push(told(*at, format!("alarm {alarm} of the service fires")));
        }
        timeline.sort_by_key(|told| told.at);
        timeline
    }
}

fn story(world: &RehearsalWorld) -> Vec<std::sync::Arc<TimelineEvent>> {
    let Some(service) = world.service() else {
        return Vec::new();
    };
    match (&service.release, service.history.back()) {
        (Some(release), _) => release.story.clone(),
        (None, Some(ended)) if ended.to == world.bad => ended.story.clone(),
        _ => Vec::new(),
    }
}

fn ending(
    world: &RehearsalWorld,
    refusal: Option<String>,
    ended: Option<&FinishedRelease>,
) -> (RehearsalOutcome, String) {
    match (refusal, ended) {
        (Some(refusal), _) => (RehearsalOutcome::Refused, refusal),
        (None, Some(ended)) => {
            let ending = match ended.outcome {
                machine::ReleaseOutcome::Done => RehearsalOutcome::Done,
                machine::ReleaseOutcome::RolledBack => RehearsalOutcome::RolledBack,
                machine::ReleaseOutcome::Failed => RehearsalOutcome::Failed,
            };
            (ending, ended.reason.clone())
        }
        (None, None) => {
            let words = world
                .service()
                .map(|service| machine::waiting_for(service, world.now));
            let words = words.unwrap_or_default();
            (RehearsalOutcome::Waiting, format!("it waits for {words}"))
        }
    }
}

/// A bad version must not serve in the end; a good one must, or wait for requests.
fn caught(fault: Fault, ending: RehearsalOutcome, new_serves: bool) -> bool {
    match (fault.is_bad(), ending) {
        (true, RehearsalOutcome::Waiting) => false,
        (true, _) => !new_serves,
        (false, RehearsalOutcome::Done | RehearsalOutcome::Waiting) => true,
        // What else is down may well stop a release.
        (false, RehearsalOutcome::RolledBack | RehearsalOutcome::Refused) => fault != Fault::None,
        (false, RehearsalOutcome::Failed) => false,
    }
}

fn healthy(service: Option<&ServiceState>) -> (usize, u32) {
    let Some(service) = service else {
        return (0, 0);
    };
    let serving = service
        .tasks
        .values()
        .filter(|task| task.revision == service.primary && task.healthy());
    (serving.count(), service.desired)
}

fn assumptions(question: &RehearsalSettings) -> Vec<String> {
    let mut all = vec![
        format!(
            "{} requests a second all the time, 5 to 80 ms each",
            question.rate
        ),
        "a good task uses 5 % of its memory and 20 % of its CPU".to_owned(),
        "jobs succeed, unless the fault is theirs; people approve at once".to_owned(),
    ];
    if question.on == TimingModel::Ecs {
        all.push("a task runs 40 s after it was asked for (ECS publishes no time)".to_owned());
        all.push(
            "CloudWatch has data of whole minutes, and its alarms reach ECS a minute later"
                .to_owned(),
        );
        all.push(
            "ECS does not wait for an alarm's verdict: the bake time alone decides".to_owned(),
        );
    }
    all
}
