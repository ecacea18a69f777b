//! A world that obeys [`CapacityOrder`]s, and a client that may be lost after every call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::machine::{
    Action, AdoptedRevision, AdoptedService, Capacity, CapacityObservation, CapacityOrder,
    DeploymentCapacity, DeploymentOrder, DeploymentProgress, Event, FilesCapacity, FinishedRelease,
    GuardVerdict, JournalEntry, JournaledState, ObservedServices, ProcessExit, ReleaseControl,
    RevisionCapacity, RevisionDefinition, ScaleBounds, ServiceState, ServicesCapacity,
    ServicesOrder, Supersede,
};
use neargate_core::manifest::{ManifestSource, load};
use neargate_core::time::Timestamp;

pub(super) const OLD: RevisionNumber = RevisionNumber(7);
pub(super) const NEW: RevisionNumber = RevisionNumber(9);
pub(super) const TASKS: u32 = 3;

/// A definition of the service `api`, released in this way.
pub(super) fn definition(release: &str, artifact: RevisionNumber) -> RevisionDefinition {
    let text = format!(
        r#"
app = "notes"

[service.api]
command = ["notes", "serve"]
port = 3000
route = "/*"
health = "/healthz"
scale = {{ min = 2, max = 9 }}
release = {{ {release} }}

[job.migrate]
service = "api"
command = ["notes", "migrate"]

[job.undo]
service = "api"
command = ["notes", "undo"]

[alarm.success-rate]
metric = "success_rate"
service = "api"
below = 99.5
period = "60s"
"#
    );
    let source = ManifestSource {
        name: "neargate.toml".to_owned(),
        text,
    };
    let Ok(loaded) = load(&source, "local", &[]) else {
        panic!("the manifest is right");
    };
    let service = loaded.manifest.services["api"].clone();
    RevisionDefinition {
        artifact: Some(artifact.to_string()),
        ..RevisionDefinition::of(&loaded.manifest, &service)
    }
}

/// State of the modelled AWS, and its behaviour.
pub(super) struct World {
    pub now: Timestamp,
    pub journal: Vec<JournalEntry>,
    pub state: JournaledState,
    pub services: ServicesCapacity,
    /// Deployments of the one service: revision and how far each is.
    pub deployments: Vec<(RevisionNumber, DeploymentProgress)>,
    /// The revision of the service's task definition.
    pub serving: RevisionNumber,
    /// The revision whose files are in place.
    pub files: RevisionNumber,
    /// How the next deployments end; when there is none left they succeed.
    pub endings: Vec<DeploymentProgress>,
    /// How the next copies of a site end: the number of files that are missing.
    pub missing: Vec<usize>,
    /// Word that another client writes after the next call was decided, and before it is made.
    pub meanwhile: Option<ReleaseControl>,
    /// Exit codes of jobs by name; 0 otherwise.
    pub exits: BTreeMap<String, i32>,
    /// Calls in words.
    pub calls: Vec<String>,
}

impl World {
    /// A release of `NEW` has begun where `OLD` serves (or nothing does).
    pub(super) fn begin(capacity: Capacity, release: &str, serving: bool) -> Self {
        let old = AdoptedRevision {
            number: OLD,
            definition: Arc::new(definition(release, OLD)),
        };
        let new = definition(release, NEW);
        let adopted = AdoptedService {
            capacity,
            desired: TASKS,
            scale_bounds: ScaleBounds::of(&new.service.scale),
            stable: if serving { vec![old] } else { Vec::new() },
            next_revision: NEW,
            next_release: ReleaseId(4),
        };
        let main = RevisionCapacity {
            revision: OLD,
            desired: TASKS,
            healthy: TASKS,
            failed: 0,
            steady: true,
        };
        let mut world = Self {
            now: Timestamp(1_000_000),
            journal: Vec::new(),
            state: JournaledState::default(),
            services: ServicesCapacity {
                main,
                ..ServicesCapacity::default()
            },
            deployments: vec![(OLD, DeploymentProgress::Succeeded)],
            serving: OLD,
            files: OLD,
            endings: Vec::new(),
            missing: Vec::new(),
            meanwhile: None,
            exits: BTreeMap::new(),
            calls: Vec::new(),
        };
        world.ask(&Event::UpRequested);
        world.ask(&Event::ServiceAdopted {
            service: "api".into(),
            adopted: Box::new(adopted),
        });
        world.ask(&Event::NewRevisionForced {
            service: "api".into(),
            definition: Box::new(new),
            firing: Vec::new(),
            supersede: Supersede::Refuse,
        });
        world
    }

