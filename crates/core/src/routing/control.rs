//! What engine and router say to each other.
//!
//! The router listens on a unix stream socket of its own (mode 0600); each engine connects to
//! it. Every message is one line of JSON. On connect the router sends [`FromRouter::Hello`]
//! with its listening sockets attached (SCM_RIGHTS, in the order of the hello's `listeners`,
//! each name repeated per socket), so that an engine that was restarted can hand them on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::table::{RoutingTable, TargetHealth};
use crate::health_reason::HealthReason;
use crate::ids::{RevisionNumber, TaskId};
use crate::metrics::Window;

/// A message from the engine to a router, one JSON object a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum ToRouter {
    /// Serve from this table from now on. Answered by [`FromRouter::Published`].
    Publish { table: Box<RoutingTable> },
    /// The engine has written these counts: answers [`FromRouter::Counted`].
    Taken {
        /// End of the counted stretch, as the router gave it.
        through: u64,
    },
    /// Accept no more connections, finish what is in flight (at most this long), and end.
    Drain {
        /// Bound of the drain, milliseconds.
        timeout_ms: u64,
    },
}

/// Router to engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum FromRouter {
    /// First message on every connection.
    Hello {
        pid: u32,
        /// Version of the table in force (0: none).
        version: u64,
        /// Listener name of each attached socket, in order.
        listeners: Vec<String>,
        /// Whether it sends [`FromRouter::Beat`]; one of an older version does not.
        #[serde(default)]
        beats: bool,
    },
    /// The control thread lives, and how often each worker went round; every
    /// [`PERIOD`](crate::liveness::PERIOD).
    Beat {
        /// Workers that have not ended: thread id, count.
        workers: Vec<(u32, u64)>,
        /// How full the router is, and what it lacked.
        #[serde(default)]
        load: RouterLoad,
    },
    /// A table is in force on every worker: no new request is routed by an older one.
    Published {
        /// Version of that table.
        version: u64,
    },
    /// A target's health changed, or what its last check found. Sent for every target once after
    /// Hello as well.
    HealthChanged {
        task: TaskId,
        /// The state now.
        health: TargetHealth,
        /// What the last check found.
        reason: HealthReason,
        /// Failures in a row so far, of a target that is not unhealthy.
        #[serde(default)]
        failures: u32,
        /// How many of them make it unhealthy; 0: it is not asked, or the router does not tell.
        #[serde(default)]
        threshold: u32,
    },
    /// A draining target has no request in flight any more (or its delay has passed).
    Drained {
        task: TaskId,
        /// Requests that were cut off by the delay.
        cut: u64,
    },
    /// Everything that was counted in a stretch of time: once a second, also when it was nothing.
    /// The first one after a hello begins as long ago as the router remembers; the next one is
    /// sent when [`ToRouter::Taken`] has answered this one, and begins where it ends.
    Counted {
        /// Its begin, milliseconds of the machine's monotonic clock.
        #[serde(default)]
        from: u64,
        /// Its end; 0 from a router of an older version, which does not tell seconds.
        #[serde(default)]
        through: u64,
        /// In the order of time.
        #[serde(default)]
        seconds: Vec<SecondCount>,
    },
}

/// How full a router is, and what it lacked since it began. None of it is a target's failure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouterLoad {
    /// Client connections now.
    pub connections: u64,
    /// Most client connections, derived from the limit of open files.
    pub most_connections: u64,
    /// Idle client connections that were closed for new clients.
    pub closed_idle: u64,
    /// Clients that were answered 503 because all places were taken (ALB's
    /// `RejectedConnectionCount`).
    pub refused: u64,
    /// Requests that were answered 503 because no connection to a target could be made for want
    /// of descriptors, memory or local ports.
    pub unmade_requests: u64,
    /// Health checks that could not be made: health stayed what it was.
    pub unmade_checks: u64,
    /// The last shortage, in the kernel's words; empty: none.
    pub shortage: String,
}

impl RouterLoad {
    /// Whether anything but the number of connections happened since then.
    #[must_use]
    pub fn lacked_since(&self, before: &Self) -> bool {
        let counts = |load: &Self| {
            [
                load.closed_idle,
                load.refused,
                load.unmade_requests,
                load.unmade_checks,
            ]
        };
        counts(self) != counts(before)
    }

    /// It for people; `None`: the router lacked nothing.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.closed_idle + self.refused > 0 {
            let most = self.most_connections;
            let mut full = format!("it has places for {most} client connections (see `ulimit -n`)");
            full.push_str(&format!(
                "; {} idle ones were closed for new clients",
                self.closed_idle
            ));
            if self.refused > 0 {
                full.push_str(&format!(", {} clients got 503", self.refused));
            }
            parts.push(full);
        }
        if self.unmade_requests > 0 {
            parts.push(format!(
                "{} requests got 503 because no connection could be made: {}",
                self.unmade_requests, self.shortage
            ));
        }
        if self.unmade_checks > 0 {
            parts.push(format!(
                "{} health checks could not be made, so health is as it was last known: {}",
                self.unmade_checks, self.shortage
            ));
        }
        (!parts.is_empty()).then(|| format!("the router is at its limits: {}", parts.join("; ")))
    }
}

/// Answers of one second under one routing table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SecondCount {
    /// Seconds of the machine's monotonic clock.
    pub second: u64,
    /// Version of the table.
    pub version: u64,
    /// Since when the table is in force, milliseconds of the same clock.
    pub in_force: u64,
    /// By service, revision and task.
    pub requests: Vec<RequestCount>,
}

impl SecondCount {
    /// When it began: the second, or in its course the table. Milliseconds.
    #[must_use]
    pub fn began(&self) -> u64 {
        self.in_force.max(self.second.saturating_mul(1000))
    }
}

/// Answers of one target (or of a static site, or of the router itself).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RequestCount {
    /// Service; empty when no rule matched.
    pub service: String,
    /// Revision, also of a group that had no target; 0 when none.
    pub revision: RevisionNumber,
    /// Task; empty for static sites and for answers of the router itself.
    pub task: String,
    /// Requests by status code of the target's answer.
    #[serde(with = "statuses")]
    pub target_status: BTreeMap<u16, u64>,
    /// Requests by status code of the router's own answers.
    #[serde(with = "statuses")]
    pub router_status: BTreeMap<u16, u64>,
    /// How long they took, milliseconds.
    pub latency: Window,
    /// Those of them whose target group a cookie chose, and not the weights.
    #[serde(default)]
    pub kept: u64,
}

/// Status counts as a list of pairs: JSON has no number keys, and inside a tagged message they
/// could not be read back.
mod statuses {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        counts: &BTreeMap<u16, u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(counts)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u16, u64>, D::Error> {
        let pairs = Vec::<(u16, u64)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_the_wire() {
        let mut latency = Window::of(1.023, 2);
        latency.record(0.8, 1);
        let message = FromRouter::Counted {
            from: 7_000,
            through: 8_000,
            seconds: vec![SecondCount {
                second: 7,
                version: 3,
                in_force: 7_250,
                requests: vec![RequestCount {
                    service: "api".into(),
                    target_status: BTreeMap::from([(200, 3)]),
                    latency,
                    ..RequestCount::default()
                }],
            }],
        };
        let text = serde_json::to_string(&message).expect("JSON");
        assert_eq!(
            serde_json::from_str::<FromRouter>(&text).expect("back"),
            message
        );
    }
}
