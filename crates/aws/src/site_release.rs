//! Releases of a static site: bytes and list first, then the copy into the site's bucket.
//!
//! Invariant: when a release begins in the record, everything that it copies is in the bucket of
//! records already, so any client can go on with it. Refuses jobs: a site has no tasks.

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{Capacity, CapacityObservation, FilesCapacity, ReleaseKind};
use neargate_core::model::{Service, Static, Workload};
use neargate_core::release_report::ReleaseResult;
use neargate_core::status::{ServiceKind, ServiceStatus};
use neargate_core::status_words::StrategyName;
use tokio::task::JoinSet;

use super::api::{AwsClients, ObjectCopy, StoredRecord};
use super::definition::number;
use super::environment::Driver;
use super::error::DriverError;
use super::record::{EnvironmentRecord, PastRelease};
use super::release_journal::ReleaseJournal;
use super::release_start::ReleaseRequest;
use super::site_files;
use super::site_revision::{SiteRevision, bytes_key, home, list_key, revision_name};
use super::status::release_status;

/// Files that are sent or copied at the same time.
const TOGETHER: usize = 8;
/// Numbers that are tried for a revision before it is given up.
const TRIES: u32 = 100;
/// Files between two words about the progress.
const TELL_EVERY: usize = 200;

impl Driver {
    /// The site's settings; `None`: the service has tasks.
    pub(super) fn site(&self, service: &str) -> Result<Option<(&Service, &Static)>, DriverError> {
        let spec = self.spec(service)?;
        Ok(match &spec.runs {
            Workload::Static(site) => Some((spec, site)),
            _ => None,
        })
    }

    pub(super) fn home(&self, service: &str) -> String {
        home(&self.manifest.app, &self.manifest.env, service)
    }

    fn site_bucket(&self) -> Result<&str, DriverError> {
        let bucket = self.facts.static_bucket.as_deref();
        bucket.ok_or_else(|| DriverError::Missing {
            what: "there is no bucket for the static site".to_owned(),
            help: "apply the infrastructure first: neargate infra apply".to_owned(),
        })
    }

    /// Whether a service is a static site.
    pub(super) fn is_site(&self, service: &str) -> Result<bool, DriverError> {
        Ok(self.site(service)?.is_some())
    }

    /// Releases the files of a site.
    pub(super) async fn release_site(
        &self,
        spec: &Service,
        site: &Static,
        mut stored: StoredRecord,
    ) -> Result<ReleaseResult, DriverError> {
        let service = spec.name.as_str();
        no_jobs(spec)?;
        let bucket = self.site_bucket()?;
        let wanted = site_files::read(&self.asker.folder, site)?;
        let from = serving(&stored.record);
        let standing = self.site_of(service, &from).await?;
        let whole = !last_was_done(&stored.record)
            || wanted.is_damaged(standing.as_ref(), &self.aws.files(bucket, "").await?);
        let changes = standing.as_ref().map(|it| wanted.changes(it));
        let same = changes.as_ref().is_some_and(Vec::is_empty);
        if same && !whole {
            return Ok(self.nothing_to_release(service, number(&from)));
        }
        let none = SiteRevision::new(std::collections::BTreeMap::new());
        for line in wanted.changes(standing.as_ref().unwrap_or(&none)) {
            self.say(service, &line);
        }
        self.send_bytes(spec, site, &wanted, standing.as_ref())
            .await?;
        let to = self.written(service, &stored.record, &wanted).await?;
        let request = request(ReleaseKind::Deploy, from, to);
        self.begin(service, &mut stored, request).await?;
        self.drive(service, stored, standing.filter(|_| !whole))
            .await
    }

    /// Goes back to the revision before, or to the one asked for.
    pub(super) async fn rollback_site(
        &self,
        service: &str,
        to: Option<RevisionNumber>,
        mut stored: StoredRecord,
    ) -> Result<ReleaseResult, DriverError> {
        let bucket = self.site_bucket()?;
        let serving = serving(&stored.record);
        let target = stored.record.rollback_target(&serving, to)?;
        let target = target.task_definition.clone();
        let number = number(&target);
        let Some(site) = self.site_of(service, &target).await? else {
            return Err(DriverError::FilesNotKept { revision: number });
        };
        self.say(service, &format!("rolls back to revision {number}"));
        let standing = self.site_of(service, &serving).await?;
        let whole = !last_was_done(&stored.record)
            || site.is_damaged(standing.as_ref(), &self.aws.files(bucket, "").await?);
        let request = request(ReleaseKind::Rollback, serving, target);
        self.begin(service, &mut stored, request).await?;
        self.drive(service, stored, standing.filter(|_| !whole))
            .await
    }

