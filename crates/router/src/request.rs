//! A request head: from bytes to something judged, and to the bytes that a target gets.
//!
//! Invariant: [`read`] accepts only what [`neargate_core::routing::head`] accepts; hop-by-hop
//! headers, those named in `ClientConnection` and those whose names are not plain never reach a
//! target. Every head names a host. Bare line feeds are refused.

use std::net::{IpAddr, SocketAddr};

use neargate_core::routing::forwarded::{ForwardedClient, TrustedProxies};
use neargate_core::routing::head::{
    self, HttpVersion, MOST_HEAD, MOST_HEADERS, MOST_LINE, RequestFraming, RequestTarget,
};
use neargate_core::routing::matching::RequestFacts;
use neargate_core::routing::websocket;

pub use neargate_core::routing::head::RequestRefusal;

/// Content of the bytes of a request head.
#[derive(Debug)]
pub enum HeadRead {
    /// The head is not complete yet.
    Partial,
    /// A head that may be passed on, and its length in bytes.
    Complete(Box<RequestHead>, usize),
    /// A head that is answered with an error.
    Refused(RequestRefusal),
}

/// A judged request head.
#[derive(Debug)]
pub struct RequestHead {
    pub(crate) method: String,
    /// Origin form: path and query (or `*`).
    pub(crate) target: String,
    pub(crate) version: HttpVersion,
    pub(crate) framing: RequestFraming,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The client: the peer, or whom a trusted proxy speaks for.
    pub(crate) client: IpAddr,
    /// A trusted proxy's word about the client.
    pub(crate) forwarded: Option<ForwardedClient>,
    /// It is the opening handshake of a WebSocket.
    pub(crate) websocket: bool,
}

/// The two ends of a client's connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionAddresses {
    /// The client's address.
    pub peer: IpAddr,
    /// The router's own: the host of an HTTP/1.0 request that names none.
    pub local: SocketAddr,
}

/// Whether the connection may carry another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepAlive {
    Keep,
    Close,
}

/// Why a TLS handshake is refused: somebody wrote `https`.
pub(crate) const TLS_TO_PLAIN_PORT: &str = "TlsToPlainPort";
/// The first byte of a TLS connection: a record of the handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Reads a request head from the beginning of `bytes`.
#[must_use]
pub fn read(bytes: &[u8], ends: ConnectionAddresses) -> HeadRead {
    // No method begins so, and a client that waits for the answer to its handshake sends no more.
    if bytes.first() == Some(&TLS_HANDSHAKE) {
        return refused(400, TLS_TO_PLAIN_PORT);
    }
    let Some(end) = find_end(bytes) else {
        return match first_line(bytes) {
            Some(line) if line > MOST_LINE => refused(414, "UriTooLong"),
            _ if bytes.len() > MOST_HEAD => refused(431, "HeadTooLong"),
            _ => HeadRead::Partial,
        };
    };
    if first_line(bytes).is_some_and(|line| line > MOST_LINE) {
        return refused(414, "UriTooLong");
    }
    if end > MOST_HEAD {
        return refused(431, "HeadTooLong");
    }
    if has_bare_line_feed(&bytes[..end]) {
        return refused(400, "BadHeader");
    }
    let mut space = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut space);
    match parsed.parse(&bytes[..end]) {
        Ok(httparse::Status::Complete(length)) => match judge_parsed(&parsed, ends) {
            Ok(head) => HeadRead::Complete(Box::new(head), length),
            Err(refusal) => HeadRead::Refused(refusal),
        },
        Ok(httparse::Status::Partial) => refused(400, "BadHeader"),
        Err(httparse::Error::Version) => match http_version(&bytes[..end]) {
            true => refused(505, "BadVersion"),
            false => refused(400, "BadVersion"),
        },
        Err(httparse::Error::TooManyHeaders) => refused(431, "TooManyHeaders"),
        Err(_) => refused(400, "BadHeader"),
    }
}

fn refused(status: u16, reason: &'static str) -> HeadRead {
    HeadRead::Refused(RequestRefusal { status, reason })
}

/// Length of a head, with its empty line; a head may end with bare line feeds (it is refused
/// then, but it ends).
fn find_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|b| *b == b'\n') {
        let next = at + found + 1;
        match &bytes[next..] {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => at = next,
        }
    }
    None
}

fn first_line(bytes: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .position(|b| *b == b'\n')
        .or((bytes.len() > MOST_LINE + 2).then_some(bytes.len()))
}

fn has_bare_line_feed(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'\n') || bytes.windows(2).any(|w| w[1] == b'\n' && w[0] != b'\r')
}

/// Whether the request line has its three parts and ends in `HTTP/` and digits that are not ours
/// to speak.
fn http_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|b| *b == b' ').skip(2);
    let (version, more) = (parts.next().unwrap_or_default(), parts.next());
    more.is_none()
        && matches!(version, [b'H', b'T', b'T', b'P', b'/', a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit())
}

fn judge_parsed(
    parsed: &httparse::Request<'_, '_>,
    ends: ConnectionAddresses,
) -> Result<RequestHead, RequestRefusal> {
    let (method, target) = (
        parsed.method.unwrap_or_default(),
        parsed.path.unwrap_or_default(),
    );
    let version = match parsed.version {
        Some(0) => HttpVersion::Http10,
        _ => HttpVersion::Http11,
    };
    let headers = parsed.headers.iter().map(|h| (h.name, h.value));
    judge(method, target, version, headers, ends)
}

