//! End to end: the real binary, real processes, real sockets, real load.

mod app;
mod basics;
mod canary;
mod data;
mod durability;
mod load;
mod notifications;
mod pipeline;
mod rehearsals;
mod releases;
mod traffic;