    /// Copies a revision, looks whether all is there, and deletes what left a release ago. With
    /// `standing` only what differs from it is copied. `None`: somebody aborted the release meanwhile.
    pub(super) async fn copy_site(
        &self,
        service: &str,
        journal: &mut ReleaseJournal<'_>,
        name: &str,
        standing: Option<SiteRevision>,
    ) -> Result<Option<CapacityObservation>, DriverError> {
        let revision = number(name);
        let bucket = self.site_bucket()?;
        let Some(site) = self.site_of(service, name).await? else {
            let words = format!("{name} has no list of files");
            return Err(DriverError::Failed(words));
        };
        let parts = site.to_copy(standing.as_ref());
        let copied: usize = parts.iter().map(Vec::len).sum();
        self.say(service, &format!("copies {copied} files, pages last"));
        let order = journal.capacity_order();
        for part in &parts {
            let mut done = 0;
            for some in part.chunks(TOGETHER) {
                self.copy_files(service, &site, some).await?;
                self.progressed(service, "copied", &mut done, some.len(), part.len());
                journal.renew().await?;
                if journal.capacity_order() != order {
                    return Ok(None);
                }
            }
        }
        let missing = site.missing(&self.aws.files(bucket, "").await?);
        let words = match missing.len() {
            0 => {
                let gone = self.delete_left(service, journal, &site).await?;
                copied_words(copied, gone)
            }
            some => format!("{some} files are not in {bucket} after the copy"),
        };
        Ok(Some(CapacityObservation::Files {
            revision,
            words,
            missing: missing.into_iter().take(TOGETHER).collect(),
        }))
    }

    async fn copy_files(
        &self,
        service: &str,
        site: &SiteRevision,
        paths: &[String],
    ) -> Result<(), DriverError> {
        let home = self.home(service);
        let mut calls = JoinSet::new();
        for path in paths {
            let Some(file) = site.files.get(path) else {
                continue;
            };
            let source = bytes_key(&home, &file.sha256);
            let copy = ObjectCopy {
                source: format!("{}/{source}", self.facts.state_bucket),
                bucket: self.site_bucket()?.to_owned(),
                key: path.clone(),
                content_type: file.content_type.clone(),
                cache_control: file.cache_control.clone(),
            };
            let aws = self.aws.clone();
            calls.spawn(async move { aws.copy(&copy).await });
        }
        all(calls).await
    }

    fn progressed(&self, service: &str, what: &str, done: &mut usize, more: usize, of: usize) {
        let before = *done / TELL_EVERY;
        *done += more;
        if *done / TELL_EVERY > before {
            self.say(service, &format!("{what}: {done} of {of} files"));
        }
    }

    /// Bytes that the standing revision does not have are sent; those that are there stay.
    async fn send_bytes(
        &self,
        spec: &Service,
        site: &Static,
        wanted: &SiteRevision,
        standing: Option<&SiteRevision>,
    ) -> Result<(), DriverError> {
        let home = self.home(&spec.name);
        let known = standing.iter().flat_map(|site| site.files.values());
        let mut known: std::collections::BTreeSet<&str> =
            known.map(|file| file.sha256.as_str()).collect();
        let new: Vec<_> = wanted
            .files
            .iter()
            .filter(|(_, file)| known.insert(&file.sha256))
            .collect();
        let mut done = 0;
        for some in new.chunks(TOGETHER) {
            let mut calls = JoinSet::new();
            for (path, file) in some {
                let bytes = site_files::bytes_of(&self.asker.folder, site, path, file)?;
                let (aws, bucket) = (self.aws.clone(), self.facts.state_bucket.clone());
                let key = bytes_key(&home, &file.sha256);
                calls.spawn(async move { put(&aws, &bucket, &key, bytes).await });
            }
            all(calls).await?;
            self.progressed(&spec.name, "sent", &mut done, some.len(), new.len());
        }
        Ok(())
    }

    /// The name of a revision with these files: one that is there already, or a new one.
    async fn written(
        &self,
        service: &str,
        record: &EnvironmentRecord,
        wanted: &SiteRevision,
    ) -> Result<String, DriverError> {
        let home = self.home(service);
        let text = serde_json::to_vec(wanted).map_err(|error| DriverError::Call {
            doing: "write the site's files".to_owned(),
            code: "json".to_owned(),
            message: error.to_string(),
        })?;
        let newest = record
            .past
            .iter()
            .map(|past| past.release.to)
            .max()
            .map_or(0, |newest| newest.0);
        let free = newest.max(1)..newest.saturating_add(TRIES);
        for revision in free.map(RevisionNumber) {
            let key = list_key(&home, revision);
            let name = revision_name(&home, revision);
            let bucket = &self.facts.state_bucket;
            if self.aws.put_new(bucket, &key, text.clone()).await? {
                self.say(service, &format!("revision {revision} is written"));
                return Ok(name);
            }
            if self.site_of(service, &name).await?.as_ref() == Some(wanted) {
                let words = format!("revision {revision} is written already");
                self.say(service, &words);
                return Ok(name);
            }
        }
        Err(DriverError::Failed(format!(
            "{TRIES} numbers after revision {newest} are taken in {home}"
        )))
    }

    /// The list of a revision by its name; `None` for no name.
    pub(super) async fn site_of(
        &self,
        service: &str,
        name: &str,
    ) -> Result<Option<SiteRevision>, DriverError> {
        if name.is_empty() {
            return Ok(None);
        }
        let key = list_key(&self.home(service), number(name));
        let bucket = &self.facts.state_bucket;
        let found = self.aws.site_list(bucket, &key).await?;
        found
            .map(|text| SiteRevision::read(&key, &text))
            .transpose()
    }

