//! From what runs to the routing table.
//!
//! The rules of a service are those of the revision that it is moving to (or serving); the
//! targets are its tasks of every revision, so a rolling release is one target group whose
//! members change. While a release shifts traffic there are two groups with weights, and a rule
//! by header that reaches the new revision alone. The groups of a service whose releases shift
//! always stand for a revision, so that a session that began before a release is known in it.
//! Each service that listens also has an internal listener of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::ServiceState;
use neargate_core::model::{Route, Service, Strategy, Workload};
use neargate_core::routing::sticky::CookieKey;
use neargate_core::routing::table::{
    EarlierFiles, Listener, ListenerRule, RoutingTable, RuleAction, StaticSite, Target,
    TargetGroup, WeightedGroup,
};
use neargate_core::time::Timestamp;

/// Name of the public listener.
pub(super) const EDGE: &str = "edge";

/// One service, as the table needs it.
pub(super) struct ExposedService<'a> {
    /// Definition of the revision whose rules apply.
    pub service: &'a Service,
    /// Number of that revision.
    pub revision: RevisionNumber,
    /// Its snapshot (or the manifest's folder, without an artifact).
    pub directory: &'a Path,
    /// Of a static site: the files of revisions that served before.
    pub earlier: Vec<EarlierFiles>,
    /// Its tasks that listen.
    pub targets: Vec<Target>,
    /// While a release shifts: the stable and the new revision, with tenths of a percent.
    pub shares: Option<[(RevisionNumber, u32); 2]>,
}

/// A request with this header and a revision's number reaches that revision (smoke tests, people
/// who look at a new version before others do).
pub(super) const TEST_HEADER: &str = "x-neargate-revision";
/// Weights of a rule are at most this (ALB).
const MOST_WEIGHT: u32 = 999;

/// Revisions of a static site whose files are found besides those of the one that serves.
const MOST_EARLIER: usize = 5;

/// Which revisions of a static site served before, newest first, and until when their files are
/// found: `keep` after the release that ended their time. One that a release went back from is
/// among them.
#[must_use]
pub(super) fn earlier(service: &ServiceState, keep: Duration) -> Vec<(RevisionNumber, Timestamp)> {
    let mut found: Vec<(RevisionNumber, Timestamp)> = Vec::new();
    let open = service
        .release
        .iter()
        .map(|open| (open.from, open.started_at));
    let ended = service.history.iter().rev().flat_map(|past| {
        let left = [past.from, past.to].into_iter();
        left.map(|revision| (revision, past.ended_at))
    });
    for (revision, at) in open.chain(ended) {
        let known = found.iter().any(|(number, _)| *number == revision);
        if revision != RevisionNumber::NONE && revision != service.primary && !known {
            found.push((revision, at.after(keep)));
        }
    }
    found.truncate(MOST_EARLIER);
    found
}

/// Name of a service's internal listener.
#[must_use]
pub(super) fn internal(service: &str) -> String {
    format!("service-{service}")
}

/// The table for these services.
#[must_use]
pub(super) fn table(
    version: u64,
    (expose, trusted): (bool, &[String]),
    key: &CookieKey,
    services: Vec<ExposedService<'_>>,
) -> RoutingTable {
    let mut edge = Vec::new();
    let mut listeners = BTreeMap::new();
    let mut groups = BTreeMap::new();
    for exposed in services {
        let service = exposed.service;
        let (targets, actions) = split(&exposed);
        let shifts = exposed.shares.is_some() || service.release.strategy != Strategy::Rolling;
        let rules = |route: &Route, test: bool| {
            let mut rules = Vec::new();
            for (revision, action) in &actions {
                let mut route = route.clone();
                match revision {
                    Some(revision) if test => {
                        let value = vec![revision.to_string()];
                        route.header.insert(TEST_HEADER.to_owned(), value);
                    }
                    Some(_) => continue,
                    None => {}
                }
                let action = action.clone();
                rules.push(ListenerRule { route, action });
            }
            rules
        };
        edge.extend(service.routes.iter().flat_map(|route| rules(route, expose)));
        if service.port.is_some() {
            let any = Route {
                priority: 1,
                path: vec!["*".to_owned()],
                ..Route::default()
            };
            let rules = rules(&any, true);
            listeners.insert(internal(&service.name), Listener { rules });
            for (name, revision, targets) in targets {
                let revision = shifts.then_some(revision);
                groups.insert(name, group(service, revision, targets));
            }
        }
    }
    edge.sort_by_key(|rule| rule.route.priority);
    listeners.insert(EDGE.to_owned(), Listener { rules: edge });
    let sticky = groups.values().any(|group| group.sticky.is_some());
    RoutingTable {
        version,
        expose,
        trusted: trusted.to_vec(),
        listeners,
        groups,
        cookie_key: sticky.then(|| key.clone()),
    }
}

