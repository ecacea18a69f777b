//! The headers that the router adds: `X-Forwarded-For`, `X-Request-Id`, `traceparent`; and what
//! proxies in front say by `X-Forwarded-*`, when they are trusted.

use std::fmt::Write;
use std::net::IpAddr;

use super::address_block::AddressBlock;

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

/// Proxies in front of the router: what they say of a client is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<AddressBlock>);

/// A trusted proxy's word about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedClient {
    /// Address of the client for which the proxy asks.
    pub client: IpAddr,
    /// `http` or `https`; `None`: it does not say.
    pub proto: Option<&'static str>,
    /// The port that the client connected to; `None`: it does not say.
    pub port: Option<u16>,
}

impl TrustedProxies {
    /// From CIDR blocks; what is none is left out.
    #[must_use]
    pub fn new(blocks: &[String]) -> Self {
        let blocks = blocks.iter();
        Self(blocks.filter_map(|text| AddressBlock::of(text)).collect())
    }

    /// Whether this is the address of one of them.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|block| block.contains(address))
    }

    /// The peer's word by its `X-Forwarded-For`, `-Proto`, `-Port` and `Host`, when it is trusted.
    /// Of a list the last entry counts: those before it are what the proxy was told.
    #[must_use]
    pub fn read(
        &self,
        peer: IpAddr,
        [forwarded_for, proto, port, host]: [Option<&str>; 4],
    ) -> Option<ForwardedClient> {
        if !self.trusts(peer) {
            return None;
        }
        let proto = match last(proto) {
            text if text.eq_ignore_ascii_case("https") => Some("https"),
            text if text.eq_ignore_ascii_case("http") => Some("http"),
            _ => None,
        };
        let port = last(port).parse().ok().filter(|port| *port > 0);
        Some(ForwardedClient {
            client: self.client(peer, forwarded_for.unwrap_or_default()),
            proto,
            port: port.or_else(|| assumed_port(proto?, host.unwrap_or_default())),
        })
    }

    /// The right-most address that is no trusted proxy's; the left-most when all are. What is no
    /// address ends the search: nobody that is trusted vouches for what lies before it.
    fn client(&self, peer: IpAddr, forwarded_for: &str) -> IpAddr {
        let mut client = peer.to_canonical();
        for part in forwarded_for.rsplit(',') {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = address(part.trim()) else {
                break;
            };
            client = address.to_canonical();
        }
        client
    }
}

/// The last entry of a list; empty when there is none.
fn last(list: Option<&str>) -> &str {
    let entry = list.unwrap_or_default().rsplit(',').next();
    entry.unwrap_or_default().trim()
}

/// An address with or without a port; one of IPv6 may be in brackets.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(both) = text.parse::<std::net::SocketAddr>() {
        return Some(both.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// The port of a client whose proxy names only the protocol: that of the host, or the usual one.
fn assumed_port(proto: &str, host: &str) -> Option<u16> {
    let named = host
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    named.or(Some(if proto == "https" { 443 } else { 80 }))
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
    fn the_client_is_the_right_most_address_that_is_no_trusted_proxy() {
        let blocks = ["10.0.0.0/8", "127.0.0.0/8", "::1/128"].map(str::to_owned);
        let proxies = TrustedProxies::new(&blocks);
        for (peer, forwarded_for, client) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("::1", "2001:db8::1", "2001:db8::1"),
            ("::1", "[2001:db8::1]:443", "2001:db8::1"),
            ("::1", "[2001:db8::1]", "2001:db8::1"),
            (
                "10.1.2.3",
                "6.6.6.6, 203.0.113.9:5000, 10.9.9.9",
                "203.0.113.9",
            ),
            ("10.1.2.3", "6.6.6.6, unknown, 10.9.9.9", "10.9.9.9"),
            ("10.1.2.3", "10.8.8.8, 10.9.9.9", "10.8.8.8"),
            ("10.1.2.3", "junk", "10.1.2.3"),
        ] {
            let [peer, client]: [IpAddr; 2] = [peer, client].map(|text| text.parse().unwrap());
            let read = proxies.read(peer, [Some(forwarded_for), None, None, None]);
            let found = read.map_or(peer, |said| said.client);
            assert_eq!(found, client, "{peer} {forwarded_for}");
        }
        let nobody = TrustedProxies::default();
        let said = [Some("203.0.113.9"), Some("https"), None, None];
        assert_eq!(nobody.read(IpAddr::from([127, 0, 0, 1]), said), None);
    }

    #[test]
    fn protocol_and_port_are_those_that_a_trusted_proxy_says() {
        let proxies = TrustedProxies::new(&["127.0.0.1/32".to_owned()]);
        let peer = IpAddr::from([127, 0, 0, 1]);
        for (proto, port, host, expected) in [
            (None, None, None, (None, None)),
            (
                Some("https"),
                Some("8443"),
                None,
                (Some("https"), Some(8443)),
            ),
            (
                Some("HTTPS"),
                None,
                Some("a.test"),
                (Some("https"), Some(443)),
            ),
            (
                Some("https"),
                None,
                Some("a.test:444"),
                (Some("https"), Some(444)),
            ),
            (
                Some("https"),
                None,
                Some("[::1]"),
                (Some("https"), Some(443)),
            ),
            (Some("http"), None, Some("a.test"), (Some("http"), Some(80))),
            (
                Some("http, https"),
                Some("x, 443"),
                None,
                (Some("https"), Some(443)),
            ),
            (Some("ftp"), Some("0"), None, (None, None)),
            (Some("https\r\nx: y"), Some("80 80"), None, (None, None)),
        ] {
            let read = proxies.read(peer, [None, proto, port, host]);
            let said = read.expect("it is trusted");
            assert_eq!(
                (said.proto, said.port),
                expected,
                "{proto:?} {port:?} {host:?}"
            );
        }
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
