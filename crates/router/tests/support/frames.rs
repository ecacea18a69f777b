//! HTTP/2 by hand: frames of which every byte is the test's, as no client library sends them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Error code of RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("a code"))
    }

    /// Of HEADERS, when the status is in HPACK's static table or a literal.
    pub(crate) fn status(&self) -> u16 {
        match self.payload[0] {
            0x88 => 200,
            0x89 => 204,
            0x8b => 304,
            0x8c => 400,
            0x8d => 404,
            0x8e => 500,
            // A literal for the name `:status`, Huffman-coded or not: digits only.
            _ => digits(&self.payload[1..]),
        }
    }
}

/// Three digits, plain or in HPACK's Huffman code.
fn digits(value: &[u8]) -> u16 {
    let length = usize::from(value[0] & 0x7f);
    let bytes = &value[1..=length];
    if value[0] & 0x80 == 0 {
        return std::str::from_utf8(bytes)
            .expect("digits")
            .parse()
            .expect("a status");
    }
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1))
        .collect();
    let take = |at: usize, n: usize| bits[at..at + n].iter().fold(0_u8, |v, b| v << 1 | b);
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        // 0, 1, 2 have five bits; 3..=9 have six, from 0b011001.
        let short = take(at, 5);
        let digit = if short <= 2 {
            at += 5;
            short
        } else {
            let long = take(at, 6);
            at += 6;
            long - 0b01_1001 + 3
        };
        status = status * 10 + u16::from(digit);
    }
    status
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut out = length[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// A header block of literals; names and values as they are.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            length(text.len(), &mut out);
            out.extend(text.as_bytes());
        }
    }
    out
}

/// An integer of HPACK with a prefix of seven bits.
fn length(mut length: usize, out: &mut Vec<u8>) {
    if length < 127 {
        out.push(length.try_into().expect("seven bits"));
        return;
    }
    out.push(127);
    length -= 127;
    while length >= 128 {
        out.push(u8::try_from(length % 128).expect("seven bits") | 128);
        length /= 128;
    }
    out.push(length.try_into().expect("seven bits"));
}

/// The head of a GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", path),
    ])
}

/// An HTTP/2 connection to the router, frame by frame.
pub(crate) struct Frames {
    pub wire: TcpStream,
    /// The router's settings.
    pub settings: BTreeMap<u16, u32>,
}

impl Frames {
    /// With the client's settings; the router's have been read.
    pub(crate) fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        Self::try_open(address, settings).expect("settings")
    }

    /// `None` when the router closes the connection at once.
    pub(crate) fn try_open(address: SocketAddr, settings: &[(u16, u32)]) -> Option<Self> {
        let mut wire = TcpStream::connect(address).expect("connected");
        wire.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        wire.set_nodelay(true).expect("no delay");
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        out.extend(frame(SETTINGS, 0, 0, &payload));
        wire.write_all(&out).expect("sent");
        let mut frames = Self {
            wire,
            settings: BTreeMap::new(),
        };
        let first = frames.next()?;
        assert_eq!((first.kind, first.flags), (SETTINGS, 0));
        for setting in first.payload.chunks(6) {
            let name = u16::from_be_bytes([setting[0], setting[1]]);
            let value = u32::from_be_bytes(setting[2..].try_into().expect("four bytes"));
            frames.settings.insert(name, value);
        }
        frames.send(&frame(SETTINGS, 1, 0, &[]));
        Some(frames)
    }

    /// `false` when the router has closed the connection.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.wire.write_all(bytes).is_ok()
    }

    pub(crate) fn headers(&mut self, stream: u32, block: &[u8], last: bool) -> bool {
        let flags = END_HEADERS | u8::from(last);
        self.send(&frame(HEADERS, flags, stream, block))
    }

    /// `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.wire.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("short")];
        self.wire.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes(head[5..].try_into().expect("four bytes")),
            payload,
        })
    }

    /// The next frame that is one of these kinds.
    pub(crate) fn wait(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }
}
