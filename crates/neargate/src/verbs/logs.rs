//! `neargate logs`: the lines that tasks wrote.
//!
//! In a pipe and in a file the bytes are those that the task wrote; on a terminal what could steer
//! it is shown as text, but for colours.

use std::io::{BufWriter, IsTerminal, Stdout, Write};
use std::process::ExitCode;

use neargate_near::logs::LogLine;

use crate::arguments::{GlobalFlags, LogsArguments};
use crate::failure::Failure;
use crate::moment::rfc3339;
use crate::{environment, output};

/// Prints the lines that are wanted.
pub(crate) async fn run(flags: &GlobalFlags, options: &LogsArguments) -> Result<ExitCode, Failure> {
    let mut source = environment::open(flags)?.logs(options).await?;
    let mut printer = LinePrinter::new(flags.json);
    loop {
        while let Some(line) = source.next_line().await? {
            printer.print(&line);
        }
        printer.flush();
        if !options.follow {
            return Ok(ExitCode::SUCCESS);
        }
        source.wait_for_more().await?;
    }
}

/// Prints lines: as they are, or as a terminal may have them.
struct LinePrinter {
    out: BufWriter<Stdout>,
    json: bool,
    terminal: bool,
}

impl LinePrinter {
    /// A printer on standard output.
    fn new(json: bool) -> Self {
        let out = std::io::stdout();
        let terminal = out.is_terminal();
        Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            json,
            terminal,
        }
    }

    /// Prints a line; a closed pipe ends the command quietly.
    fn print(&mut self, line: &LogLine) {
        let written = match (self.json, self.terminal) {
            (true, false) => writeln!(self.out, "{}", line.json()),
            (true, true) => writeln!(self.out, "{}", output::harmless_json(&line.json())),
            (false, false) => write!(self.out, "{} {} ", rfc3339(line.at), line.task)
                .and_then(|()| self.out.write_all(&line.bytes))
                .and_then(|()| self.out.write_all(b"\n")),
            (false, true) => {
                let text = output::harmless_line(&line.text());
                writeln!(self.out, "{} {} {text}", rfc3339(line.at), line.task)
            }
        };
        written.unwrap_or_else(|error| output::closed(&error));
    }

    /// Hands on what is buffered.
    fn flush(&mut self) {
        self.out
            .flush()
            .unwrap_or_else(|error| output::closed(&error));
    }
}
