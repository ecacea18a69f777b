//! The routing table: one published value, replaced as a whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::listening::ListenerOwner;
use super::sticky::CookieKey;
use crate::ids::{RevisionNumber, TaskId};
use crate::model::{Balance, HealthCheck, Route, Static, Sticky};

/// Everything that the router needs to serve. A table with a lower version than the one in
/// force is ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoutingTable {
    /// Rises with every publication, across engines.
    pub version: u64,
    /// Adds `X-Neargate-Revision` and `X-Neargate-Task` to responses.
    pub expose: bool,
    /// Address blocks of proxies in front: what they say of clients is believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
    /// Rules by listener name. A listener without rules answers 503.
    pub listeners: BTreeMap<String, Listener>,
    /// Target groups by name.
    pub groups: BTreeMap<String, TargetGroup>,
    /// Seals the cookies of sticky sessions. `None`: no group is sticky.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_key: Option<CookieKey>,
}

impl RoutingTable {
    /// Names the snapshots of sites below this directory, where the router sees them; their own
    /// names, which are digests, stay.
    pub fn find_sites_in(&mut self, directory: &Path) {
        let below = |path: &mut String| {
            if let Some(digest) = Path::new(path.as_str()).file_name() {
                *path = directory.join(digest).to_string_lossy().into_owned();
            }
        };
        let rules = self.listeners.values_mut().flat_map(|one| &mut one.rules);
        for rule in rules {
            if let RuleAction::Static(site) = &mut rule.action {
                below(&mut site.directory);
                site.earlier
                    .iter_mut()
                    .for_each(|earlier| below(&mut earlier.directory));
            }
        }
    }
}

/// One listening address and its rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Sorted by priority, lowest first; what matches none is answered 404.
    pub rules: Vec<ListenerRule>,
}

/// One rule of a listener, as ALB has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListenerRule {
    /// Conditions and priority.
    pub route: Route,
    /// Action for a request that matches.
    pub action: RuleAction,
}

/// Action of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAction {
    /// Share requests between groups by weight (0..=999 each); a chosen group without a
    /// usable target answers 503.
    Forward(Vec<WeightedGroup>),
    /// Serve files of a directory.
    Static(StaticSite),
}

/// A group and its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedGroup {
    /// Key in [`RoutingTable::groups`].
    pub group: String,
    /// 0..=999; share = weight / sum.
    pub weight: u32,
}

/// A directory on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticSite {
    /// Service name, for the access log and the counters.
    pub service: String,
    pub revision: RevisionNumber,
    /// Absolute path of the snapshot.
    pub directory: String,
    /// Index, fallback, cache headers (its `root` is not used here).
    pub site: Static,
    /// Revisions that served before, newest first: pages that are open still ask for their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierFiles>,
}

/// The files of a revision that served before: all but its pages are found when the present one
/// has no file of that path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierFiles {
    pub revision: RevisionNumber,
    /// Absolute path of the snapshot.
    pub directory: String,
    /// Not after this moment, milliseconds of the machine's monotonic clock.
    pub until: u64,
}

/// Targets that share a health check and an algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    pub service: String,
    pub balance: Balance,
    /// Health check; `None` or a command probe: the engine tells health (see [`Target::health`]).
    pub health: Option<HealthCheck>,
    /// Slow start; 0 is off.
    #[serde(with = "crate::duration")]
    pub slow_start: Duration,
    /// Sticky sessions; `None`: off.
    pub sticky: Option<Sticky>,
    /// The revision that this group stands for, so that clients of a sticky service stay with it
    /// while a rule shares requests between groups. `None`: they do not.
    #[serde(default)]
    pub revision: Option<RevisionNumber>,
    /// No byte from the target for this long: 504; also for upgraded connections.
    #[serde(with = "crate::duration")]
    pub idle_timeout: Duration,
    /// Targets, in registration order.
    pub targets: Vec<Target>,
}

impl TargetGroup {
    /// The slow start in force: none with another algorithm than round robin (as ALB).
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        match self.balance {
            Balance::RoundRobin => self.slow_start,
            Balance::LeastOutstanding | Balance::WeightedRandom => Duration::ZERO,
        }
    }
}

/// A task as the router sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Task id, unique in the environment.
    pub task: TaskId,
    pub revision: RevisionNumber,
    /// Where it listens.
    pub address: SocketAddr,
    /// Owner that the socket there must have; `None`: it is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<ListenerOwner>,
    /// Whether it may be given requests.
    pub admission: Admission,
    /// The engine's knowledge: the state to begin with when this router has not checked the target
    /// itself, and the state for groups without an HTTP check.
    pub health: TargetHealth,
}

/// Whether a target may be given new requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// Yes, when it is healthy.
    Admitted,
    /// No new request; those in flight may take until this long after the router first saw it so.
    Draining {
        /// Deregistration delay in ms.
        delay_ms: u64,
    },
}

/// ALB's target states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetHealth {
    /// Not checked yet: no traffic, unless all fail open.
    #[default]
    Initial,
    /// Takes new requests.
    Healthy,
    /// Takes none, unless all fail open.
    Unhealthy,
}
