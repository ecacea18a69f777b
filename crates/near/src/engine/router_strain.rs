//! Whether the router lacks places for clients, descriptors, memory or local ports, for people.

use std::time::{Duration, Instant};

use neargate_core::routing::control::RouterLoad;

use super::notes::NoteCause;
use super::{Engine, log};

/// So long after the last time it is still told.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// Shortages of the router in the last minute.
#[derive(Debug, Default)]
pub(super) struct RouterStrain {
    seen: RouterLoad,
    lacked_at: Option<Instant>,
}

impl RouterStrain {
    /// Takes in what the router tells now; what people should know.
    fn observe(&mut self, load: RouterLoad, now: Instant) -> Option<String> {
        if load.lacked_since(&self.seen) {
            self.lacked_at = Some(now);
        }
        self.seen = load;
        let lately = |at: &Instant| now.duration_since(*at) < TOLD_FOR;
        self.lacked_at.filter(lately)?;
        self.seen.describe()
    }
}

impl Engine {
    /// Notes what the router lacked in the last minute.
    pub(super) fn look_at_load(&mut self) {
        let load = self.routers.load().unwrap_or_default();
        let words = self.strain.observe(load, Instant::now());
        let known = self.notes.has(&NoteCause::RouterStrained);
        self.notes.set(NoteCause::RouterStrained, words.as_slice());
        if let (Some(words), false) = (words, known) {
            log(&words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strain_is_told_for_a_minute_after_it_was_last_felt() {
        let mut strain = RouterStrain::default();
        let load = |refused, connections| RouterLoad {
            refused,
            connections,
            most_connections: 40,
            ..RouterLoad::default()
        };
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(strain.observe(load(0, 39), at(0)), None);
        let told = strain.observe(load(3, 40), at(1)).expect("told");
        assert!(told.contains("40") && told.contains("3 clients"), "{told}");
        assert!(strain.observe(load(3, 2), at(60)).is_some());
        assert_eq!(strain.observe(load(3, 2), at(62)), None);
        assert!(strain.observe(load(4, 40), at(63)).is_some());
        // Another router.
        assert_eq!(strain.observe(load(0, 1), at(64)), None);
    }
}
