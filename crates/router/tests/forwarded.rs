//! What proxies in front say of clients, trusted and not.

use crate::support::backend::Backend;
use crate::support::{Router, Wire, header, table, target};

/// The head that the target gets, and the line of the access log, of a request from 127.0.0.1.
fn seen(trusted: &[&str], headers: &str) -> (String, serde_json::Value) {
    let mut router = Router::start();
    let backend = Backend::start("t");
    let mut table = table(vec![target("t", 1, backend.address)]);
    table.trusted = trusted.iter().map(|block| (*block).to_owned()).collect();
    router.engine.publish(&table);
    let mut wire = Wire::open(router.address);
    wire.send(&format!(
        "GET /head HTTP/1.1\r\nHost: shop.test\r\n{headers}\r\n"
    ));
    let (status, _, head) = wire.response().expect("a response");
    assert_eq!(status, 200);
    (head, router.log_lines(1).remove(0))
}

const SAID: &str = "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.7\r\nX-Forwarded-Proto: https\r\n\
                    X-Forwarded-Port: 8443\r\nX-Forwarded-Host: shop.test\r\n";

#[test]
fn a_trusted_proxy_is_believed() {
    let (head, line) = seen(&["127.0.0.0/8", "10.0.0.0/8"], SAID);
    for (name, value) in [
        (
            "x-forwarded-for",
            "6.6.6.6, 203.0.113.9, 10.0.0.7, 127.0.0.1",
        ),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "8443"),
        ("x-forwarded-host", "shop.test"),
        ("host", "shop.test"),
    ] {
        assert_eq!(header(&head, name).as_deref(), Some(value), "{head}");
        assert_eq!(
            head.to_lowercase().matches(&format!("\n{name}:")).count(),
            1,
            "{head}"
        );
    }
    assert_eq!(line["client"], "203.0.113.9", "{line}");
    assert!(
        line["peer"]
            .as_str()
            .is_some_and(|peer| peer.starts_with("127.0.0.1:")),
        "{line}"
    );
}

#[test]
fn others_are_not_believed() {
    for trusted in [&[][..], &["10.0.0.0/8", "::1/128"]] {
        let (head, line) = seen(trusted, SAID);
        let port = header(&head, "x-forwarded-port").expect("a port");
        assert_ne!(port, "8443");
        assert_eq!(header(&head, "x-forwarded-proto").as_deref(), Some("http"));
        let addresses = header(&head, "x-forwarded-for").expect("addresses");
        assert_eq!(addresses, "6.6.6.6, 203.0.113.9, 10.0.0.7, 127.0.0.1");
        assert!(
            line["client"]
                .as_str()
                .is_some_and(|peer| peer.starts_with("127.0.0.1:"))
        );
        assert_eq!(line.get("peer"), None, "{line}");
    }
}

#[test]
fn routes_by_source_see_the_client_behind_a_trusted_proxy() {
    let mut router = Router::start();
    let backend = Backend::start("t");
    let mut table = table(vec![target("t", 1, backend.address)]);
    table.trusted = vec!["127.0.0.1/32".into()];
    let rule = &mut table.listeners.get_mut("edge").expect("a listener").rules[0];
    rule.route.source = vec!["203.0.113.0/24".into()];
    router.engine.publish(&table);
    for (addresses, expected) in [("203.0.113.9", 200), ("203.0.113.9, 198.51.100.1", 404)] {
        let mut wire = Wire::open(router.address);
        wire.send(&format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {addresses}\r\n\r\n"
        ));
        assert_eq!(
            wire.response().expect("a response").0,
            expected,
            "{addresses}"
        );
    }
}
