//! `neargate rehearse` as clap reads it.

use clap::Args;
use neargate_core::rehearse::Fault;

use super::RehearsalTarget;
use crate::verbs::rehearse;

/// `neargate rehearse`
#[derive(Debug, Args)]
pub struct RehearseArguments {
    /// The service; may be left out when there is only one that has tasks
    pub service: Option<String>,
    /// What is wrong with the new version: error-rate=5%, latency=2s, crash=30s, bad-health, leak=10MB/s, migrate-fail, smoke-fail, hook-timeout, no-traffic, database-down=30s, none
    #[arg(long, value_name = "FAULT", default_value = "error-rate=5%", value_parser = rehearse::fault)]
    pub fault: Fault,
    /// Requests a second, for example 500rps
    #[arg(long, value_name = "RATE", default_value = "100rps", value_parser = rehearse::traffic)]
    pub traffic: f64,
    /// Whose times and rules: near or ecs; without it, where the environment runs
    #[arg(long, value_name = "WHERE")]
    #[arg(hide_possible_values = true)]
    pub on: Option<RehearsalTarget>,
    /// Decides what is chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Rehearse every fault, and say what would catch those that the manifest does not
    #[arg(long, conflicts_with = "fault")]
    pub all: bool,
}
