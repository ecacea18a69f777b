//! The table that one worker serves from: compiled once, replaced as a whole.
//!
//! Invariant: choices are made from the worker's present table only, also for a retry. Without
//! `sticky` and slow start in the table, no request reads a cookie or a clock for them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use neargate_core::ids::{RevisionNumber, TaskId};
use neargate_core::model::Balance;
use neargate_core::routing::balance::{self, Candidate, WeightedShares};
use neargate_core::routing::forwarded::TrustedProxies;
use neargate_core::routing::listening::ListenerOwner;
use neargate_core::routing::matching::Matcher;
use neargate_core::routing::slow_start;
use neargate_core::routing::sticky::{Sealer, ServedBy};
use neargate_core::routing::table::{
    Admission, RoutingTable, RuleAction, StaticSite, Target, TargetGroup, WeightedGroup,
};

use crate::request::RequestHead;
use crate::stickiness::{self, GroupChoice, RuleStickiness, Sessions, StickyCookies};
use crate::targets::{InFlight, TargetState};

/// States of targets by task id, as the control thread keeps them.
pub(crate) type TargetStates = BTreeMap<TaskId, Arc<TargetState>>;

#[derive(Debug, Default)]
pub(crate) struct CompiledTable {
    pub(crate) expose: bool,
    pub(crate) trusted: TrustedProxies,
    listeners: BTreeMap<String, CompiledListener>,
    groups: BTreeMap<String, CompiledGroup>,
}

#[derive(Debug)]
struct CompiledListener {
    matcher: Matcher,
    actions: Vec<CompiledAction>,
}

#[derive(Debug)]
enum CompiledAction {
    Forward(
        Vec<WeightedGroup>,
        RefCell<WeightedShares>,
        Option<RuleStickiness>,
    ),
    Static(StaticSite),
}

#[derive(Debug)]
struct CompiledGroup {
    service: Arc<str>,
    revision: Option<RevisionNumber>,
    balance: Balance,
    idle_timeout: Duration,
    slow_start: Duration,
    sessions: Option<Rc<Sessions>>,
    targets: Vec<CompiledTarget>,
    turn: Cell<usize>,
}

#[derive(Debug)]
struct CompiledTarget {
    revision: RevisionNumber,
    address: SocketAddr,
    user: Option<u32>,
    admitted: bool,
    state: Arc<TargetState>,
    /// Its names in cookies; `None`: its group is not sticky.
    given: Option<ServedBy>,
}

