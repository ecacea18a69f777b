//! The engine beside its watchdog: a successor goes on with what its predecessor was doing, and
//! an engine whose state directory is gone ends all that belongs to it.

use neargate_core::machine::Phase;

use super::{Engine, log};
use crate::belongings;
use crate::paths::StateDir;
use crate::watchdog::sentinel::Sentinel;

/// Who started the engine, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A person: it waits for what it is asked.
    Person,
    /// The watchdog, after another engine has ended.
    Watchdog,
}

impl Engine {
    /// An engine that died in the middle of `down` must not leave a successor that idles.
    pub(super) fn go_on_down(&mut self, origin: Origin) {
        let was_up = self.definition.is_some();
        if origin == Origin::Watchdog && was_up && self.ledger.state().phase == Phase::Down {
            log("the engine before this one was going down: that goes on");
            self.leaving.get_or_insert_default();
            let table = self.table();
            self.routers.publish(table);
        }
    }
}

/// Ends everything that belongs to a state directory that is gone: nothing of it could be found
/// again, and nothing that it writes is kept.
pub(super) async fn end_lost(state: &StateDir, sentinel: &Sentinel) {
    log("the state directory is gone: everything that belongs to it is ended");
    sentinel.leave();
    let path = state.path();
    let ending = move || belongings::end_all(&path, belongings::GRACE);
    // A panic in it would be told by the hook.
    let _ = tokio::task::spawn_blocking(ending).await;
}