/// Name, the revision that it stands for, targets.
type NamedTargets = Vec<(String, RevisionNumber, Vec<Target>)>;
type GroupActions = Vec<(Option<RevisionNumber>, RuleAction)>;

/// The groups of a service, and what its rules do: first for one revision alone, then for all.
fn split(exposed: &ExposedService<'_>) -> (NamedTargets, GroupActions) {
    let service = exposed.service;
    if let Workload::Static(site) = &service.runs {
        let site = StaticSite {
            service: service.name.clone(),
            revision: exposed.revision,
            directory: exposed.directory.display().to_string(),
            site: site.clone(),
            earlier: exposed.earlier.clone(),
        };
        return (Vec::new(), vec![(None, RuleAction::Static(site))]);
    }
    let forward = |group: &str, weight: u32| WeightedGroup {
        group: group.to_owned(),
        weight: weight.min(MOST_WEIGHT),
    };
    let name = &service.name;
    let Some([(stable, stable_share), (new, new_share)]) = exposed.shares else {
        let all = RuleAction::Forward(vec![forward(name, 1)]);
        return (
            vec![(name.clone(), exposed.revision, exposed.targets.clone())],
            vec![(None, all)],
        );
    };
    let new_name = format!("{name}@{new}");
    let (new_targets, stable_targets) = exposed
        .targets
        .iter()
        .cloned()
        .partition(|target| target.revision == new);
    let alone = RuleAction::Forward(vec![forward(&new_name, 1)]);
    let shared = RuleAction::Forward(vec![
        forward(name, stable_share),
        forward(&new_name, new_share),
    ]);
    (
        vec![
            (name.clone(), stable, stable_targets),
            (new_name, new, new_targets),
        ],
        vec![(Some(new), alone), (None, shared)],
    )
}