/// Answer to a request by the table.
pub(crate) enum RouteDecision<'a> {
    /// No table, or no such listener: 503.
    NoListener,
    /// No rule matched: 404.
    NoRule,
    /// Forward to this group, which weights or a cookie chose.
    Group(&'a str, GroupChoice),
    /// All weights are 0: 503.
    NoGroup,
    /// Serve files of a directory.
    Static(&'a StaticSite),
}

/// A target chosen for one request; counts as in flight while it lives.
#[derive(Debug)]
pub(crate) struct SelectedTarget {
    pub(crate) revision: RevisionNumber,
    pub(crate) address: SocketAddr,
    /// User that must be at the other end of a connection to it; `None`: it is not asked.
    pub(crate) user: Option<u32>,
    pub(crate) idle_timeout: Duration,
    pub(crate) in_flight: InFlight,
    /// Cookies that the client is told to come back with.
    pub(crate) session: Option<StickyCookies>,
}

impl SelectedTarget {
    pub(crate) fn task(&self) -> &TaskId {
        &self.in_flight.0.task
    }
}

impl CompiledTable {
    pub(crate) fn new(table: &RoutingTable, states: &TargetStates) -> Self {
        let sealer = table.cookie_key.as_ref().map(Sealer::new);
        let groups: BTreeMap<String, CompiledGroup> = table
            .groups
            .iter()
            .map(|(name, group)| (name.clone(), live_group(group, sealer.as_ref(), states)))
            .collect();
        let listeners = table.listeners.iter().map(|(name, listener)| {
            let actions = listener.rules.iter().map(|rule| match &rule.action {
                RuleAction::Forward(to) => {
                    let stays = stays(to, table, &groups);
                    CompiledAction::Forward(
                        to.clone(),
                        RefCell::new(WeightedShares::default()),
                        stays,
                    )
                }
                RuleAction::Static(site) => CompiledAction::Static(site.clone()),
            });
            let live = CompiledListener {
                matcher: Matcher::new(&listener.rules),
                actions: actions.collect(),
            };
            (name.clone(), live)
        });
        Self {
            expose: table.expose,
            trusted: TrustedProxies::new(&table.trusted),
            listeners: listeners.collect(),
            groups,
        }
    }

    /// Takes turns over from the table that this one replaces.
    pub(crate) fn continue_from(&self, old: &Self) {
        for (name, group) in &self.groups {
            if let Some(before) = old.groups.get(name) {
                group.turn.set(before.turn.get());
            }
        }
        for (name, listener) in &self.listeners {
            let Some(before) = old.listeners.get(name) else {
                continue;
            };
            for (new, old) in listener.actions.iter().zip(&before.actions) {
                if let (CompiledAction::Forward(a, to, _), CompiledAction::Forward(b, from, _)) =
                    (new, old)
                    && a.iter().map(|g| &g.group).eq(b.iter().map(|g| &g.group))
                {
                    to.replace(from.borrow().clone());
                }
            }
        }
    }

    pub(crate) fn find(&self, listener: &str, head: &RequestHead) -> RouteDecision<'_> {
        let Some(listener) = self.listeners.get(listener) else {
            return RouteDecision::NoListener;
        };
        if listener.actions.is_empty() {
            return RouteDecision::NoListener;
        }
        let Some(index) = listener.matcher.find(head) else {
            return RouteDecision::NoRule;
        };
        match &listener.actions[index] {
            CompiledAction::Static(site) => RouteDecision::Static(site),
            CompiledAction::Forward(groups, shares, stays) => {
                let kept = stays.as_ref().and_then(|stays| stays.stuck_group(head));
                if let Some(i) = kept.filter(|i| groups[*i].weight > 0) {
                    return RouteDecision::Group(&groups[i].group, GroupChoice::ByCookie);
                }
                let next = shares.borrow_mut().next(groups.iter().map(|g| g.weight));
                next.map_or(RouteDecision::NoGroup, |i| {
                    RouteDecision::Group(&groups[i].group, GroupChoice::ByWeight)
                })
            }
        }
    }

    /// The service of a group, and the revision that it stands for.
    pub(crate) fn behind(&self, group: &str) -> Option<(&str, Option<RevisionNumber>)> {
        let group = self.groups.get(group)?;
        Some((&group.service, group.revision))
    }

    /// Chooses a target that is not among `tried`: the one that the client stays with, or the
    /// next by the group's algorithm.
    pub(crate) fn choose(
        &self,
        group: &str,
        tried: &[SocketAddr],
        random: u64,
        head: &RequestHead,
    ) -> Option<SelectedTarget> {
        let group = self.groups.get(group)?;
        let admitted = || group.targets.iter().filter(|t| t.admitted);
        let candidates: Vec<Candidate> = admitted()
            .map(|t| Candidate {
                eligible: !tried.contains(&t.address),
                health: t.state.health(),
                in_flight: t.state.in_flight(),
                warmth: group.warmth(t),
            })
            .collect();
        let stays = group.sessions.as_ref().and_then(|sessions| {
            let wanted = stickiness::target_wanted(sessions, head)?;
            let at = admitted().position(|t| t.given.is_some_and(|g| g.target == wanted))?;
            balance::keeps(&candidates, at).then_some(at)
        });
        let picked = match stays {
            Some(at) => at,
            None => {
                let mut turn = group.turn.get();
                let next = balance::pick(group.balance, &candidates, &mut turn, random)?;
                group.turn.set(turn);
                next
            }
        };
        let target = admitted().nth(picked)?;
        Some(SelectedTarget {
            revision: target.revision,
            address: target.address,
            user: target.user,
            idle_timeout: group.idle_timeout,
            in_flight: InFlight::begin(&target.state),
            session: StickyCookies::of(group.sessions.as_ref(), target.given),
        })
    }

    /// Whether connections to this task may be kept for later.
    pub(crate) fn keeps(&self, task: &TaskId) -> bool {
        let mut targets = self.groups.values().flat_map(|g| &g.targets);
        targets.any(|t| t.admitted && t.state.task == *task)
    }
}

impl CompiledGroup {
    fn warmth(&self, target: &CompiledTarget) -> u32 {
        if self.slow_start.is_zero() {
            return slow_start::FULL;
        }
        target.state.warmth(self.slow_start)
    }
}

fn live_group(
    group: &TargetGroup,
    sealer: Option<&Sealer>,
    states: &TargetStates,
) -> CompiledGroup {
    let sessions = stickiness::of_group(group, sealer);
    let targets = group.targets.iter();
    CompiledGroup {
        service: group.service.as_str().into(),
        revision: group.revision,
        balance: group.balance,
        idle_timeout: group.idle_timeout,
        slow_start: group.warm_up(),
        targets: targets
            .filter_map(|t| live_target(t, states, sessions.as_deref()))
            .collect(),
        sessions,
        turn: Cell::new(0),
    }
}

fn live_target(
    target: &Target,
    states: &TargetStates,
    sessions: Option<&Sessions>,
) -> Option<CompiledTarget> {
    Some(CompiledTarget {
        revision: target.revision,
        address: target.address,
        user: target.owner.and_then(ListenerOwner::user),
        admitted: target.admission == Admission::Admitted,
        state: states.get(&target.task)?.clone(),
        given: sessions.map(|sessions| sessions.served_by(target.task.as_str(), target.revision)),
    })
}

/// How clients stay with one of several groups: only when each stands for a revision.
fn stays(
    to: &[WeightedGroup],
    table: &RoutingTable,
    groups: &BTreeMap<String, CompiledGroup>,
) -> Option<RuleStickiness> {
    let sessions = groups.get(&to.first()?.group)?.sessions.clone()?;
    let revision = |group: &WeightedGroup| table.groups.get(&group.group)?.revision;
    let revisions: Option<Vec<RevisionNumber>> = to.iter().map(revision).collect();
    let several = revisions.filter(|revisions| revisions.len() > 1)?;
    Some(RuleStickiness::new(sessions, &several))
}
