//! What is remembered of a service's releases, in one object of the state bucket.
//!
//! Invariant: the object is only written on the condition that nobody wrote it since it was read
//! (S3's If-Match), so two clients cannot both drive a release. The one that drives holds a
//! lease; when it is lost, the lease runs out and the next client goes on from the journal.
//! Refuses a record of a newer format.

use std::time::Duration;

use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::machine::{FinishedRelease, JournalEntry, ReleaseKind};
use neargate_core::release_report::ReleaseRecord;
use neargate_core::status_words::{OutcomeName, StrategyName};
use neargate_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::DriverError;

/// How long a client that says nothing is taken to be alive.
pub const LEASE: Duration = Duration::from_secs(60);
/// Releases that are remembered.
pub const PAST_KEPT: usize = 50;
/// Journal entries of one release. A release of a service with the most tasks has fewer.
pub const ENTRIES_MOST: usize = 20_000;
/// The format that this version writes. Format 1 had releases in progress without a journal.
const FORMAT: u32 = 2;

/// The key of a service's record in the state bucket.
#[must_use]
pub fn key(app: &str, env: &str, service: &str) -> String {
    format!("releases/{app}/{env}/{service}.json")
}

/// Everything that is remembered of a service's releases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentRecord {
    /// Format of this object.
    pub format: u32,
    /// Id of the next release.
    pub next: ReleaseId,
    /// Client that drives the release in progress; `None`: any client may.
    pub lease: Option<ReleaseLease>,
    /// The release in progress.
    pub open: Option<OpenRelease>,
    /// Releases that ended, oldest first.
    pub past: Vec<PastRelease>,
}

impl Default for EnvironmentRecord {
    fn default() -> Self {
        Self {
            format: FORMAT,
            next: ReleaseId::FIRST,
            lease: None,
            open: None,
            past: Vec::new(),
        }
    }
}

/// The client that drives a release, and until when nobody else does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseLease {
    /// User, machine and process.
    pub holder: String,
    /// Then it is anybody's.
    pub until: Timestamp,
}

/// Whether whoever asks drives the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseHold {
    /// It does, and holds the lease.
    Driver,
    /// It says a word, and leaves the lease to its holder.
    Bystander,
}

/// A release in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenRelease {
    pub id: ReleaseId,
    /// Why it began.
    pub kind: ReleaseKind,
    /// ARN of the task definition that served, or a site's revision; empty: none.
    pub from: String,
    /// ARN of the task definition that it is to.
    pub to: String,
    /// `rolling`, `canary`, …
    pub strategy: StrategyName,
    /// When it began.
    pub started_at: Timestamp,
    /// Login name of the person who began it.
    pub user: String,
    /// Git revision of the manifest's folder; `None`: it is no work tree.
    pub git: Option<String>,
    /// `--set` as written.
    pub overrides: Vec<String>,
    /// The journal of the release machine, oldest first.
    #[serde(default)]
    pub journal: Vec<JournalEntry>,
}

/// A release that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastRelease {
    /// As it is listed.
    #[serde(flatten)]
    pub release: ReleaseRecord,
    /// ARN of the task definition that it was to, or the name of a site's revision.
    pub task_definition: String,
}

impl EnvironmentRecord {
    /// Reads the object.
    ///
    /// # Errors
    /// It is of a newer version, or is none.
    pub fn read(key: &str, text: &[u8]) -> Result<Self, DriverError> {
        let mut record: Self =
            serde_json::from_slice(text).map_err(|error| DriverError::Missing {
                what: format!("the record {key} cannot be read: {error}"),
                help: "the bucket keeps its versions: restore an earlier one".to_owned(),
            })?;
        if record.format > FORMAT {
            return Err(DriverError::Missing {
                what: format!("the record {key} was written by a newer neargate"),
                help: "install the newer version".to_owned(),
            });
        }
        if let Some(open) = record.open.as_ref().filter(|_| record.format < FORMAT) {
            return Err(DriverError::Missing {
                what: format!(
                    "release {} of {key} was begun by an older neargate, which is needed to end it",
                    open.id
                ),
                help:
                    "end it with the version that began it: neargate deploy, or neargate rollback"
                        .to_owned(),
            });
        }
        record.format = FORMAT;
        Ok(record)
    }

