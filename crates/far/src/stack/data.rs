//! Databases, caches and secrets.

use neargate_core::model::{self, CacheEngine, EnvironmentGrade, Manifest};
use serde::{Deserialize, Serialize};

const DAY: u64 = 86_400;
/// Daily windows, UTC, of which the first that clashes with nothing is taken.
const BACKUP_WINDOWS: [&str; 3] = ["03:00-04:00", "11:00-12:00", "19:00-20:00"];
/// Weekly windows, likewise.
const MAINTENANCE_WINDOWS: [&str; 3] = [
    "mon:04:30-mon:05:30",
    "mon:12:30-mon:13:30",
    "mon:20:30-mon:21:30",
];

/// An RDS instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RdsInstance {
    /// Its name in the manifest.
    pub name: String,
    /// PostgreSQL's version, such as `16`.
    pub version: String,
    /// RDS instance class, such as `db.t4g.micro`.
    pub class: String,
    /// GiB at the start, and up to how many it grows by itself.
    pub storage: (u32, u32),
    /// A standby in another zone.
    pub multi_az: bool,
    /// Days that a restore can go back.
    pub backup_days: u32,
    /// When the daily snapshot is taken, UTC.
    pub backup_window: String,
    /// When AWS may change the instance, UTC.
    pub maintenance: String,
    /// Deletion protection, and a last snapshot before it goes.
    pub protect: bool,
    /// Enhanced monitoring's interval in seconds; 0: none.
    pub monitoring_seconds: u32,
    /// Services that may connect.
    pub clients: Vec<String>,
}

/// An ElastiCache replication group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationGroup {
    /// Its name in the manifest.
    pub name: String,
    /// Redis or Valkey.
    pub engine: CacheEngine,
    pub version: String,
    /// ElastiCache node type, such as `cache.t4g.micro`.
    pub node: String,
    /// Copies beside the primary.
    pub replicas: u32,
    /// Value of the parameter `maxmemory-policy`.
    pub eviction: String,
    /// Days that snapshots are kept; 0: none.
    pub snapshot_days: u32,
    /// Services that may connect.
    pub clients: Vec<String>,
}

/// Where the values of secrets are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretStore {
    /// Secrets Manager: versions, rotation, a way back; by the month.
    SecretsManager,
    /// Encrypted parameters: free.
    Parameters,
}

/// A place for a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSlot {
    /// Its name: the manifest's, or `database.NAME` for the URL of a database of ours.
    pub name: String,
    /// Description for people.
    pub description: String,
}

impl SecretSlot {
    /// The database whose URL is kept here; `None`: a secret of the manifest.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        url_of(&self.name)
    }
}

/// Beginning of the name under which a URL is kept. No secret of a manifest has a dot in its name.
const URL: &str = "database.";

/// The place of the URL of a database.
#[must_use]
pub fn url_secret(database: &str) -> String {
    format!("{URL}{database}")
}

/// The database of a place that [`url_secret`] names.
#[must_use]
pub fn url_of(place: &str) -> Option<&str> {
    place.strip_prefix(URL)
}

pub(super) fn databases(manifest: &Manifest, grade: EnvironmentGrade) -> Vec<RdsInstance> {
    let own = manifest.databases.values().filter(|d| d.url.is_none());
    own.map(|database| made(manifest, database, grade))
        .collect()
}

fn made(manifest: &Manifest, database: &model::Database, grade: EnvironmentGrade) -> RdsInstance {
    let production = grade == EnvironmentGrade::Production;
    let backup = database.backup.as_ref();
    let days = backup.map(|backup| backup.retention.as_secs() / DAY);
    let (backup_window, maintenance) = windows(
        backup.and_then(|backup| backup.window.as_deref()),
        database.maintenance.as_deref(),
    );
    let size = database.storage.unwrap_or(20);
    let class = if production {
        "db.t4g.small"
    } else {
        "db.t4g.micro"
    };
    RdsInstance {
        name: database.name.clone(),
        version: database.version.clone().unwrap_or_else(|| "16".to_owned()),
        class: database.size.clone().unwrap_or_else(|| class.to_owned()),
        storage: (size, size.saturating_mul(2).max(100)),
        multi_az: database.multi_az,
        backup_days: days
            .and_then(|days| u32::try_from(days).ok())
            .unwrap_or(if production { 7 } else { 1 })
            .max(1),
        backup_window,
        maintenance,
        protect: database.protect || production,
        monitoring_seconds: if production { 60 } else { 0 },
        clients: clients(
            manifest,
            &model::UsedResource::Database(database.name.clone()),
        ),
    }
}

