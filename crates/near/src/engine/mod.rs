//! The engine: one loop that decides, persists, and only then acts.
//!
//! Everything that happens — a task's exit, a router's word, a request on the API socket, a
//! timer — becomes one input of the loop. [`turn`] decides with `neargate_core::machine`,
//! writes the journal, applies, and hands the actions to [`tasks`] and [`routers`].
//!
//! Invariant: the loop alone owns the state; nothing acts before its entries are persisted.
//! An event whose entries cannot be written (a full disk) waits and is tried again; a person's
//! request that cannot be written is refused with the reason.

pub mod environment;
pub mod ledger;
pub mod listeners;
pub mod port_holder;
pub mod router_process;
pub mod routers;
pub mod routes;
