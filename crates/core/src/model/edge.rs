//! The edge, and what of its address a manifest says itself.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::WafSettings;

/// The edge near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Address that the edge listens on (default 127.0.0.1).
    pub address: String,
    /// Port (default 8080).
    pub port: u16,
    /// Adds `X-Neargate-Revision` and `X-Neargate-Task` to responses.
    pub expose: bool,
    /// CIDR blocks of proxies in front whose `X-Forwarded-*` headers are believed.
    #[serde(default)]
    pub trusted: Vec<String>,
    /// Domain names that lead to the edge, far.
    pub domains: Vec<String>,
    /// Redirect HTTP to HTTPS (far only, where it is always done with a domain).
    pub https: bool,
    /// Web application firewall (far only).
    pub waf: bool,
    /// Its rules, where they are written.
    #[serde(default)]
    pub waf_rules: WafSettings,
}

impl Edge {
    /// Where it listens, as people write it.
    #[must_use]
    pub fn url(&self) -> String {
        let (address, port) = (&self.address, self.port);
        match address.parse() {
            Ok(IpAddr::V6(address)) => format!("http://[{address}]:{port}"),
            _ => format!("http://{address}:{port}"),
        }
    }

    /// Parts of the address that are not written stay as they were.
    pub fn stay(&mut self, before: &Self, written: WrittenAddress) {
        if !written.address {
            self.address.clone_from(&before.address);
        }
        if !written.port {
            self.port = before.port;
        }
    }
}

/// Parts of the edge's address that are written, in the file or by `--set`; the rest is a default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WrittenAddress {
    /// Whether `edge.address` is written.
    pub address: bool,
    /// Whether `edge.port` is written.
    pub port: bool,
}
