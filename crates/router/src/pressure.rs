//! What a router lacks, told to the engine: places for clients, descriptors, memory, local ports.
//!
//! Invariant: what the router itself lacks is counted here and nowhere as a target's failure.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::locked::locked;
use neargate_core::descriptors;
use neargate_core::routing::control::RouterLoad;

/// Counts of all threads since the router began.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    most_connections: AtomicU64,
    connections: AtomicU64,
    closed_idle: AtomicU64,
    refused: AtomicU64,
    unmade_requests: AtomicU64,
    unmade_checks: AtomicU64,
    words: Mutex<String>,
}

impl Pressure {
    pub(crate) fn new(most_connections: usize) -> Self {
        Self {
            most_connections: AtomicU64::new(most_connections as u64),
            ..Self::default()
        }
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn left(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// An idle connection is closed for a new client.
    pub(crate) fn closed_idle(&self) {
        self.closed_idle.fetch_add(1, Ordering::Relaxed);
    }

    /// A client got 503 because there was no place.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A request could not be sent to a target.
    pub(crate) fn request_not_made(&self, why: &str) {
        self.unmade_requests.fetch_add(1, Ordering::Relaxed);
        self.note(why);
    }

    /// A health check could not be made.
    pub(crate) fn check_not_made(&self, why: &str) {
        self.unmade_checks.fetch_add(1, Ordering::Relaxed);
        self.note(why);
    }

    /// Keeps the words of the last shortage.
    pub(crate) fn note(&self, why: &str) {
        let mut words = locked(&self.words);
        if *words != why {
            why.clone_into(&mut words);
        }
    }

    pub(crate) fn read(&self) -> RouterLoad {
        let words = locked(&self.words);
        RouterLoad {
            connections: self.connections.load(Ordering::Relaxed),
            most_connections: self.most_connections.load(Ordering::Relaxed),
            closed_idle: self.closed_idle.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            unmade_requests: self.unmade_requests.load(Ordering::Relaxed),
            unmade_checks: self.unmade_checks.load(Ordering::Relaxed),
            shortage: words.clone(),
        }
    }
}

/// Whether an error is of this machine or process, and not of whoever was asked.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(descriptors::is_shortage)
}