    /// Files of the releases back to the last one that was done, which nobody serves any more.
    async fn delete_left(
        &self,
        service: &str,
        journal: &ReleaseJournal<'_>,
        site: &SiteRevision,
    ) -> Result<usize, DriverError> {
        let Some(open) = journal.open_release() else {
            return Ok(0);
        };
        let mut names = std::collections::BTreeSet::new();
        for past in journal.past().iter().rev() {
            names.extend([past.release.from, past.release.to]);
            if past.is_done() {
                break;
            }
        }
        let home = self.home(service);
        let mut earlier = Vec::new();
        for revision in names.into_iter().filter_map(RevisionNumber::unless_none) {
            let name = revision_name(&home, revision);
            earlier.extend(self.site_of(service, &name).await?);
        }
        let before = self.site_of(service, &open.from).await?;
        let left = site.to_delete(before.as_ref(), &earlier);
        let count = left.len();
        self.delete_all(self.site_bucket()?, left).await?;
        Ok(count)
    }

    pub(super) async fn delete_all(
        &self,
        bucket: &str,
        keys: Vec<String>,
    ) -> Result<(), DriverError> {
        for some in keys.chunks(TOGETHER) {
            let mut calls = JoinSet::new();
            for key in some {
                let (aws, bucket, key) = (self.aws.clone(), bucket.to_owned(), key.clone());
                calls.spawn(async move { aws.delete(&bucket, &key).await });
            }
            all(calls).await?;
        }
        Ok(())
    }

    /// Differences between the bucket and the released files, one sentence each.
    pub(super) async fn site_drift(&self, service: &str) -> Result<Vec<String>, DriverError> {
        let record = self.read(service).await?.record;
        if let Some(open) = &record.open {
            return Ok(vec![format!(
                "release {} is in progress: nothing can be compared yet",
                open.id
            )]);
        }
        let Some(site) = self.site_of(service, &serving(&record)).await? else {
            return Ok(vec!["nothing was released by neargate yet".to_owned()]);
        };
        let missing = site.missing(&self.aws.files(self.site_bucket()?, "").await?);
        let line = |path: String| format!("{path} is missing in the site's bucket, or another");
        Ok(missing.into_iter().map(line).collect())
    }

    /// A site in the table of services: it has revisions and no tasks.
    pub(super) async fn site_status(&self, service: &str) -> Result<ServiceStatus, DriverError> {
        let record = self.read(service).await?.record;
        let stable = record.serving().map(|past| past.release.to);
        let release = record
            .open
            .as_ref()
            .map(|open| release_status(service, open));
        let open = record.open.as_ref().map(|open| number(&open.to));
        Ok(ServiceStatus {
            name: service.to_owned(),
            kind: ServiceKind::Static,
            desired: 0,
            running: 0,
            healthy: 0,
            needed: 0,
            revision: open.or(stable).unwrap_or_default(),
            stable_revision: stable,
            release,
            tasks: Vec::new(),
            trouble: None,
            failing: false,
        })
    }
}

fn request(kind: ReleaseKind, from: String, to: String) -> ReleaseRequest {
    ReleaseRequest {
        kind,
        from,
        to,
        strategy: StrategyName::Files,
        capacity: Capacity::Files(FilesCapacity::default()),
        desired: 0,
    }
}

/// The name of the revision that the last done release left; empty: none.
fn serving(record: &EnvironmentRecord) -> String {
    let past = record.serving();
    past.map(|past| past.task_definition.clone())
        .unwrap_or_default()
}

/// After a release that was not done, what is in the bucket is not known.
fn last_was_done(record: &EnvironmentRecord) -> bool {
    let last: Option<&PastRelease> = record.past.last();
    last.is_some_and(PastRelease::is_done)
}

fn copied_words(copied: usize, gone: usize) -> String {
    match gone {
        0 => format!("{copied} files were copied"),
        some => format!("{copied} files were copied, {some} removed one release ago are deleted"),
    }
}

fn no_jobs(spec: &Service) -> Result<(), DriverError> {
    let release = &spec.release;
    let jobs = release.before.iter().chain(&release.smoke);
    let mut jobs = jobs.chain(&release.after).chain(&release.on_rollback);
    match jobs.next() {
        None => Ok(()),
        Some(job) => Err(DriverError::Usage(format!(
            "`{}` is a static site: it has no task to run the job `{job}` in",
            spec.name
        ))),
    }
}

async fn put(aws: &AwsClients, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), DriverError> {
    // What is there already has this digest, so it is the same.
    aws.put_new(bucket, key, bytes).await.map(|_| ())
}

/// Waits for all; the first failure ends the others.
async fn all(mut calls: JoinSet<Result<(), DriverError>>) -> Result<(), DriverError> {
    while let Some(ended) = calls.join_next().await {
        ended.map_err(|error| DriverError::Call {
            doing: "move the site's files".to_owned(),
            code: "broken off".to_owned(),
            message: error.to_string(),
        })??;
    }
    Ok(())
}
