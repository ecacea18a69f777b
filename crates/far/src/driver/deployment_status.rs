//! What ECS's word about a deployment means for a release.
//!
//! Pure and total: a status that this version does not know is waited for, and named.

use super::record::RecordedEnd;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentVerdict {
    /// It goes on, in these words.
    Waiting(String),
    /// It has ended.
    Ended(RecordedEnd),
}

/// The facts that ECS gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentObservation<'a> {
    /// `ServiceDeploymentStatus`
    pub status: &'a str,
    /// ECS's reason.
    pub reason: &'a str,
    /// `ServiceDeploymentLifecycleStage`
    pub stage: &'a str,
    /// Running and requested tasks of the new revision.
    pub tasks: (u32, u32),
    /// Alarms that fired.
    pub alarms: &'a [String],
    /// The newest event of the service.
    pub said: &'a str,
}

/// What a deployment's status means (ECS API reference, ServiceDeployment).
#[must_use]
pub fn judge(word: &DeploymentObservation<'_>, to: u32, from: u32) -> DeploymentVerdict {
    let reason = because(word);
    let ended = |outcome, reason: String| {
        let mut evidence: Vec<String> =
            word.alarms.iter().map(|it| format!("alarm {it}")).collect();
        if outcome != "done" && !word.said.is_empty() {
            evidence.push(word.said.to_owned());
        }
        DeploymentVerdict::Ended(RecordedEnd {
            outcome,
            reason,
            evidence,
        })
    };
    match word.status {
        "SUCCESSFUL" => ended("done", format!("revision {to} serves")),
        "ROLLBACK_SUCCESSFUL" => ended(
            "rolled-back",
            format!("ECS rolled back to revision {from}{reason}"),
        ),
        "ROLLBACK_FAILED" => ended("failed", format!("ECS could not roll back{reason}")),
        "STOPPED" => ended("failed", format!("the deployment was stopped{reason}")),
        "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => {
            DeploymentVerdict::Waiting(format!("ECS is rolling back to revision {from}{reason}"))
        }
        "STOP_REQUESTED" => DeploymentVerdict::Waiting("ECS stops the deployment".to_owned()),
        "PENDING" => DeploymentVerdict::Waiting("ECS to begin the deployment".to_owned()),
        "IN_PROGRESS" => DeploymentVerdict::Waiting(progress(word)),
        other => DeploymentVerdict::Waiting(format!("ECS, which says {other}{reason}")),
    }
}

fn because(word: &DeploymentObservation<'_>) -> String {
    match (word.reason, word.alarms) {
        ("", []) => String::new(),
        ("", alarms) => format!(": alarm {} fired", alarms.join(", ")),
        (reason, _) => format!(": {reason}"),
    }
}

fn progress(word: &DeploymentObservation<'_>) -> String {
    let (running, wanted) = word.tasks;
    let stage = word.stage.to_lowercase().replace('_', " ");
    match (stage.as_str(), wanted) {
        ("", 0) => "ECS to start tasks".to_owned(),
        ("", _) => format!("tasks of the new revision: {running} of {wanted} run"),
        (stage, _) => format!("{stage}: {running} of {wanted} new tasks run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_ecs_waits_or_ends() {
        let no_alarms: [String; 0] = [];
        for (status, expected) in [
            ("PENDING", None),
            ("IN_PROGRESS", None),
            ("STOP_REQUESTED", None),
            ("ROLLBACK_REQUESTED", None),
            ("ROLLBACK_IN_PROGRESS", None),
            ("A_NEW_ONE", None),
            ("SUCCESSFUL", Some("done")),
            ("ROLLBACK_SUCCESSFUL", Some("rolled-back")),
            ("ROLLBACK_FAILED", Some("failed")),
            ("STOPPED", Some("failed")),
        ] {
            let word = DeploymentObservation {
                status,
                reason: "tasks failed to start",
                stage: "",
                tasks: (0, 2),
                alarms: &no_alarms,
                said: "",
            };
            let outcome = match judge(&word, 2, 1) {
                DeploymentVerdict::Waiting(_) => None,
                DeploymentVerdict::Ended(end) => Some(end.outcome),
            };
            assert_eq!(outcome, expected, "{status}");
        }
    }
}
