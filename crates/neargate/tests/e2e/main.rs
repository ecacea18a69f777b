//! End to end: the real binary, real processes, real sockets, real load.

mod app;
mod basics;
mod canary;
mod data;
mod durability;
mod load;
mod notifications;
mod rehearsals;
mod releases;
mod sticky;
mod traffic;
