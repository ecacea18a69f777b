//! How exchanges end, what the client gets, and to whom each end is counted.

use std::collections::BTreeMap;

use crate::support;
use crate::support::backend::Backend;
use crate::support::{Router, Wire, table, target};
use neargate_core::ids::RevisionNumber;
use neargate_core::routing::control::ToRouter;

fn serving() -> (Router, Backend) {
    let backend = Backend::start("t1");
    let mut router = Router::start();
    router
        .engine
        .publish(&table(vec![target("t1", 1, backend.address)]));
    (router, backend)
}

/// Statuses counted for task t1 of revision 1 (by the target, by the router), when there are
/// this many.
fn counted(router: &mut Router, count: u64) -> [BTreeMap<u16, u64>; 2] {
    let mut all = [BTreeMap::new(), BTreeMap::new()];
    while all.iter().flat_map(BTreeMap::values).sum::<u64>() < count {
        for one in router.engine.requests() {
            assert_eq!((one.revision, one.task.as_str()), (RevisionNumber(1), "t1"));
            for (to, from) in all.iter_mut().zip([one.target_status, one.router_status]) {
                for (status, times) in from {
                    *to.entry(status).or_default() += times;
                }
            }
        }
    }
    all
}

#[test]
fn a_target_that_dies_before_its_final_head_is_a_bad_gateway_and_is_counted() {
    let (mut router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send("POST /die-after-100 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert!(wire.read_until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
    assert_eq!(wire.response().expect("an answer").0, 502);
    assert_eq!(wire.rest(), "");
    let mut wire = Wire::open(router.address);
    wire.send("GET /die-after-103 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(wire.read_until("\r\n\r\n").starts_with("HTTP/1.1 103 "));
    assert_eq!(wire.response().expect("an answer").0, 502);
    let mut wire = Wire::open(router.address);
    wire.send("GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.response().expect("an answer").0, 502);
    let by_router = BTreeMap::from([(502, 3)]);
    assert_eq!(counted(&mut router, 3), [BTreeMap::new(), by_router]);
    for line in router.log_lines(3) {
        assert_eq!(
            (&line["status"], &line["error"]),
            (&502.into(), &"TargetClosed".into())
        );
    }
}

#[test]
fn an_answer_that_its_target_breaks_off_is_counted_as_a_bad_gateway() {
    let (mut router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(wire.rest().ends_with("\r\n\r\nshort"));
    let by_router = BTreeMap::from([(502, 1)]);
    assert_eq!(counted(&mut router, 1), [BTreeMap::new(), by_router]);
    let line = &router.log_lines(1)[0];
    assert_eq!(
        (&line["status"], &line["error"]),
        (&200.into(), &"TargetClosed".into())
    );
}

#[test]
fn a_client_that_goes_away_is_no_error_of_the_target() {
    let (mut router, backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    support::until("request", || (backend.requests() == 1).then_some(()));
    drop(wire);
    let by_router = BTreeMap::from([(460, 1)]);
    assert_eq!(counted(&mut router, 1), [BTreeMap::new(), by_router]);
}

#[test]
fn a_client_that_sends_nonsense_is_no_error_of_the_target() {
    let (mut router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx");
    assert_eq!(wire.response().expect("an answer").0, 400);
    let by_router = BTreeMap::from([(400, 1)]);
    assert_eq!(counted(&mut router, 1), [BTreeMap::new(), by_router]);
}

#[test]
fn who_waits_in_the_queue_of_a_socket_that_is_given_up_is_served_before_it_is_closed() {
    let backend = Backend::start("t1");
    let mut router = Router::start();
    // The router's are the last copies, as when the edge moves.
    router.sockets.clear();
    // Until the first table, all wait in the queues.
    let mut clients: Vec<Wire> = (0..200).map(|_| Wire::open(router.address)).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let table = table(vec![target("t1", 1, backend.address)]);
    router.engine.publish_unread(&table);
    router.engine.order(&ToRouter::Drain { timeout_ms: 20_000 });
    let answers = clients.iter_mut().map(Wire::response);
    let lost: Vec<_> = answers
        .filter(|one| !matches!(one, Ok((200, ..))))
        .collect();
    assert_eq!(lost, []);
    router.thread.join().expect("no panic").expect("it ends");
}
