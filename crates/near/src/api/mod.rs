//! The engine's API: HTTP/1.1 with JSON on a unix socket that only the owner may open.

mod audit_layer;
pub mod server;
pub mod wire;
