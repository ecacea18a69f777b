//! Neargate's pure core: text and facts in, decisions out.
//!
//! Invariant: nothing here reads a clock, a file, the network, the environment or a random
//! source, and nothing iterates in an order that is not defined. Everything that happens is
//! passed in as a value; everything to be done is handed back as a value.
//!
//! - [`manifest`]: `neargate.toml` to a checked model, all diagnostics at once.
//! - [`plan`]: checked model and observed state to an ordered list of operations.
//! - [`machine`]: `decide` / `apply` — services, releases, the circuit breaker.
//! - [`routing`]: the routing table, rule matching, balancing; what engine and router tell each other.
//! - [`command_exit`]: the exit codes of commands.
//! - [`error_chain`]: an error with its causes, in one line.
//! - [`health`]: the load balancer's health thresholds.
//! - [`liveness`]: who is hung, and when what ends again and again is started next.
//! - [`alarm`]: CloudWatch's alarms: evaluation, states, composites.
//! - [`guard`]: alarms judged on a new revision, step by step.
//! - [`metrics`]: samples in bounded windows, statistics, metric math.
//! - [`ids`]: what names a task.
//! - [`names`]: help for a name that nothing has.
//! - [`notify`]: what webhooks are told, in three shapes.
//! - [`status`]: the shape of `neargate status --json`; [`status_words`]: its words, which clients of other versions read.
//! - [`random`]: numbers that a seed decides.
//! - [`monitoring`]: all alarms and guards of an app, fed with samples.
//! - [`rehearse`]: a release with a fault, in simulated time.
//! - [`secret`]: values of secrets, never formatted, and how they are made.

pub mod alarm;
pub mod backoff;
pub mod command_exit;
pub mod descriptors;
pub mod duration;
pub mod error_chain;
pub mod guard;
pub mod health;
pub mod health_reason;
pub mod hex;
pub mod ids;
pub mod ignore_list;
pub mod liveness;
pub mod machine;
pub mod manifest;
pub mod metrics;
pub mod model;
pub mod monitoring;
pub mod names;
pub mod notify;
pub mod plan;
pub mod preflight_finding;
pub mod random;
pub mod rehearse;
pub mod release_report;
pub mod routing;
pub mod secret;
pub mod status;
pub mod status_words;
pub mod succession;
pub mod time;
pub mod timeline;
