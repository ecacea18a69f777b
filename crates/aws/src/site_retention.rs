//! How many revisions of a site are kept: those of the releases in its record, and a few more.
//!
//! Invariants: bytes that a kept revision names stay; bytes go before the list that names them,
//! so what is broken off is gone on with. It runs while a release is open, so no other client can
//! begin one with bytes that go: its record would not be the one that it read.

use std::collections::BTreeSet;

use neargate_core::ids::RevisionNumber;

use super::api::StoredRecord;
use super::environment::Driver;
use super::error::DriverError;
use super::record::EnvironmentRecord;
use super::site_revision::{bytes_key, list_key, revision_name};

/// So many revisions that no release names are there before they are deleted: each time the
/// lists of all that are kept have to be read.
pub const SURPLUS: usize = 10;

/// Revisions that no release in the record is from or to.
#[must_use]
pub fn surplus(record: &EnvironmentRecord, there: &[RevisionNumber]) -> Vec<RevisionNumber> {
    let mut named: BTreeSet<RevisionNumber> = BTreeSet::new();
    for past in &record.past {
        named.extend([past.release.from, past.release.to]);
    }
    if let Some(open) = &record.open {
        named.extend([&open.from, &open.to].map(|name| super::definition::number(name)));
    }
    let all = there.iter().copied();
    all.filter(|revision| !named.contains(revision)).collect()
}

/// The number in a list's key; `None`: it is no list.
fn revision(key: &str) -> Option<RevisionNumber> {
    let name = key.rsplit('/').next()?;
    name.strip_suffix(".json")?.parse().ok()
}

impl Driver {
    /// Deletes revisions that nobody can go back to, when there are [`SURPLUS`] of them.
    pub(super) async fn keep_revisions(
        &self,
        service: &str,
        stored: &mut StoredRecord,
    ) -> Result<(), DriverError> {
        let home = self.home(service);
        let bucket = &self.facts.state_bucket;
        let lists = self
            .aws
            .files(bucket, &format!("{home}/revisions/"))
            .await?;
        let there: Vec<RevisionNumber> = lists.keys().filter_map(|key| revision(key)).collect();
        let surplus = surplus(&stored.record, &there);
        if surplus.len() < SURPLUS {
            return Ok(());
        }
        let mut kept = BTreeSet::new();
        let mut leaving = BTreeSet::new();
        for number in there {
            let name = revision_name(&home, number);
            let Some(site) = self.site_of(service, &name).await? else {
                continue;
            };
            let digests = site.files.into_values().map(|file| file.sha256);
            match surplus.contains(&number) {
                true => leaving.extend(digests),
                false => kept.extend(digests),
            }
            if self.lease_is_old(&stored.record) {
                self.write(service, stored).await?;
            }
        }
        let gone = leaving.difference(&kept).map(|it| bytes_key(&home, it));
        self.delete_all(bucket, gone.collect()).await?;
        let gone = surplus.iter().map(|number| list_key(&home, *number));
        self.delete_all(bucket, gone.collect()).await?;
        let words = format!(
            "{} revisions that no release names are deleted",
            surplus.len()
        );
        self.say(service, &words);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_revisions_that_no_release_names_are_surplus() {
        let past = |from: u32, to: u32| {
            serde_json::json!({
                "id": 1, "service": "web", "kind": "deploy", "from": from, "to": to,
                "strategy": "files", "outcome": "done", "reason": "", "started_at": 0,
                "ended_at": null, "user": "ann", "git": null, "overrides": [], "evidence": [],
                "story": [], "task_definition": "",
            })
        };
        let record = EnvironmentRecord {
            past: vec![
                serde_json::from_value(past(3, 4)).expect("a release"),
                serde_json::from_value(past(4, 6)).expect("a release"),
            ],
            ..EnvironmentRecord::default()
        };
        assert_eq!(
            surplus(&record, &[1, 2, 3, 4, 5, 6, 7].map(RevisionNumber)),
            [1, 2, 5, 7].map(RevisionNumber)
        );
    }

    #[test]
    fn keys_that_are_no_lists_have_no_number() {
        assert_eq!(
            revision("sites/a/prod/web/revisions/12.json"),
            Some(RevisionNumber(12))
        );
        assert_eq!(revision("sites/a/prod/web/revisions/notes.txt"), None);
    }
}
