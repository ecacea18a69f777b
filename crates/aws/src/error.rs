//! Why something on AWS did not go, and whose turn it is.
//!
//! Invariant: a call that AWS refused is explained by what AWS said, never guessed: the action,
//! who asked, on what. Refuses to carry credentials: only codes and messages come in here.

use neargate_core::command_exit::CommandExit;
use neargate_core::ids::RevisionNumber;
use neargate_core::machine::Refusal;

use super::site_files_error::SiteFilesError;

/// A failed operation on AWS, in words for the person at the terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// There are no credentials, or they are not valid (any more).
    #[error("AWS rejects these credentials ({code}): {message}")]
    Credentials {
        /// AWS's error code.
        code: String,
        /// AWS's message, as it came.
        message: String,
    },
    /// Permission is missing.
    #[error("{who} may not {action}{on}")]
    Denied {
        /// For example `ecs:UpdateService`.
        action: String,
        /// The user or role that sent the request, as AWS names it.
        who: String,
        /// ` on <resource>`, or nothing.
        on: String,
    },
    /// Something that has to be there is not.
    #[error("{what}")]
    Missing {
        /// A sentence that names it.
        what: String,
        /// How it comes to be.
        help: String,
    },
    /// Nothing was done, because it is not the moment for it.
    #[error("{what}")]
    Refused {
        /// The reason, one sentence.
        what: String,
        /// A command or step that would be right.
        help: String,
    },
    /// The request makes no sense for this environment.
    #[error("{0}")]
    Usage(String),
    /// A call failed.
    #[error("cannot {doing}: {code}: {message}")]
    Call {
        /// For example `update the service api`.
        doing: String,
        /// AWS's error code, or what kind of failure it was.
        code: String,
        /// AWS's message, as it came.
        message: String,
    },
    /// A rollback to the revision that serves.
    #[error("revision {revision} serves already")]
    ServesAlready { revision: RevisionNumber },
    /// A rollback without another stable revision.
    #[error("there is no other stable revision to roll back to")]
    NoRollbackTarget,
    /// The files of a site on this machine.
    #[error(transparent)]
    SiteFiles(#[from] SiteFilesError),
    /// A rollback to a revision whose files S3 does not keep any more.
    #[error("the files of revision {revision} are not kept any more")]
    FilesNotKept { revision: RevisionNumber },
    /// ECS ran no task for a job.
    #[error("ECS did not start the job: {reason} {detail}")]
    JobNotStarted {
        /// ECS's `reason`, for example `RESOURCE:MEMORY`.
        reason: String,
        /// ECS's `detail`, empty when it gives none.
        detail: String,
    },
    /// ECS forgets tasks an hour after their end.
    #[error("ECS does not know the task {task} any more, so its end is unknown")]
    JobForgotten { task: String },
    /// A deployment that the record names.
    #[error("ECS does not know the deployment {arn}")]
    DeploymentUnknown { arn: String },
    /// Nobody set it.
    #[error("secret {name} has no value: set it with `neargate secret set {name} -e {env}`")]
    SecretWithoutValue {
        /// The manifest's name of it.
        name: String,
        /// Of this environment.
        env: String,
    },
    /// The release machine refuses what was asked.
    #[error(transparent)]
    Machine(Refusal),
    /// It was done, and did not end well.
    #[error("{0}")]
    Failed(String),
}

/// Codes of credentials that are no good (STS, ECS and S3 API references, common errors).
const BAD_CREDENTIALS: [&str; 10] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "MissingAuthenticationToken",
    "AuthFailure",
];

/// Codes of a missing permission (common errors of the AWS APIs).
const DENIED: [&str; 5] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "NotAuthorized",
    "UnauthorizedAccess",
];

impl DriverError {
    /// Meaning of AWS's code and message. `action` is the call, for example `ecs:UpdateService`;
    /// AWS's own message says it better when it says it.
    #[must_use]
    pub fn of_call(doing: &str, action: &str, code: &str, message: &str) -> Self {
        if BAD_CREDENTIALS.contains(&code) {
            return Self::Credentials {
                code: code.to_owned(),
                message: message.to_owned(),
            };
        }
        if DENIED.contains(&code) {
            let after = |mark: &str| {
                let rest = message.split_once(mark)?.1;
                let word = rest.split_whitespace().next()?;
                Some(word.trim_end_matches(['.', ',']).to_owned())
            };
            return Self::Denied {
                action: after("perform: ").unwrap_or_else(|| action.to_owned()),
                who: after("User: ").unwrap_or_else(|| "this identity".to_owned()),
                on: after("on resource: ").map_or(String::new(), |it| format!(" on {it}")),
            };
        }
        Self::Call {
            doing: doing.to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// How a command ends that meets this.
    #[must_use]
    pub fn exit(&self) -> CommandExit {
        match self {
            Self::Usage(_) => CommandExit::Usage,
            Self::Credentials { .. } | Self::Denied { .. } | Self::Missing { .. } => {
                CommandExit::Environment
            }
            _ => CommandExit::Failed,
        }
    }

    /// Advice about the error, when there is some.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Credentials { .. } => Some(
                "sign in again (`aws sso login`, new keys, or a new run of the CI job); \
                 `aws sts get-caller-identity` shows whether they work"
                    .to_owned(),
            ),
            Self::Denied { action, who, .. } => Some(format!(
                "attach a policy that allows {action} to {}; the deploy role of \
                 terraform/modules/pipeline has what the driver needs",
                role_of(who)
            )),
            Self::Missing { help, .. } | Self::Refused { help, .. } => Some(help.clone()),
            _ => None,
        }
    }
}

/// `the role deploy` of `arn:aws:sts::1:assumed-role/deploy/session`; other identities as they are.
fn role_of(who: &str) -> String {
    let role = who
        .split_once(":assumed-role/")
        .and_then(|(_, rest)| rest.split('/').next());
    match role {
        Some(role) => format!("the role {role}"),
        None => who.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_call_names_the_action_the_role_and_what_to_attach() {
        let said = "User: arn:aws:sts::123456789012:assumed-role/deploy/ci is not authorized to \
                    perform: ecs:UpdateService on resource: arn:aws:ecs:eu-central-1:1:service/a/b \
                    because no identity-based policy allows the ecs:UpdateService action";
        let trouble =
            DriverError::of_call("update", "ecs:UpdateService", "AccessDeniedException", said);
        assert_eq!(
            trouble.to_string(),
            "arn:aws:sts::123456789012:assumed-role/deploy/ci may not ecs:UpdateService \
             on arn:aws:ecs:eu-central-1:1:service/a/b"
        );
        let help = trouble.help().expect("help");
        assert!(
            help.contains("allows ecs:UpdateService to the role deploy"),
            "{help}"
        );
        assert_eq!(trouble.exit().number(), 3);
    }

    #[test]
    fn codes_decide_whose_turn_it_is() {
        for (code, exit) in [
            ("ExpiredTokenException", 3),
            ("ExpiredToken", 3),
            ("InvalidClientTokenId", 3),
            ("UnrecognizedClientException", 3),
            ("AccessDenied", 3),
            ("ThrottlingException", 1),
            ("ServiceNotFoundException", 1),
        ] {
            let trouble = DriverError::of_call("do it", "ecs:X", code, "no");
            assert_eq!(trouble.exit().number(), exit, "{code}");
        }
    }
}
