//! What the router counts: by second and by routing table, kept for whichever engine comes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::backend::Backend;
use crate::support::{Engine, Router, get, table, target};
use neargate_core::routing::control::{FromRouter, SecondCount};

/// Requests by second and version, when there are so many.
fn counts(engine: &mut Engine, wanted: u64) -> BTreeMap<(u64, u64), u64> {
    let mut all = BTreeMap::new();
    while all.values().sum::<u64>() < wanted {
        for second in engine.counted() {
            *all.entry((second.second, second.version)).or_default() += requests(&second);
        }
    }
    all
}

fn requests(second: &SecondCount) -> u64 {
    let counts = second.requests.iter();
    counts.flat_map(|count| count.target_status.values()).sum()
}

fn some(router: &Router, count: u64) {
    for _ in 0..count {
        get(router.address, "/");
    }
}

#[test]
fn every_second_and_every_table_has_counts_of_its_own_whenever_they_are_read() {
    let backend = Backend::start("t");
    let mut router = Router::start();
    let table = table(vec![target("t", 7, backend.address)]);
    router.engine.publish(&table);
    let began = Instant::now();
    let (mut seconds, mut asked) = (0, 0);
    // Nobody takes a count meanwhile.
    while began.elapsed() < Duration::from_millis(3_500) {
        some(&router, 1);
        asked += 1;
        if began.elapsed().as_secs() > seconds {
            seconds += 1;
            router.engine.publish_unread(&table);
        }
    }
    let found = counts(&mut router.engine, asked);
    assert_eq!(found.values().sum::<u64>(), asked);
    let by = |of: fn(&(u64, u64)) -> u64| {
        let mut all: Vec<u64> = found.keys().map(of).collect();
        all.dedup();
        all
    };
    let (seconds, versions) = (by(|key| key.0), by(|key| key.1));
    assert!((4..=5).contains(&seconds.len()), "{found:?}");
    assert!(
        seconds.windows(2).all(|two| two[1] == two[0] + 1),
        "{found:?}"
    );
    assert_eq!(versions, [1, 2, 3, 4], "{found:?}");
}

#[test]
fn an_engine_that_begins_anew_reads_every_second_once_more() {
    let backend = Backend::start("t");
    let mut router = Router::start();
    router
        .engine
        .publish(&table(vec![target("t", 7, backend.address)]));
    some(&router, 5);
    let first = counts(&mut router.engine, 5);
    router.engine = Engine::connect(&router.control);
    some(&router, 3);
    let second = counts(&mut router.engine, 8);
    assert_eq!(second.values().sum::<u64>(), 8);
    assert!(first.iter().all(|(at, count)| second[at] >= *count));
}

#[test]
fn what_was_told_is_told_on_when_it_was_taken_and_seconds_without_requests_too() {
    let mut router = Router::start();
    let mut at = None;
    for _ in 0..2 {
        let said = router
            .engine
            .wait(|m| matches!(m, FromRouter::Counted { .. }));
        let FromRouter::Counted { from, through, .. } = said else {
            unreachable!("waited for counts")
        };
        assert!(through > from && through % 1000 == 0);
        assert_eq!(at.replace(through).unwrap_or(from), from, "a gap");
    }
}