    pub(super) fn services() -> Capacity {
        Capacity::Services(ObservedServices::default())
    }

    pub(super) fn deployment() -> Capacity {
        Capacity::Deployment(DeploymentCapacity {
            newest: "deployment-1".to_owned(),
            requested: None,
        })
    }

    pub(super) fn files() -> Capacity {
        Capacity::Files(FilesCapacity::default())
    }

    /// Decides and persists; gives what is to be done.
    pub(super) fn ask(&mut self, event: &Event) -> Vec<Action> {
        let decision = self.state.decide(self.now, event);
        let Ok(persisted) = decision.persist(&mut self.journal);
        self.state.take_in(persisted)
    }

    /// The client is lost, and another one replays the journal.
    pub(super) fn lose_client(&mut self) {
        let replayed = JournaledState::replay(&self.journal);
        assert_eq!(replayed, self.state, "the journal is the state");
        self.state = replayed;
    }

    pub(super) fn service(&self) -> &ServiceState {
        &self.state.state().services["api"]
    }

    pub(super) fn ended(&self) -> Option<Arc<FinishedRelease>> {
        let service = self.service();
        let newest = service.history.back();
        newest.filter(|_| service.release.is_none()).cloned()
    }

    pub(super) fn steer(&mut self, steer: ReleaseControl) {
        self.ask(&Event::ReleaseSteered {
            service: "api".into(),
            steer,
            by: "ann".to_owned(),
        });
    }

    /// A client's observation of the capacity; none of files, which say it when their copy has
    /// ended.
    pub(super) fn observation(&self) -> Option<CapacityObservation> {
        match &self.service().capacity {
            Capacity::Services(_) => Some(CapacityObservation::Services {
                services: self.services.clone(),
                said: "a task failed to start".to_owned(),
            }),
            Capacity::Deployment(_) => {
                let newest = self.deployments.len();
                let (revision, progress) = self.deployments[newest - 1];
                Some(CapacityObservation::Deployment {
                    arn: format!("deployment-{newest}"),
                    progress,
                    words: format!("revision {revision}: {progress:?}"),
                    evidence: vec!["tasks failed to start".to_owned()],
                    serving: self.serving,
                })
            }
            Capacity::Scheduler | Capacity::Files(_) => None,
        }
    }

    /// One round of a client: it looks, asks, and makes the one call that comes next.
    pub(super) fn round(&mut self, guard: GuardVerdict) {
        self.now = self.now.after(Duration::from_secs(20));
        self.deploy();
        let mut events: Vec<Event> = self.observation().map(observed).into_iter().collect();
        if let Some(release) = self.service().release.clone() {
            if release.step_since.is_some() && guard != GuardVerdict::Pending {
                events.push(Event::GuardJudged {
                    release: release.id,
                    step: release.step,
                    guard: "success-rate".to_owned(),
                    verdict: guard,
                    reason: "5 of 100 failed".to_owned(),
                });
            }
            events.extend(release.hook.map(|hook| {
                self.calls.push(format!("job {}", hook.job));
                Event::HookFinished {
                    release: release.id,
                    run: hook.run,
                    exit: ProcessExit::Code(self.exits.get(&hook.job).copied().unwrap_or(0)),
                    last_lines: vec!["the last line".to_owned()],
                }
            }));
        }
        events.push(Event::TimePassed);
        for event in events {
            self.ask(&event);
        }
        if let Some(order) = self.state.capacity_order("api") {
            self.calls.push(words(&order));
            if let Some(steer) = self.meanwhile.take() {
                self.steer(steer);
            }
            self.obey(&order);
        }
    }

    /// Rounds until the release has ended.
    pub(super) fn run(&mut self, guard: GuardVerdict) -> Arc<FinishedRelease> {
        for _ in 0..1_000 {
            if let Some(ended) = self.ended() {
                return ended;
            }
            self.round(guard);
        }
        panic!("it never ends: {:?}", self.calls);
    }

