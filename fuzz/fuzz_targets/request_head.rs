//! The router's request head: no input panics it, and what is accepted was a complete head.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use neargate_router::request::{ConnectionAddresses, HeadRead, read};

fuzz_target!(|bytes: &[u8]| {
    let ends = ConnectionAddresses {
        peer: Ipv4Addr::LOCALHOST.into(),
        local: SocketAddr::from((Ipv4Addr::LOCALHOST, 80)),
    };
    if let HeadRead::Complete(_, length) = read(bytes, ends) {
        assert!(length <= bytes.len() && bytes[..length].ends_with(b"\r\n\r\n"));
    }
});
