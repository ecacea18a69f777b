//! What keeps tasks from starting without being their fault, and how the engine notices that it
//! is gone: the machine ends back-offs then.
//!
//! Invariant: nobody has to type anything for tasks to start once a database is available, a port
//! is free or the disk has space again.

use std::collections::BTreeSet;
use std::fs::File;

use neargate_core::machine::{Event, Obstacle};

use super::start_failure::of_data;
use super::{Engine, EngineInput};
use crate::data::{DataServiceName, DataServiceState};

/// Space from which a disk that was full is tried again: a task needs little to start.
const SPACE: u64 = 8 * 1024 * 1024;

/// Files that can be opened at once when there is no want of descriptors: a start needs some.
const OPENED: usize = 16;

impl Engine {
    /// Tells the loop when a data service becomes available.
    pub(super) fn watch_data(&self) {
        let mut board = self.surroundings.data.subscribe();
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let mut before = BTreeSet::new();
            loop {
                let now: BTreeSet<DataServiceName> = board
                    .borrow_and_update()
                    .iter()
                    .filter(|(_, facts)| facts.state == DataServiceState::Available)
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in now.difference(&before) {
                    let gone = EngineInput::ObstacleRemoved(of_data(key));
                    if inputs.send(gone).await.is_err() {
                        return;
                    }
                }
                before = now;
                if board.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    fn is_gone(&self, obstacle: &Obstacle) -> bool {
        match obstacle {
            Obstacle::DiskFull => rustix::fs::statvfs(self.state.path())
                .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= SPACE),
            Obstacle::Descriptors => {
                let opened: std::io::Result<Vec<File>> =
                    (0..OPENED).map(|_| File::open("/dev/null")).collect();
                opened.is_ok()
            }
            _ => false,
        }
    }

    /// Ends the waits for what stood in the way and is gone; asked once a second.
    pub(super) fn look_at_obstacles(&mut self) {
        for obstacle in [Obstacle::DiskFull, Obstacle::Descriptors] {
            let services = self.ledger.state().services.values();
            let waits = services
                .flat_map(|service| service.backoffs.values())
                .any(|backoff| backoff.obstacle.as_ref() == Some(&obstacle));
            if waits && self.is_gone(&obstacle) {
                self.happened(Event::ObstacleRemoved { obstacle });
            }
        }
    }
}
