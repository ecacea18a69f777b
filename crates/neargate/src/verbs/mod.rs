//! One file per verb.

pub mod alarms;
pub mod audit;
pub mod audit_log;
pub mod check;
pub mod cost;
pub mod db;
pub mod deploy;
pub mod doctor;
pub mod down;
pub mod infra;
pub mod init;
pub mod logs;
pub mod metrics;
pub mod pipeline;
pub mod plan;
pub mod promote;
pub mod rehearse;
pub mod releases;
pub mod scale;
pub mod secret;
pub mod session;
pub mod status;
pub mod up;
