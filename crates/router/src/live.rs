//! The table that one worker serves from: compiled once, replaced as a whole.
//!
//! Invariant: choices are made from the worker's present table only, also for a retry.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use neargate_core::manifest::model::Balance;
use neargate_core::routing::balance::{self, Candidate, Shares};
use neargate_core::routing::matching::{Facts, Matcher};
use neargate_core::routing::table::{
    Action, Admission, RoutingTable, StaticSite, Target, WeightedGroup,
};

use crate::targets::{InFlight, TargetState};

/// States of targets by task id, as the control thread keeps them.
pub(crate) type States = BTreeMap<String, Arc<TargetState>>;

#[derive(Debug, Default)]
pub(crate) struct LiveTable {
    pub(crate) expose: bool,
    listeners: BTreeMap<String, LiveListener>,
    groups: BTreeMap<String, LiveGroup>,
}

#[derive(Debug)]
struct LiveListener {
    matcher: Matcher,
    actions: Vec<LiveAction>,
}

#[derive(Debug)]
enum LiveAction {
    Forward(Vec<WeightedGroup>, RefCell<Shares>),
    Static(StaticSite),
}

#[derive(Debug)]
struct LiveGroup {
    service: Arc<str>,
    balance: Balance,
    idle_timeout: Duration,
    targets: Vec<LiveTarget>,
    turn: Cell<usize>,
}

#[derive(Debug)]
struct LiveTarget {
    revision: u32,
    address: SocketAddr,
    admitted: bool,
    state: Arc<TargetState>,
}

/// What a request is answered with.
pub(crate) enum Found<'a> {
    /// No table, or no such listener: 503.
    NoListener,
    /// No rule matched: 404.
    NoRule,
    /// Forward to this group.
    Group(&'a str),
    /// All weights are 0: 503.
    NoGroup,
    /// Serve files.
    Static(&'a StaticSite),
}

/// A target chosen for one request; counts as in flight while it lives.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) revision: u32,
    pub(crate) address: SocketAddr,
    pub(crate) idle_timeout: Duration,
    pub(crate) in_flight: InFlight,
}

impl Chosen {
    pub(crate) fn task(&self) -> &str {
        &self.in_flight.0.task
    }
}

impl LiveTable {
    pub(crate) fn new(table: &RoutingTable, states: &States) -> Self {
        let listeners = table.listeners.iter().map(|(name, listener)| {
            let actions = listener.rules.iter().map(|rule| match &rule.action {
                Action::Forward(groups) => {
                    LiveAction::Forward(groups.clone(), RefCell::new(Shares::default()))
                }
                Action::Static(site) => LiveAction::Static(site.clone()),
            });
            let live = LiveListener {
                matcher: Matcher::new(&listener.rules),
                actions: actions.collect(),
            };
            (name.clone(), live)
        });
        let groups = table.groups.iter().map(|(name, group)| {
            let targets = group.targets.iter().filter_map(|t| live_target(t, states));
            let live = LiveGroup {
                service: group.service.as_str().into(),
                balance: group.balance,
                idle_timeout: group.idle_timeout,
                targets: targets.collect(),
                turn: Cell::new(0),
            };
            (name.clone(), live)
        });
        Self {
            expose: table.expose,
            listeners: listeners.collect(),
            groups: groups.collect(),
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
                if let (LiveAction::Forward(a, to), LiveAction::Forward(b, from)) = (new, old)
                    && a.iter().map(|g| &g.group).eq(b.iter().map(|g| &g.group))
                {
                    to.replace(from.borrow().clone());
                }
            }
        }
    }

    pub(crate) fn find(&self, listener: &str, facts: &impl Facts) -> Found<'_> {
        let Some(listener) = self.listeners.get(listener) else {
            return Found::NoListener;
        };
        if listener.actions.is_empty() {
            return Found::NoListener;
        }
        let Some(index) = listener.matcher.find(facts) else {
            return Found::NoRule;
        };
        match &listener.actions[index] {
            LiveAction::Static(site) => Found::Static(site),
            LiveAction::Forward(groups, shares) => {
                let next = shares.borrow_mut().next(groups.iter().map(|g| g.weight));
                next.map_or(Found::NoGroup, |i| Found::Group(&groups[i].group))
            }
        }
    }

    pub(crate) fn service_of(&self, group: &str) -> Option<Arc<str>> {
        Some(self.groups.get(group)?.service.clone())
    }

    /// Chooses a target that is not among `tried`.
    pub(crate) fn choose(&self, group: &str, tried: &[SocketAddr], random: u64) -> Option<Chosen> {
        let group = self.groups.get(group)?;
        let candidates: Vec<Candidate> = group
            .targets
            .iter()
            .filter(|t| t.admitted)
            .map(|t| Candidate {
                eligible: !tried.contains(&t.address),
                health: t.state.health(),
                in_flight: t.state.in_flight(),
            })
            .collect();
        let mut turn = group.turn.get();
        let picked = balance::pick(group.balance, &candidates, &mut turn, random)?;
        group.turn.set(turn);
        let target = group.targets.iter().filter(|t| t.admitted).nth(picked)?;
        Some(Chosen {
            revision: target.revision,
            address: target.address,
            idle_timeout: group.idle_timeout,
            in_flight: InFlight::begin(&target.state),
        })
    }

    /// Whether connections to this task may be kept for later.
    pub(crate) fn keeps(&self, task: &str) -> bool {
        let mut targets = self.groups.values().flat_map(|g| &g.targets);
        targets.any(|t| t.admitted && t.state.task == task)
    }
}

fn live_target(target: &Target, states: &States) -> Option<LiveTarget> {
    Some(LiveTarget {
        revision: target.revision,
        address: target.address,
        admitted: target.admission == Admission::Admitted,
        state: states.get(&target.task)?.clone(),
    })
}
