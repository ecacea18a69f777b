//! The engine's own log: its standard error, which is `engine.log`.

use std::io::Write;

use crate::clock::now;

/// Writes a line. A full disk takes none, and nobody ends for it.
pub(crate) fn log(text: &str) {
    let line = format!(
        "{{\"t\":{},\"m\":{}}}\n",
        now().0,
        serde_json::Value::from(text)
    );
    // A full disk takes no line; the engine goes on without it (`eprintln!` would panic).
    let _ = std::io::stderr().write_all(line.as_bytes());
}
