//! The headers that the router adds: `X-Forwarded-For`, `X-Request-Id`, `traceparent`.

use std::fmt::Write;
use std::net::IpAddr;

/// More addresses in `X-Forwarded-For` than this are refused with 463.
pub const MOST_ADDRESSES: usize = 30;

/// `X-Forwarded-For` towards the target: what came, and the peer.
#[must_use]
pub fn append(incoming: Option<&str>, peer: IpAddr) -> String {
    match incoming.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => format!("{text}, {peer}"),
        None => peer.to_string(),
    }
}

/// Number of addresses in a value of `X-Forwarded-For`.
#[must_use]
pub fn addresses(value: &str) -> usize {
    value
        .split(',')
        .filter(|part| !part.trim().is_empty())
        .count()
}

/// Whether a client's `X-Request-Id` is kept: 1..=128 characters of `A-Za-z0-9._-`.
#[must_use]
pub fn keeps_request_id(value: &[u8]) -> bool {
    (1..=128).contains(&value.len())
        && value
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

/// A request id made of 128 random bits.
#[must_use]
pub fn request_id(random: [u64; 2]) -> String {
    format!("{:016x}{:016x}", random[0], random[1])
}

/// `traceparent` towards the target (W3C Trace Context, version 00): a valid one keeps its
/// trace id and flags and gets a new span id, otherwise a new trace begins.
#[must_use]
pub fn traceparent(incoming: Option<&str>, random: [u64; 3]) -> String {
    let span = random[2].max(1);
    let mut made = String::with_capacity(55);
    // Writing to a String cannot fail.
    let _ = match incoming.filter(|text| is_traceparent(text)) {
        Some(text) => write!(made, "{}{span:016x}{}", &text[..36], &text[52..55]),
        None => write!(
            made,
            "00-{:016x}{:016x}-{span:016x}-01",
            random[0].max(1),
            random[1]
        ),
    };
    made
}

fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else {
        return false;
    };
    version == "00"
        && trace.len() == 32
        && span.len() == 16
        && flags.len() == 2
        && hex(trace)
        && hex(span)
        && hex(flags)
        && !zero(trace)
        && !zero(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_for_is_appended_as_the_reference_says() {
        let peer = IpAddr::from([127, 0, 0, 1]);
        for (incoming, expected) in [
            (None, "127.0.0.1"),
            (Some(""), "127.0.0.1"),
            (Some("127.0.0.4"), "127.0.0.4, 127.0.0.1"),
            (
                Some("127.0.0.4, 127.0.0.8"),
                "127.0.0.4, 127.0.0.8, 127.0.0.1",
            ),
        ] {
            assert_eq!(append(incoming, peer), expected);
        }
        assert_eq!(addresses("a, b,,c"), 3);
    }

    #[test]
    fn a_valid_traceparent_keeps_its_trace_and_an_invalid_one_begins_anew() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let made = traceparent(Some(valid), [1, 2, 3]);
        assert_eq!(
            made,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000003-01"
        );
        let fresh = "00-00000000000000010000000000000002-0000000000000003-01";
        for bad in [
            "",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(traceparent(Some(bad), [1, 2, 3]), fresh, "{bad}");
        }
    }

    #[test]
    fn a_malformed_request_id_is_not_kept() {
        assert!(keeps_request_id(b"abc-1.2_3"));
        for bad in [&b""[..], b"a b", b"a\"b", &[b'a'; 129]] {
            assert!(!keeps_request_id(bad));
        }
        assert_eq!(request_id([1, 2]).len(), 32);
    }
}
