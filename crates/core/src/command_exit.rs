//! How a command ends, for scripts: the exit codes that `docs/reference/cli.md` documents.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// How a command ended. On the wire and as a process it is its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
pub enum CommandExit {
    /// 0: it was done.
    Done,
    /// 1: the operation failed or was rolled back.
    Failed,
    /// 2: the command line or the manifest is wrong.
    Usage,
    /// 3: the environment lacks something: a program, a port, an engine.
    Environment,
    /// 10: something would change (`plan --exit-code`).
    Changes,
    /// 70: a bug in Neargate.
    Bug,
}

impl CommandExit {
    /// The exit code of the process.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Changes => 10,
            Self::Bug => 70,
        }
    }
}

impl From<CommandExit> for u8 {
    fn from(exit: CommandExit) -> Self {
        exit.number()
    }
}

/// A number that this build does not know, from a newer one, is a failure.
impl From<u8> for CommandExit {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Done,
            2 => Self::Usage,
            3 => Self::Environment,
            10 => Self::Changes,
            70 => Self::Bug,
            _ => Self::Failed,
        }
    }
}

impl From<CommandExit> for ExitCode {
    fn from(exit: CommandExit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_its_number_on_the_wire() {
        for (number, exit) in [
            (0, CommandExit::Done),
            (1, CommandExit::Failed),
            (2, CommandExit::Usage),
            (3, CommandExit::Environment),
            (10, CommandExit::Changes),
            (70, CommandExit::Bug),
        ] {
            let written = serde_json::to_string(&exit).expect("a number");
            assert_eq!(written, number.to_string());
            let read: CommandExit = serde_json::from_str(&written).expect("an exit");
            assert_eq!(read, exit);
        }
        let unknown: CommandExit = serde_json::from_str("4").expect("a number");
        assert_eq!(unknown, CommandExit::Failed);
    }
}
