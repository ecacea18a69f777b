//! The router over real sockets. One program, since each more is compiled and linked by itself.
//!
//! `http2_memory` and `shortage` are programs of their own: they measure the memory, and limit the
//! descriptors, of the whole process.

mod counts;
mod edge_cases;
mod endings;
mod forwarded;
mod http2;
mod http2_frames;
mod listeners;
mod lossless;
mod sites;
mod sticky;
mod support;