    /// Takes the lease, or renews it.
    ///
    /// # Errors
    /// Somebody else holds it.
    pub fn take_lease(
        &mut self,
        holder: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<(), DriverError> {
        if let Some(other) = &self.lease
            && other.holder != holder
            && other.until > now
        {
            let seconds = other.until.since(now).as_secs();
            return Err(DriverError::Refused {
                what: format!("{} drives a release of this service", other.holder),
                help: format!(
                    "wait for it to end, see: neargate status; if its client is gone, another \
                     can resume it in {seconds} s"
                ),
            });
        }
        self.lease = Some(ReleaseLease {
            holder: holder.to_owned(),
            until: now.after(lease),
        });
        Ok(())
    }

    /// Whether the holder's lease is to be renewed now.
    #[must_use]
    pub fn lease_is_old(&self, now: Timestamp, lease: Duration) -> bool {
        self.lease
            .as_ref()
            .is_none_or(|own| own.until.since(now) < lease / 2)
    }

    /// The open release has ended: it becomes history, and the lease is given back. Nothing changes
    /// when another client has ended it already.
    pub fn close(&mut self, service: &str, finished: &FinishedRelease, now: Timestamp) {
        let own = |open: &&mut OpenRelease| open.id == finished.id;
        if self.open.as_mut().filter(own).is_none() {
            return;
        }
        self.lease = None;
        let Some(open) = self.open.take() else { return };
        let story = finished.story.iter();
        let release = ReleaseRecord {
            ended_at: Some(now),
            outcome: finished.outcome.into(),
            reason: finished.reason.clone(),
            evidence: finished.evidence.clone(),
            story: story.map(|event| event.as_ref().clone()).collect(),
            ..open.in_progress(service)
        };
        self.past.push(PastRelease {
            release,
            task_definition: open.to,
        });
        let surplus = self.past.len().saturating_sub(PAST_KEPT);
        self.past.drain(..surplus);
    }

    /// The task definition of the last release that was done.
    #[must_use]
    pub fn serving(&self) -> Option<&PastRelease> {
        self.past.iter().rev().find(|past| past.is_done())
    }

    /// Where a rollback goes: the revision asked for, or the newest done one that does not serve.
    ///
    /// # Errors
    /// There is none such.
    pub fn rollback_target(
        &self,
        serving: &str,
        to: Option<RevisionNumber>,
    ) -> Result<&PastRelease, DriverError> {
        let mut done = self.past.iter().rev().filter(|past| past.is_done());
        let found = match to {
            Some(number) => done.find(|past| past.release.to == number),
            None => done.find(|past| past.task_definition != serving),
        };
        match (found, to) {
            (Some(past), _) if past.task_definition == serving => Err(DriverError::ServesAlready {
                revision: past.release.to,
            }),
            (Some(past), _) => Ok(past),
            (None, Some(number)) => Err(DriverError::Usage(format!(
                "no release to revision {number} was done; see: neargate releases"
            ))),
            (None, None) => Err(DriverError::NoRollbackTarget),
        }
    }
}

impl PastRelease {
    /// Whether its revision is stable.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.release.outcome == OutcomeName::Done
    }
}

impl OpenRelease {
    /// The name of a revision that the release is about: an ARN, or that of a site's list of files.
    ///
    /// # Errors
    /// It is about no such revision.
    pub fn revision_name(&self, revision: RevisionNumber) -> Result<&str, DriverError> {
        let known = |name: &&String| super::definition::number(name) == revision;
        let mut names = [&self.to, &self.from].into_iter();
        names.find(known).map(String::as_str).ok_or_else(|| {
            DriverError::Failed(format!("release {} knows no revision {revision}", self.id))
        })
    }

    /// As it is listed while it goes on, but for what it waits for.
    #[must_use]
    pub fn in_progress(&self, service: &str) -> ReleaseRecord {
        ReleaseRecord {
            id: self.id,
            service: service.to_owned(),
            kind: self.kind,
            from: super::definition::number(&self.from),
            to: super::definition::number(&self.to),
            strategy: self.strategy.clone(),
            outcome: OutcomeName::InProgress,
            reason: String::new(),
            started_at: self.started_at,
            ended_at: None,
            user: self.user.clone(),
            git: self.git.clone(),
            overrides: self.overrides.clone(),
            evidence: Vec::new(),
            story: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use neargate_core::command_exit::CommandExit;

    use super::*;

    #[test]
    fn a_lease_is_its_holders_until_it_runs_out() {
        let mut record = EnvironmentRecord::default();
        let start = Timestamp(1_000);
        record.take_lease("ann", start, LEASE).expect("free");
        record.take_lease("ann", start, LEASE).expect("her own");
        let trouble = record.take_lease("bob", start.after(LEASE / 2), LEASE);
        assert_eq!(trouble.expect_err("held").exit().number(), 1);
        record
            .take_lease("bob", start.after(LEASE), LEASE)
            .expect("over");
        assert_eq!(record.lease.expect("a lease").holder, "bob");
    }

    #[test]
    fn a_revision_that_was_never_released_is_a_wrong_request_and_no_failure() {
        let record = EnvironmentRecord::default();
        let exit = |to| {
            let trouble = record.rollback_target("api:3", to);
            trouble.expect_err("there is none").exit().number()
        };
        assert_eq!((exit(Some(RevisionNumber(9))), exit(None)), (2, 1));
    }

    #[test]
    fn a_record_of_format_1_is_read_unless_its_release_is_open() {
        let ended = r#"{"id":1,"service":"api","kind":"deploy","from":0,"to":2,"strategy":"rolling",
            "outcome":"done","reason":"","started_at":1,"ended_at":2,"user":"ann","git":null,
            "overrides":[],"evidence":[],"story":[],"task_definition":"arn:api:2"}"#;
        let record = |open: &str| {
            let text =
                format!(r#"{{"format":1,"next":2,"lease":null,"open":{open},"past":[{ended}]}}"#);
            EnvironmentRecord::read("k", text.as_bytes())
        };
        let read = record("null").expect("it is read");
        assert_eq!(
            (read.format, read.past[0].release.to),
            (FORMAT, RevisionNumber(2))
        );
        assert!(read.past[0].is_done());
        let open = r#"{"id":7,"kind":"deploy","from":"","to":"arn:api:3","strategy":"rolling",
            "started_at":1,"user":"ann","git":null,"overrides":[],"jobs_done":0,"job":null,
            "drive":"prepared","story":[]}"#;
        let refused = record(open).expect_err("an older version began it");
        assert!(refused.to_string().contains("release 7"), "{refused}");
        assert_eq!(refused.exit(), CommandExit::Environment);
    }

    #[test]
    fn a_record_of_a_newer_version_is_refused() {
        let mut newer = EnvironmentRecord::default();
        newer.format += 1;
        let text = serde_json::to_vec(&newer).expect("json");
        assert!(EnvironmentRecord::read("k", &text).is_err());
        assert!(EnvironmentRecord::read("k", b"{").is_err());
    }
}
