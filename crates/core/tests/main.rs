//! The core from outside, as one program, since each more is compiled and linked by itself.

mod alarm_states;
mod alarm_vectors;
mod capacity;
mod counted;
mod guards;
mod machine_display;
mod machine_interruptions;
mod machine_scenarios;
mod machine_shifts;
mod machine_starts;
mod machine_vectors;
#[path = "manifest/main.rs"]
mod manifest;
mod manifest_bad;
mod manifest_limits;
mod metrics_math;
mod metrics_windows;
mod notifications;
mod rehearsals;
#[path = "simulation/main.rs"]
mod simulation;
mod timeline;
mod world;
