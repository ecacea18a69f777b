//! The machine that decides: services, tasks and releases of one environment.
//!
//! One total function decides — [`decide::decide`] — and one applies a persisted entry to the
//! state — [`apply::apply`] — live and in replay. A [`step::Step`] gives its actions away only
//! against the proof that its entries are persisted, so acting before persisting does not
//! compile.
