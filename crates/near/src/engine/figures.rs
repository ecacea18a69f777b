//! What tasks use, read once a second, and the figures of `neargate metrics`.
//!
//! Invariant: every sample goes to the figures, whether something is watched or not.

use std::time::Duration;

use neargate_core::machine::Lifecycle;
use neargate_core::manifest::model::Size;
use neargate_core::metrics::figures::{Running as Counts, Table};
use neargate_core::metrics::{Sample, names};
use neargate_core::time::Timestamp;

use super::Engine;
use crate::clock::now;
use crate::supervisor::Running;

/// Between two readings of what tasks use.
pub(super) const METER: Duration = Duration::from_millis(1000);

impl Engine {
    /// The figures of the last while.
    pub(super) fn figures(&self, asked: Duration) -> Table {
        let mut counts = Counts::new();
        for service in self.ledger.state().services.values() {
            let running = service
                .tasks
                .values()
                .filter(|task| matches!(task.lifecycle, Lifecycle::Running { .. }));
            for task in running {
                *counts
                    .entry((service.name.clone(), task.revision))
                    .or_default() += 1;
            }
        }
        self.kept.table(asked, &counts, now())
    }

    /// Reads what tasks use of their reservation.
    pub(super) fn read_meters(&mut self) {
        let at = now();
        let mut read = Vec::new();
        for service in self.ledger.state().services.values() {
            for task in service.tasks.values().filter(|task| task.active()) {
                let size = service
                    .definition(task.revision)
                    .map(|found| found.service.size);
                if let (Some(running), Some(size)) = (self.running.get(&task.id), size) {
                    read.push((service.name.clone(), task.revision, running.clone(), size));
                }
            }
        }
        for (service, revision, running, size) in read {
            self.read_meter(&service, revision, &running, size, at);
        }
        let running = &self.running;
        self.meter.keep(|task| running.contains_key(task));
        self.kept.forget(at);
    }

    fn read_meter(
        &mut self,
        service: &str,
        revision: u32,
        running: &Running,
        size: Size,
        at: Timestamp,
    ) {
        let of = (service, revision);
        let used = self.meter.read(running, size, at);
        let memory = Sample::of_task(names::MEMORY, of, &running.id, used.memory);
        let cpu = used
            .cpu
            .map(|cpu| Sample::of_task(names::CPU, of, &running.id, cpu));
        for sample in [Some(memory), cpu].into_iter().flatten() {
            self.kept.take(&sample, at);
            self.watches.take(&sample, at);
        }
    }
}
