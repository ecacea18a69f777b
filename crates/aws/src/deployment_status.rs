//! What ECS's word about a deployment means for a release.
//!
//! Pure and total: a status that this version does not know is waited for, and named.

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::DeploymentProgress;

/// Meaning of a deployment's status for a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentMeaning {
    /// How far the deployment is.
    pub progress: DeploymentProgress,
    /// The step that it waits for, or how it ended.
    pub words: String,
    /// Alarms that fired and the service's newest event, when it ended without success.
    pub evidence: Vec<String>,
}

/// The facts that ECS gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentObservation<'a> {
    /// ECS's `ServiceDeploymentStatus`, such as `SUCCESSFUL`.
    pub status: &'a str,
    /// ECS's `statusReason`; empty: it gave none.
    pub reason: &'a str,
    /// ECS's `ServiceDeploymentLifecycleStage`; empty: none.
    pub stage: &'a str,
    /// Running and requested tasks of the new revision.
    pub tasks: (u32, u32),
    /// Alarms that fired.
    pub alarms: &'a [String],
    /// The newest event of the service.
    pub said: &'a str,
}

/// Meaning of a deployment's status (ECS API reference, ServiceDeployment).
#[must_use]
pub fn meaning(
    word: &DeploymentObservation<'_>,
    to: RevisionNumber,
    from: RevisionNumber,
) -> DeploymentMeaning {
    let reason = because(word);
    let (progress, words) = match word.status {
        "SUCCESSFUL" => (
            DeploymentProgress::Succeeded,
            format!("ECS runs revision {to}"),
        ),
        "ROLLBACK_SUCCESSFUL" => (
            DeploymentProgress::RolledBack,
            format!("ECS rolled back to revision {from}{reason}"),
        ),
        "ROLLBACK_FAILED" => (
            DeploymentProgress::Failed,
            format!("ECS could not roll back{reason}"),
        ),
        "STOPPED" => (
            DeploymentProgress::Failed,
            format!("the deployment was stopped{reason}"),
        ),
        "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => (
            DeploymentProgress::RollingBack,
            format!("ECS is rolling back to revision {from}{reason}"),
        ),
        "STOP_REQUESTED" => (
            DeploymentProgress::InProgress,
            "ECS stops the deployment".to_owned(),
        ),
        "PENDING" => (
            DeploymentProgress::InProgress,
            "ECS to begin the deployment".to_owned(),
        ),
        "IN_PROGRESS" => (DeploymentProgress::InProgress, new_tasks(word)),
        other => (
            DeploymentProgress::InProgress,
            format!("ECS, which says {other}{reason}"),
        ),
    };
    let failed = progress.has_ended() && progress != DeploymentProgress::Succeeded;
    let alarms = word.alarms.iter().map(|alarm| format!("alarm {alarm}"));
    let said = (!word.said.is_empty()).then(|| word.said.to_owned());
    DeploymentMeaning {
        progress,
        words,
        evidence: alarms.chain(said).filter(|_| failed).collect(),
    }
}

fn because(word: &DeploymentObservation<'_>) -> String {
    match (word.reason, word.alarms) {
        ("", []) => String::new(),
        ("", alarms) => format!(": alarm {} fired", alarms.join(", ")),
        (reason, _) => format!(": {reason}"),
    }
}

fn new_tasks(word: &DeploymentObservation<'_>) -> String {
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
            ("SUCCESSFUL", Some(DeploymentProgress::Succeeded)),
            ("ROLLBACK_SUCCESSFUL", Some(DeploymentProgress::RolledBack)),
            ("ROLLBACK_FAILED", Some(DeploymentProgress::Failed)),
            ("STOPPED", Some(DeploymentProgress::Failed)),
        ] {
            let word = DeploymentObservation {
                status,
                reason: "tasks failed to start",
                stage: "",
                tasks: (0, 2),
                alarms: &no_alarms,
                said: "",
            };
            let meaning = meaning(&word, RevisionNumber(2), RevisionNumber(1)).progress;
            let outcome = Some(meaning).filter(|progress| progress.has_ended());
            assert_eq!(outcome, expected, "{status}");
        }
    }
}
