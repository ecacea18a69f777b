//! One file per verb.

pub(crate) mod alarms;
pub(crate) mod audit;
pub(crate) mod audit_log;
pub(crate) mod check;
pub(crate) mod control;
pub(crate) mod cost;
pub(crate) mod db;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod drift;
pub(crate) mod infra;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod pipeline;
pub(crate) mod plan;
pub(crate) mod rehearse;
pub(crate) mod releases;
pub(crate) mod scale;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod verify;
