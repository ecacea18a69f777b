//! AWS's `session-manager-plugin`: the program that carries a session to a task, and how the AWS
//! CLI starts it.
//!
//! Invariant: the token of a session is in the plugin's environment, never in its arguments,
//! where every user of the machine could read it. Refuses plugins that cannot take it so.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use super::error::DriverError;

/// The plugin's name.
pub const PROGRAM: &str = "session-manager-plugin";
/// The variable in which the plugin is handed a session; its name is the first argument.
const VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";
/// The last version that does not read the variable (AWS CLI, `sessionmanager`).
const TOO_OLD: [u32; 4] = [1, 2, 497, 0];
/// The document that forwards a port by way of a task (SSM user guide, port forwarding).
pub const FORWARD: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// A session that AWS opened. Its token is as good as a key while it lasts.
#[derive(Clone, PartialEq, Eq)]
pub struct SsmSession {
    pub id: String,
    /// Where it is carried.
    pub url: String,
    /// SSM's token of the session, which the plugin gets in its environment.
    pub token: String,
}

impl std::fmt::Debug for SsmSession {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The task of a session, and the port that it forwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTarget {
    /// SSM's target, `ecs:CLUSTER_TASK_RUNTIMEID`.
    pub target: String,
    /// A port that is forwarded; `None`: a command of ECS Exec.
    pub forward: Option<Forward>,
}

/// A port of this machine that leads to a port that the task can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Host as the task names it.
    pub host: String,
    /// Port of that host.
    pub port: u16,
    /// The port here.
    pub local: u16,
}

/// Where sessions are: region, profile (may be empty), address of the SSM API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SsmEndpoint {
    pub region: String,
    /// Profile of the AWS configuration; empty: none.
    pub profile: String,
    /// Address of the SSM API.
    pub endpoint: String,
}

/// The plugin on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin(PathBuf);

impl Plugin {
    /// Looks for the plugin in the folders of a `PATH`, and for its version.
    ///
    /// # Errors
    /// It is not there, or too old.
    pub fn find(path: &OsStr) -> Result<Self, DriverError> {
        let mut folders = std::env::split_paths(path);
        let found = folders.find_map(|folder| {
            let file = folder.join(PROGRAM);
            file.is_file().then_some(file)
        });
        let Some(file) = found else {
            return Err(missing(format!("{PROGRAM} is not installed")));
        };
        let said = Command::new(&file)
            .arg("--version")
            .stdin(Stdio::null())
            .output();
        let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let version = said.unwrap_or_default();
        if !recent(&version) {
            return Err(missing(format!(
                "{PROGRAM} {} is too old: it takes the token of a session in its arguments, where \
                 every user of this machine can read it",
                version.trim()
            )));
        }
        Ok(Self(file))
    }

    /// The command that carries a session, as the AWS CLI starts it.
    #[must_use]
    pub fn command(
        &self,
        session: &SsmSession,
        asked: &SessionTarget,
        place: &SsmEndpoint,
    ) -> Command {
        let mut command = Command::new(&self.0);
        command
            .args([VARIABLE, &place.region, "StartSession", &place.profile])
            .args([request(asked), place.endpoint.clone()])
            .env(VARIABLE, response(session));
        command
    }
}

fn missing(what: String) -> DriverError {
    DriverError::Missing {
        what,
        help: "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/\
               session-manager-working-with-install-plugin.html"
            .to_owned(),
    }
}

fn response(session: &SsmSession) -> String {
    json!({ "SessionId": session.id, "StreamUrl": session.url, "TokenValue": session.token })
        .to_string()
}

fn request(asked: &SessionTarget) -> String {
    match &asked.forward {
        None => json!({ "Target": asked.target }),
        Some(forward) => json!({
            "Target": asked.target,
            "DocumentName": FORWARD,
            "Parameters": {
                "host": [forward.host],
                "portNumber": [forward.port.to_string()],
                "localPortNumber": [forward.local.to_string()],
            },
        }),
    }
    .to_string()
}

/// Whether a version takes sessions in its environment.
fn recent(version: &str) -> bool {
    let numbers = version.trim().split('.').map(str::parse::<u32>);
    let numbers: Result<Vec<u32>, _> = numbers.collect();
    numbers.is_ok_and(|numbers| numbers.as_slice() > TOO_OLD.as_slice())
}

/// A command as one text, which ECS takes: every argument is one word of a shell.
#[must_use]
pub fn one_text(command: &[String]) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./=:,@%+".contains(letter);
    let quoted = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_read_the_environment_are_recent() {
        let rows = [
            ("1.2.497.0\n", false),
            ("1.2.498.0\n", true),
            ("1.2.707.0", true),
            ("1.3.0.0", true),
            ("1.1.999.9", false),
            ("", false),
            ("soon", false),
        ];
        for (version, wanted) in rows {
            assert_eq!(recent(version), wanted, "{version}");
        }
    }

    #[test]
    fn a_command_keeps_its_words_through_a_shell() {
        let rows: [(&[&str], &str); 4] = [
            (&["notes", "migrate"], "notes migrate"),
            (&["sh", "-c", "echo $HOME"], "sh -c 'echo $HOME'"),
            (&["echo", "it's", ""], r"echo 'it'\''s' ''"),
            (&["a;b"], "'a;b'"),
        ];
        for (command, text) in rows {
            let command: Vec<String> = command.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(one_text(&command), text);
        }
    }

    #[test]
    fn a_token_is_not_formatted() {
        let session = SsmSession {
            id: "ecs-1".to_owned(),
            url: "wss://x".to_owned(),
            token: "hunter2".to_owned(),
        };
        assert_eq!(format!("{session:?}"), "Session { id: \"ecs-1\", .. }");
    }
}
