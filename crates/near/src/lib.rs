//! Near: the machine you are sitting at.
//!
//! Four kinds of process, all the same binary: the [`engine`] decides and owns the journal,
//! the router (`neargate-router`) serves, one [`shim`](supervisor::shim) holds each task, and
//! the [`watchdog`] starts the engine again.
//! Any of them may die at any moment without a request or a log line being lost that it did
//! not hold itself.

pub mod api;
pub mod atomic;
pub mod audit_log;
pub mod cgroup;
pub mod clock;
pub mod data;
pub mod descriptors;
pub mod engine;
mod engine_log;
mod http_exchange;
pub mod identity;
pub mod inherited;
pub mod input_channel;
pub mod journal;
mod locked;
pub mod logs;
pub mod notify;
mod os_error;
pub mod own_processes;
pub mod paths;
mod port_holder;
pub mod ports;
pub mod private_file;
pub mod process_identity;
pub mod process_signal;
pub mod program;
mod router_workers;
pub mod search_path;
pub mod secrets;
pub mod shim_role;
pub mod snapshot;
pub mod socket;
pub mod supervisor;
pub mod user_namespace;
pub mod watchdog;
pub mod writability;