pub(super) fn caches(manifest: &Manifest) -> Vec<ReplicationGroup> {
    let own = manifest.caches.values().filter(|cache| cache.url.is_none());
    own.map(|cache| ReplicationGroup {
        name: cache.name.clone(),
        engine: cache.engine,
        version: cache.version.clone().unwrap_or_else(|| {
            let newest = match cache.engine {
                CacheEngine::Redis => "7.1",
                CacheEngine::Valkey => "8.0",
            };
            newest.to_owned()
        }),
        node: cache
            .size
            .clone()
            .unwrap_or_else(|| "cache.t4g.micro".to_owned()),
        replicas: cache.replicas,
        eviction: cache.eviction.clone(),
        snapshot_days: u32::try_from(cache.snapshots.as_secs() / DAY).unwrap_or_default(),
        clients: clients(manifest, &model::UsedResource::Cache(cache.name.clone())),
    })
    .collect()
}

pub(super) fn secrets(manifest: &Manifest) -> Vec<SecretSlot> {
    let written = manifest.secrets.values().map(|secret| SecretSlot {
        name: secret.name.clone(),
        description: format!("secret.{} of the manifest", secret.name),
    });
    let own = manifest.databases.values().filter(|d| d.url.is_none());
    let urls = own.map(|database| SecretSlot {
        name: url_secret(&database.name),
        description: format!("URL of database.{}, with its password", database.name),
    });
    let mut all: Vec<SecretSlot> = written.chain(urls).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Secrets that should change, which nothing on AWS does by itself; one sentence each.
pub(super) fn never_rotated(manifest: &Manifest) -> Vec<String> {
    let secrets = manifest.secrets.values();
    let said = secrets.filter_map(|secret| {
        let hours = secret.rotate_seconds? / 3600;
        let every = match hours % 24 {
            0 => format!("{} days", hours / 24),
            _ => format!("{hours} hours"),
        };
        let (name, env) = (&secret.name, &manifest.env);
        Some(format!(
            "secret.{name}: AWS rotates only by a function of yours: every {every} run `neargate secret set {name} -e {env}`, then release"
        ))
    });
    said.collect()
}

fn clients(manifest: &Manifest, wanted: &model::UsedResource) -> Vec<String> {
    let services = manifest.services.values();
    let using = services.filter(|service| service.uses.contains(wanted));
    using.map(|service| service.name.clone()).collect()
}

/// The windows that are written, and for one that is not the first that does not overlap.
fn windows(backup: Option<&str>, maintenance: Option<&str>) -> (String, String) {
    let backups: &[&str] = backup
        .as_ref()
        .map_or(&BACKUP_WINDOWS, std::slice::from_ref);
    let weekly: &[&str] = maintenance
        .as_ref()
        .map_or(&MAINTENANCE_WINDOWS, std::slice::from_ref);
    let mut pairs = backups
        .iter()
        .flat_map(|daily| weekly.iter().map(move |week| (*daily, *week)));
    let (daily, week) = pairs
        .find(|(daily, week)| !overlap(daily, week))
        .unwrap_or((backups[0], weekly[0]));
    (daily.to_owned(), week.to_owned())
}

/// Whether they may meet, the weekly one taken as if it came every day.
fn overlap(daily: &str, weekly: &str) -> bool {
    const MINUTES: u32 = 24 * 60;
    let clock = |text: &str| {
        let (hours, minutes) = text.rsplit_once(':')?;
        let hours = hours.rsplit(':').next()?;
        Some(hours.parse::<u32>().ok()? * 60 + minutes.parse::<u32>().ok()?)
    };
    let window = |text: &str| {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (clock(from)?, clock(to)?);
        Some((from, (to + MINUTES - from) % MINUTES))
    };
    let (Some((a, long)), Some((b, wide))) = (window(daily), window(weekly)) else {
        return false;
    };
    (b + MINUTES - a) % MINUTES < long || (a + MINUTES - b) % MINUTES < wide
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn a_window_that_is_not_written_keeps_clear_of_the_other() {
        let rows = [
            (None, None, "03:00-04:00", "mon:04:30-mon:05:30"),
            (
                Some("04:00-05:00"),
                None,
                "04:00-05:00",
                "mon:12:30-mon:13:30",
            ),
            (
                Some("23:00-05:00"),
                None,
                "23:00-05:00",
                "mon:12:30-mon:13:30",
            ),
            (
                None,
                Some("sun:02:30-sun:03:30"),
                "11:00-12:00",
                "sun:02:30-sun:03:30",
            ),
        ];
        for (backup, maintenance, daily, weekly) in rows {
            let found = windows(backup, maintenance);
            assert_eq!(found, (daily.to_owned(), weekly.to_owned()));
        }
    }
}