/// Judges a head whose parts are known; its body is framed as its headers say.
pub(crate) fn judge<'a>(
    method: &str,
    target: &str,
    version: HttpVersion,
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ends: ConnectionAddresses,
) -> Result<RequestHead, RequestRefusal> {
    let framing = head::judge(method, target, version, headers.clone())?;
    let mut names = headers.clone().map(|(name, _)| name);
    let upgrades = names.any(|name| name.eq_ignore_ascii_case("upgrade"));
    let websocket =
        upgrades && websocket::is_handshake(method, (version, framing), headers.clone());
    let mut headers: Vec<(String, Vec<u8>)> = headers
        .filter(|(name, _)| head::reaches_targets(name))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
        .collect();
    let target = origin_form(method, target, &mut headers);
    if !headers.iter().any(|(name, _)| name == "host") {
        headers.insert(0, ("host".to_owned(), ends.local.to_string().into_bytes()));
    }
    Ok(RequestHead {
        method: method.to_owned(),
        target,
        version,
        framing,
        headers,
        client: ends.peer.to_canonical(),
        forwarded: None,
        websocket,
    })
}

/// An absolute target's host replaces the header's (RFC 9112, 3.2.2).
fn origin_form(method: &str, target: &str, headers: &mut Vec<(String, Vec<u8>)>) -> String {
    let RequestTarget::Absolute { authority, path } = RequestTarget::of(target) else {
        return target.to_owned();
    };
    let authority = authority.as_bytes().to_vec();
    match headers.iter_mut().find(|(name, _)| name == "host") {
        Some((_, host)) => *host = authority,
        None => headers.insert(0, ("host".to_owned(), authority)),
    }
    match path {
        "" if method == "OPTIONS" => "*".to_owned(),
        "" => "/".to_owned(),
        path if path.starts_with('?') => format!("/{path}"),
        path => path.to_owned(),
    }
}

impl RequestHead {
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(n, _)| n == name)?;
        Some(&found.1)
    }

    /// Every value of a header; `name` in lower case.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + Clone {
        let found = self.headers.iter().filter(move |(n, _)| n == name);
        found.map(|(_, value)| value.as_slice())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.header(name)?).ok()
    }

    /// All values of a list header, joined.
    pub(crate) fn joined(&self, name: &str) -> Option<String> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        let mut all = String::from_utf8_lossy(&values.next()?.1).into_owned();
        for (_, value) in values {
            all.push_str(", ");
            all.push_str(&String::from_utf8_lossy(value));
        }
        Some(all)
    }

    pub(crate) fn connection_names(&self, name: &str) -> bool {
        self.headers
            .iter()
            .filter(|(n, _)| n == "connection")
            .flat_map(|(_, value)| value.split(|b| *b == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    }

    pub(crate) fn keep_alive(&self) -> KeepAlive {
        let keep = match self.version {
            HttpVersion::Http11 => !self.connection_names("close"),
            HttpVersion::Http10 => self.connection_names("keep-alive"),
        };
        if keep {
            KeepAlive::Keep
        } else {
            KeepAlive::Close
        }
    }

    /// Believes what the peer says of the client, when it is trusted.
    pub(crate) fn believe(&mut self, trusted: &TrustedProxies, peer: IpAddr) {
        if !trusted.trusts(peer) {
            return;
        }
        let names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"];
        let [addresses, proto, port] = names.map(|name| self.joined(name));
        let said = [
            addresses.as_deref(),
            proto.as_deref(),
            port.as_deref(),
            self.text("host"),
        ];
        if let Some(said) = trusted.read(peer, said) {
            self.client = said.client;
            self.forwarded = Some(said);
        }
    }

    /// Whether a second attempt cannot do harm.
    pub(crate) fn is_replayable(&self) -> bool {
        let idempotent = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"];
        self.framing == RequestFraming::Empty && idempotent.contains(&self.method.as_str())
    }

    fn split(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }

    /// The head that the target gets; `added` come after the client's own headers and replace
    /// those of the same name.
    pub(crate) fn write(&self, added: &[(&str, &str)], out: &mut Vec<u8>) {
        for part in [self.method.as_str(), " ", &self.target, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        let names_any = self.header("connection").is_some();
        for (name, value) in &self.headers {
            let named = names_any && head::connection_may_name(name) && self.connection_names(name);
            if !named && !head::is_hop_by_hop(name) && !added.iter().any(|(n, _)| n == name) {
                line(out, name, value);
            }
        }
        for (name, value) in added {
            line(out, name, value.as_bytes());
        }
        if self.framing == RequestFraming::Chunked {
            line(out, "transfer-encoding", b"chunked");
        }
        if self.websocket {
            line(out, "connection", b"upgrade");
            line(out, "upgrade", b"websocket");
        } else if self.text("te").is_some_and(|te| te.contains("trailers")) {
            line(out, "connection", b"te");
            line(out, "te", b"trailers");
        }
        out.extend_from_slice(b"\r\n");
    }
}

pub(crate) fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

impl RequestFacts for RequestHead {
    fn host(&self) -> &str {
        let host = self.text("host").unwrap_or_default();
        match host.rfind(':') {
            Some(colon) if !host[colon..].contains(']') => &host[..colon],
            _ => host,
        }
    }
    fn path(&self) -> &str {
        self.split().0
    }
    fn method(&self) -> &str {
        &self.method
    }
    fn query(&self) -> &str {
        self.split().1
    }
    fn source(&self) -> IpAddr {
        self.client
    }
    fn header(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        values.any(|(_, value)| std::str::from_utf8(value).is_ok_and(&mut *test))
    }
}