    /// ECS goes on with the newest deployment.
    fn deploy(&mut self) {
        let Some((revision, progress)) = self.deployments.last_mut() else {
            return;
        };
        let before = if *revision == NEW { OLD } else { NEW };
        match *progress {
            DeploymentProgress::InProgress => {
                *progress = self.endings.pop().unwrap_or(DeploymentProgress::Succeeded);
                if *progress == DeploymentProgress::Succeeded {
                    self.serving = *revision;
                }
            }
            DeploymentProgress::RollingBack => {
                *progress = DeploymentProgress::RolledBack;
                self.serving = before;
            }
            _ => {}
        }
    }

    pub(super) fn obey(&mut self, order: &CapacityOrder) {
        match order {
            CapacityOrder::Services(order) => self.obey_services(order),
            CapacityOrder::Deployment(DeploymentOrder::Start { revision, .. }) => {
                self.deployments
                    .push((*revision, DeploymentProgress::InProgress));
            }
            CapacityOrder::Deployment(DeploymentOrder::RollBack { .. }) => {
                if let Some((_, progress)) = self.deployments.last_mut()
                    && !progress.has_ended()
                {
                    *progress = DeploymentProgress::RollingBack;
                }
            }
            CapacityOrder::CopyFiles { revision } => {
                let missing = self.missing.pop().unwrap_or(0);
                self.files = if missing == 0 {
                    *revision
                } else {
                    RevisionNumber::NONE
                };
                self.ask(&observed(CapacityObservation::Files {
                    revision: *revision,
                    words: format!("{missing} files are not there"),
                    missing: (0..missing).map(|file| format!("{file}.js")).collect(),
                }));
            }
        }
    }

    fn obey_services(&mut self, order: &ServicesOrder) {
        let services = &mut self.services;
        match order {
            ServicesOrder::CreateVisitor { revision, count }
            | ServicesOrder::UpdateVisitor { revision, count } => {
                services.visitor = Some(RevisionCapacity {
                    revision: *revision,
                    desired: *count,
                    healthy: *count,
                    failed: 0,
                    steady: true,
                });
            }
            ServicesOrder::DeleteVisitor => {
                assert_eq!(services.weight, 0, "the visitor goes without requests");
                services.visitor = None;
            }
            ServicesOrder::SetWeight { weight } => {
                let up = services.visitor.as_ref().is_some_and(|it| it.healthy > 0);
                assert!(*weight == 0 || up, "requests to a service without tasks");
                services.weight = *weight;
            }
            ServicesOrder::UpdateMain { revision } => {
                // Back, it rolls: healthy tasks of the new revision stay until the old ones are up.
                let without_requests = services.weight == 1000;
                assert!(
                    *revision == OLD || without_requests,
                    "it is replaced without requests"
                );
                services.main.revision = *revision;
            }
        }
    }
}

pub(super) fn observed(observation: CapacityObservation) -> Event {
    Event::CapacityObserved {
        service: "api".into(),
        observation,
    }
}

fn words(order: &CapacityOrder) -> String {
    match order {
        CapacityOrder::Services(ServicesOrder::CreateVisitor { revision, count }) => {
            format!("create {revision} x{count}")
        }
        CapacityOrder::Services(ServicesOrder::UpdateVisitor { revision, count }) => {
            format!("update {revision} x{count}")
        }
        CapacityOrder::Services(ServicesOrder::DeleteVisitor) => "delete".to_owned(),
        CapacityOrder::Services(ServicesOrder::SetWeight { weight }) => format!("weight {weight}"),
        CapacityOrder::Services(ServicesOrder::UpdateMain { revision }) => {
            format!("main {revision}")
        }
        CapacityOrder::Deployment(DeploymentOrder::Start { revision, after }) => {
            format!("deploy {revision} after {after}")
        }
        CapacityOrder::Deployment(DeploymentOrder::RollBack { arn }) => format!("roll back {arn}"),
        CapacityOrder::CopyFiles { revision } => format!("copy {revision}"),
    }
}
