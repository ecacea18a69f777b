//! The one upgrade that is passed on: the opening handshake of a WebSocket (RFC 6455, 4.1).
//!
//! Invariant: an upgrade to anything else (`h2c`, `TLS/1.0`) never reaches a target: what would
//! follow it is a tunnel that neither routes nor the access log see into.

use super::head::{HttpVersion, RequestFraming};

/// Bytes of a key in base64: 16 bytes.
const KEY: usize = 24;

/// Whether a request is a whole opening handshake. ALB passes on no other upgrade.
#[must_use]
pub fn is_handshake<'a>(
    method: &str,
    (version, framing): (HttpVersion, RequestFraming),
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> bool {
    if method != "GET" || version != HttpVersion::Http11 || framing != RequestFraming::Empty {
        return false;
    }
    let (mut upgrades, mut keys, mut versions) = (0, 0, 0);
    let (mut connection, mut valid) = (false, true);
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("connection") {
            connection |= names(value, "upgrade");
        } else if name.eq_ignore_ascii_case("upgrade") {
            upgrades += 1;
            valid &= value.eq_ignore_ascii_case(b"websocket");
        } else if name.eq_ignore_ascii_case("sec-websocket-key") {
            keys += 1;
            valid &= is_key(value);
        } else if name.eq_ignore_ascii_case("sec-websocket-version") {
            versions += 1;
            valid &= value == b"13";
        }
    }
    connection && valid && upgrades == 1 && keys == 1 && versions == 1
}

/// Whether a target's 101 is the answer to such a handshake.
#[must_use]
pub fn is_agreed<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
    let mut upgrades = headers.filter(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
    let websocket = |value: &[u8]| value.eq_ignore_ascii_case(b"websocket");
    upgrades.next().is_some_and(|(_, value)| websocket(value)) && upgrades.next().is_none()
}

fn names(list: &[u8], token: &str) -> bool {
    list.split(|b| *b == b',')
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

fn is_key(value: &[u8]) -> bool {
    value.len() == KEY
        && value.ends_with(b"==")
        && value[..KEY - 2]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+/".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_LINE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const VERSION_LINE: &str = "Sec-WebSocket-Version: 13";

    fn handshake(
        method: &str,
        version: HttpVersion,
        framing: RequestFraming,
        lines: &[&str],
    ) -> bool {
        let headers = lines.iter().map(|line| {
            let (name, value) = line.split_once(": ").expect("name: value");
            (name, value.as_bytes())
        });
        is_handshake(method, (version, framing), headers)
    }

    fn of_lines(lines: &[&str]) -> bool {
        handshake("GET", HttpVersion::Http11, RequestFraming::Empty, lines)
    }

    #[test]
    fn a_whole_handshake_is_passed_on() {
        let upgrade = "Upgrade: WebSocket";
        for connection in ["Connection: Upgrade", "Connection: keep-alive, upgrade"] {
            assert!(of_lines(&[connection, upgrade, KEY_LINE, VERSION_LINE]));
        }
    }

    #[test]
    fn no_other_upgrade_is() {
        let c = "Connection: Upgrade";
        let u = "Upgrade: websocket";
        let whole = [c, u, KEY_LINE, VERSION_LINE];
        for left_out in 0..whole.len() {
            let mut lines = whole.to_vec();
            lines.remove(left_out);
            assert!(!of_lines(&lines), "without {}", whole[left_out]);
        }
        for upgrade in [
            "Upgrade: h2c",
            "Upgrade: h2c, websocket",
            "Upgrade: websocket, h2c",
            "Upgrade: websocket/13",
            "Upgrade: TLS/1.0",
            "Upgrade: x",
        ] {
            assert!(
                !of_lines(&[c, upgrade, KEY_LINE, VERSION_LINE]),
                "{upgrade}"
            );
        }
        for more in ["Upgrade: h2c", "Upgrade: websocket", KEY_LINE, VERSION_LINE] {
            assert!(!of_lines(&[c, u, KEY_LINE, VERSION_LINE, more]), "{more}");
        }
        for key in [
            "k",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhb BsZSBub25jZQ==",
        ] {
            let key = format!("Sec-WebSocket-Key: {key}");
            assert!(!of_lines(&[c, u, &key, VERSION_LINE]), "{key}");
        }
        assert!(!of_lines(&[c, u, KEY_LINE, "Sec-WebSocket-Version: 8"]));
        let (one, zero) = (HttpVersion::Http11, HttpVersion::Http10);
        assert!(!handshake("POST", one, RequestFraming::Empty, &whole));
        assert!(!handshake("GET", zero, RequestFraming::Empty, &whole));
        assert!(!handshake("GET", one, RequestFraming::Length(1), &whole));
        assert!(!handshake("GET", one, RequestFraming::Chunked, &whole));
    }

    #[test]
    fn only_a_websocket_is_agreed_to() {
        let agreed = |lines: &[(&str, &str)]| {
            is_agreed(lines.iter().map(|(name, value)| (*name, value.as_bytes())))
        };
        assert!(agreed(&[
            ("Upgrade", "WebSocket"),
            ("Connection", "upgrade")
        ]));
        assert!(!agreed(&[("Connection", "upgrade")]));
        assert!(!agreed(&[("Upgrade", "h2c")]));
        assert!(!agreed(&[("Upgrade", "websocket"), ("Upgrade", "h2c")]));
    }
}
