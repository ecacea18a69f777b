//! What tasks use, read once a second, and the figures of `neargate metrics`.
//!
//! Invariant: every sample goes to the one store, whether something is watched or not.

use std::time::Duration;

use neargate_core::machine::TaskLifecycle;
use neargate_core::metrics::report::{self, MetricsReport, RunningTasks as Counts};

use super::task_usage::{MeteredTask, UsageReading};
use super::{Engine, EngineInput};

/// Between two readings of what tasks use.
pub(super) const METER: Duration = Duration::from_millis(1000);

impl Engine {
    /// The figures of the last while.
    pub(super) fn figures(&self, asked: Duration) -> MetricsReport {
        let mut counts = Counts::new();
        for service in self.ledger.state().services.values() {
            let running = service
                .tasks
                .values()
                .filter(|task| matches!(task.lifecycle, TaskLifecycle::Running { .. }));
            for task in running {
                *counts
                    .entry((service.name.to_string(), task.revision))
                    .or_default() += 1;
            }
        }
        let stretch = (self.watches.since(), self.now());
        let mut table = report::table(self.watches.metrics(), stretch, asked, &counts);
        table.until = self.ledger.clock().wall_time(table.until);
        table
    }

    /// Has read what tasks use of their reservation, unless the reading before still goes on.
    pub(super) fn read_meters(&mut self) {
        let Some(meter) = self.meter.take() else {
            return;
        };
        let mut metered = Vec::new();
        for service in self.ledger.state().services.values() {
            for task in service.tasks.values().filter(|task| task.active()) {
                let size = service
                    .definition(task.revision)
                    .map(|found| found.service.size);
                if let (Some(running), Some(size)) = (self.running.get(&task.id), size) {
                    metered.push(MeteredTask {
                        id: task.id.clone(),
                        service: service.name.to_string(),
                        revision: task.revision,
                        running: running.clone(),
                        size,
                    });
                }
            }
        }
        let (inputs, now) = (self.inputs.clone(), self.now());
        tokio::spawn(async move {
            let read = tokio::task::spawn_blocking(move || meter.read_all(&metered, now));
            // A reader that panicked has lost its memory; the next one begins without.
            let reading = read.await.unwrap_or_default();
            let _ = inputs.send(EngineInput::Used(reading)).await;
        });
    }

    /// Takes a reading of CPU and memory.
    pub(super) fn used(&mut self, reading: UsageReading) {
        for sample in &reading.samples {
            self.watches.record(sample, reading.at);
        }
        self.watches.forget(reading.at);
        self.meter = Some(reading.meter);
    }
}
