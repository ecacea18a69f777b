//! What an engine or a watchdog that cannot run said last, for whoever started it.
//!
//! `engine.log` holds it as well, but not on a full or read-only disk. So it is also written to
//! standard output, which is a pipe then; whoever started the process reads it after its end.
//!
//! Invariant: nobody waits. At most [`LONGEST`] bytes, which a pipe takes at once.

use std::io::{self, Read};
use std::path::Path;
use std::process::ChildStdout;

use rustix::fs::{FileType, OFlags};

/// A pipe takes so many bytes whole.
const LONGEST: usize = 4096;

/// Leaves them; nothing when standard output is no pipe.
pub fn leave(words: &str) {
    let out = rustix::stdio::stdout();
    let piped = rustix::fs::fstat(out)
        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Fifo);
    if piped {
        let bytes = words.as_bytes();
        // Nobody may be left who reads it.
        let _ = rustix::io::write(out, &bytes[..bytes.len().min(LONGEST)]);
    }
}

/// Those of a process that has ended.
pub fn heard(pipe: &mut ChildStdout) -> Option<String> {
    rustix::fs::fcntl_setfl(&*pipe, OFlags::NONBLOCK).ok()?;
    let mut bytes = vec![0; LONGEST];
    let read = loop {
        match pipe.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read.ok()?,
        }
    };
    let words = String::from_utf8_lossy(&bytes[..read]).trim().to_owned();
    (!words.is_empty()).then_some(words)
}

/// The last line of the engine's log that is an error, of an engine that nobody started who could
/// be asked.
#[must_use]
pub fn logged(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let end = &text[text.len().saturating_sub(16 * 1024)..];
    let text = String::from_utf8_lossy(end);
    let last = text
        .lines()
        .rev()
        .find(|line| line.contains("error"))
        .or(text.lines().next_back());
    last.unwrap_or("its log is empty or gone: another command may have removed it")
        .trim_start_matches("error: ")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn last_words_are_heard_after_the_end_and_silence_is_nothing() {
        for (script, expected) in [
            ("echo the disk is full", Some("the disk is full")),
            ("true", None),
            // Somebody who is left holds the pipe open.
            ("sleep 5 & echo left", Some("left")),
            ("sleep 5 & true", None),
        ] {
            let mut child = Command::new("sh")
                .args(["-c", script])
                .stdout(Stdio::piped())
                .spawn()
                .expect("sh runs");
            child.wait().expect("its end");
            let mut pipe = child.stdout.take().expect("a pipe");
            assert_eq!(heard(&mut pipe).as_deref(), expected, "{script}");
        }
    }
}
