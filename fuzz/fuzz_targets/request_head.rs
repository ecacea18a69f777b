//! The router's request head: no input panics it, and what is accepted was a complete head.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use neargate_router::request::{Read, read};

fuzz_target!(|bytes: &[u8]| {
    if let Read::Complete(_, length) = read(bytes, IpAddr::V4(Ipv4Addr::LOCALHOST)) {
        assert!(length <= bytes.len() && bytes[..length].ends_with(b"\r\n\r\n"));
    }
});