fn group(service: &Service, revision: Option<RevisionNumber>, targets: Vec<Target>) -> TargetGroup {
    TargetGroup {
        service: service.name.clone(),
        balance: service.balance,
        health: service.health.clone(),
        slow_start: service.slow_start,
        sticky: service.sticky.clone(),
        revision,
        idle_timeout: service.idle_timeout,
        targets,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use neargate_core::routing::table::{Admission, TargetHealth};

    use super::*;

    fn service(strategy: &serde_json::Value, sticky: bool) -> Service {
        let sticky = sticky.then(|| serde_json::json!({"duration": "1h", "cookie": null}));
        serde_json::from_value(serde_json::json!({
            "name": "api", "build": null, "artifact": null, "runs": {"command": ["api"]}, "port": 3000,
            "routes": [], "size": {"cpu": 256, "memory": 512}, "health": null, "uses": [], "env": {},
            "drain": "30s", "stop_timeout": "30s", "balance": "round-robin",
            "slow_start": "0s", "idle_timeout": "1m", "sticky": sticky,
            "scale": {"min": 1, "max": 1, "cpu": null, "memory": null, "requests": null,
                "in_cooldown": "5m", "out_cooldown": "5m"},
            "release": {"strategy": strategy, "minimum_percent": 100, "maximum_percent": 200,
                "guard": [], "low_traffic": "hold", "before": [], "smoke": [], "after": [],
                "on_rollback": [], "approve": false, "breaker": null}
        }))
        .unwrap()
    }

    fn target(revision: RevisionNumber) -> Target {
        Target {
            task: format!("api-r{revision}-1").into(),
            revision,
            address: SocketAddr::from(([127, 0, 0, 1], 20_000)),
            owner: None,
            admission: Admission::Admitted,
            health: TargetHealth::Healthy,
        }
    }

    fn groups(
        service: &Service,
        shares: Option<[(RevisionNumber, u32); 2]>,
    ) -> (Vec<(String, Option<RevisionNumber>)>, bool) {
        let exposed = ExposedService {
            service,
            revision: RevisionNumber(1),
            directory: Path::new("/"),
            earlier: Vec::new(),
            targets: vec![target(RevisionNumber(1)), target(RevisionNumber(2))],
            shares,
        };
        let table = table(1, (false, &[]), &CookieKey([1; 32]), vec![exposed]);
        let named = |(name, group): (&String, &TargetGroup)| (name.clone(), group.revision);
        let keyed = table.cookie_key.is_some();
        (table.groups.iter().map(named).collect(), keyed)
    }

    #[test]
    fn groups_stand_for_a_revision_when_releases_shift_and_only_sticky_tables_have_the_key() {
        let rolling = serde_json::json!({"kind": "rolling"});
        let canary = serde_json::json!({"kind": "canary", "steps": [10.0, 100.0], "bake": "1m"});
        let [first, second] = [1, 2].map(RevisionNumber);
        let one = |revision| vec![("api".to_owned(), revision)];
        let two = vec![
            ("api".to_owned(), Some(first)),
            ("api@2".to_owned(), Some(second)),
        ];
        let shares = Some([(first, 900), (second, 100)]);
        for (strategy, sticky, shares, expected) in [
            (&rolling, true, None, (one(None), true)),
            (&rolling, true, shares, (two.clone(), true)),
            (&canary, true, None, (one(Some(first)), true)),
            (&canary, true, shares, (two.clone(), true)),
            (&canary, false, shares, (two, false)),
        ] {
            let service = service(strategy, sticky);
            assert_eq!(
                groups(&service, shares),
                expected,
                "{strategy} {sticky} {shares:?}"
            );
        }
    }

    #[test]
    fn revisions_that_served_before_are_found_for_a_while_after_a_release_and_a_rollback() {
        let past = |id: u64, from: u32, to: u32, ended_at: u64| {
            serde_json::from_value(serde_json::json!({
                "id": id, "kind": "deploy", "from": from, "to": to, "outcome": "done",
                "reason": "", "started_at": 0, "ended_at": ended_at,
            }))
            .unwrap()
        };
        let mut site = ServiceState::new("site");
        site.history = [past(1, 0, 1, 10), past(2, 1, 2, 20), past(3, 2, 1, 30)]
            .map(std::sync::Arc::new)
            .into();
        site.primary = RevisionNumber(1);
        let keep = Duration::from_millis(5);
        assert_eq!(earlier(&site, keep), [(RevisionNumber(2), Timestamp(35))]);
        site.history
            .push_back(std::sync::Arc::new(past(4, 1, 3, 40)));
        site.primary = RevisionNumber(3);
        let both = [(1, 45), (2, 35)]
            .map(|(revision, until)| (RevisionNumber(revision), Timestamp(until)));
        assert_eq!(earlier(&site, keep), both);
        for number in 3..20 {
            let release = past(5, number, number + 1, 50);
            site.history.push_back(std::sync::Arc::new(release));
        }
        site.primary = RevisionNumber(20);
        assert_eq!(earlier(&site, keep).len(), MOST_EARLIER);
    }
}
