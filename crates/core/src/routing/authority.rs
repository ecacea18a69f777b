//! What a request may name as its host: the value of `Host`, the authority of an absolute
//! target, `:authority`.
//!
//! Invariant: one rule for all three, so that none is a way around the others. A host and a
//! port; no user, no percent-encoding, nothing that two readers could split differently.

use std::net::Ipv6Addr;

/// Most bytes of host and port.
const MOST: usize = 255;

/// Whether these bytes are a host, perhaps with a port.
#[must_use]
pub fn is_valid(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    if text.len() > MOST {
        return false;
    }
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').is_some_and(|(host, port)| {
            host.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        }),
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            is_name(host) && is_port(port)
        }
    }
}

fn is_name(host: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&b);
    !host.is_empty() && host.bytes().all(allowed)
}

/// Digits up to 65535, or nothing (RFC 3986, 3.2.3).
fn is_port(port: &str) -> bool {
    port.is_empty()
        || (port.len() <= 5
            && port.bytes().all(|b| b.is_ascii_digit())
            && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port() {
        for good in [
            "a",
            "a.test",
            "A-1.test:80",
            "my_service:8000",
            "10.0.0.1",
            "10.0.0.1:65535",
            "[::1]",
            "[2001:db8::1]:443",
            "a:",
        ] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn what_readers_could_split_differently_is_no_host() {
        let long = "a".repeat(256);
        for bad in [
            "", ":80", "u:p@b", "u@b", "a,b", "a b", "a{}|", "evil\\@b", "b:99999x", "b:65536",
            "b:-1", "b:+1", "a:80:80", "a%2e", "a/b", "a?b", "a#b", "a\tb", "a\0", "[::1",
            "[::1]x", "[::1]:x", "[a]", "[]", "::1", "é", &long,
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad:?}");
        }
        assert!(!is_valid(b"\xff"));
    }
}
