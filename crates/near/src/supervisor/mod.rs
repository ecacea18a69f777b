//! The supervisor: starts, adopts and stops processes, each held by a shim of its own.
