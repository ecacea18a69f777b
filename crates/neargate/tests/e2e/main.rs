//! End to end: the real binary, real processes, real sockets, real load.

mod app;
mod artifacts;
mod audit;
mod basics;
mod blind;
mod canary;
mod data;
mod durability;
mod healing;
mod hooks;
mod interruptions;
mod load;
mod manners;
mod metrics;
mod notifications;
mod pipeline;
mod programs;
mod rehearsals;
mod releases;
mod sticky;
mod strategies;
mod traffic;
mod words;
