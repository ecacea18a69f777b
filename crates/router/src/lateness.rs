//! How late this thread was, measured by a timer: what a machine that is overloaded (or a router
//! that was stopped for a while) does to checks is not the targets' failure.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

const TICK: Duration = Duration::from_millis(100);
/// Not counted: timers are a little late always.
const USUAL: Duration = Duration::from_millis(20);

/// Time that this thread lost.
#[derive(Debug, Clone)]
pub(crate) struct Lateness(Rc<Cell<Duration>>);

impl Lateness {
    /// Begins to measure, on the present local set.
    pub(crate) fn measured() -> Self {
        let lateness = Self(Rc::default());
        let kept = Rc::downgrade(&lateness.0);
        tokio::task::spawn_local(async move {
            loop {
                let due = Instant::now() + TICK;
                tokio::time::sleep_until(due).await;
                let late = Instant::now().saturating_duration_since(due);
                let Some(total) = kept.upgrade() else { return };
                if late > USUAL {
                    total.set(total.get() + late);
                }
            }
        });
        lateness
    }

    /// All of it until now.
    pub(crate) fn so_far(&self) -> Duration {
        self.0.get()
    }
}
