//! `neargate rehearse` as clap reads it.

use clap::Args;
use neargate_core::rehearse::{Fault, FaultError, MOST_RATE};

use super::RehearsalTarget;

#[derive(Debug, Args)]
pub(crate) struct RehearseArguments {
    /// The service; optional if only one has tasks
    pub service: Option<String>,
    /// The fault of the new version: error-rate=5%, latency=2s, crash=30s, bad-health, leak=10MB/s, migrate-fail, smoke-fail, hook-timeout, no-traffic, database-down=30s, none
    #[arg(long, value_name = "FAULT", default_value = "error-rate=5%", value_parser = fault)]
    pub fault: Fault,
    /// Requests a second, for example 500rps
    #[arg(long, value_name = "RATE", default_value = "100rps", value_parser = traffic)]
    pub traffic: f64,
    /// Use the times and rules of near or ecs; without it, those of the environment's target
    #[arg(long, value_name = "WHERE")]
    #[arg(hide_possible_values = true)]
    pub on: Option<RehearsalTarget>,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Rehearse every fault, and suggest changes for those that the manifest does not catch
    #[arg(long, conflicts_with = "fault")]
    pub all: bool,
}

/// Parses the value of `--fault`.
fn fault(text: &str) -> Result<Fault, FaultError> {
    text.parse()
}

/// Why `--traffic` cannot be this.
#[derive(Debug, thiserror::Error)]
enum TrafficError {
    /// No number before the unit.
    #[error("`{0}` is no rate; write for example 500rps")]
    NoRate(String),
    /// More than can be rehearsed, or less than nothing.
    #[error("`{0}` is not from 0rps to {MOST_RATE}rps")]
    OutOfRange(String),
}

/// Reads `--traffic`: `500rps`, or the number alone.
fn traffic(text: &str) -> Result<f64, TrafficError> {
    let number = text.strip_suffix("rps").unwrap_or(text);
    let rate: f64 = number
        .parse()
        .map_err(|_| TrafficError::NoRate(text.to_owned()))?;
    if (0.0..=MOST_RATE).contains(&rate) {
        Ok(rate)
    } else {
        Err(TrafficError::OutOfRange(text.to_owned()))
    }
}
