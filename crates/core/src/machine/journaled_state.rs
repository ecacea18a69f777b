//! The state that a journal holds, and what it asks to be done.
//!
//! Invariant: nothing comes into it but entries that are persisted, so whatever it asks for may be done.

use super::apply::apply;
use super::capacity_order::{CapacityOrder, capacity_order};
use super::decide::decide;
use super::decision::{Action, Decision, Persisted};
use super::entry::JournalEntry;
use super::event::Event;
use super::state::EnvironmentState;
use crate::time::Timestamp;

/// An environment's state with every entry of its journal applied, and no other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JournaledState {
    state: EnvironmentState,
}

impl JournaledState {
    /// The state that a journal gives.
    #[must_use]
    pub fn replay(journal: &[JournalEntry]) -> Self {
        let mut state = EnvironmentState::default();
        for entry in journal {
            apply(&mut state, entry);
        }
        Self { state }
    }

    /// State after all entries.
    #[must_use]
    pub fn state(&self) -> &EnvironmentState {
        &self.state
    }

    /// Decides what an event means; nothing changes before the decision is persisted.
    pub fn decide(&self, now: Timestamp, event: &Event) -> Decision {
        decide(&self.state, now, event)
    }

    /// Takes in what was persisted; gives what to do now.
    pub fn take_in(&mut self, persisted: Persisted) -> Vec<Action> {
        for entry in persisted.entries() {
            apply(&mut self.state, entry);
        }
        persisted.into_actions()
    }

    /// Everything that was decided and may not have been done.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Action> {
        super::outstanding(&self.state)
    }

    /// The call that brings the capacity of a service closer to what its release wants.
    #[must_use]
    pub fn capacity_order(&self, service: &str) -> Option<CapacityOrder> {
        capacity_order(self.state.services.get(service)?)
    }
}
