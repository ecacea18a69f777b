//! Where programs are looked for when nobody says where.

/// `PATH` of tasks, after their snapshot, and of a watchdog that a shim starts.
pub const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
