//! Databases, caches, secrets and keys.

use neargate_core::model::{CacheEngine, EncryptionKey};

use super::super::bill::{BillBuilder, BillSection};
use super::super::prices::{
    CACHE, CACHE_BACKUP_GB, HOURS, KMS_KEY, RDS, RDS_BACKUP_GB, RDS_GB, RDS_GB_MULTI, SECRET,
    VALKEY_SHARE,
};
use super::{brief, number};
use crate::stack::{RdsInstance, ReplicationGroup, SecretStore, Stack};

/// How full a database's disk is taken to be, and how much of that changes in a day. Backups are
/// free up to the size of the disk, so that they cost only when they are kept for long.
const FULL: f64 = 0.5;
const CHANGED_A_DAY: f64 = 0.02;
/// GB of a node (ElastiCache user guide, supported node types).
const NODE_GB: [(&str, f64); 3] = [
    ("cache.t4g.micro", 0.5),
    ("cache.t4g.small", 1.37),
    ("cache.t4g.medium", 3.09),
];

fn price(table: &[(&str, f64)], name: &str) -> Option<f64> {
    let found = table.iter().find(|(known, _)| *known == name);
    found.map(|(_, price)| *price)
}

pub(super) fn databases(stack: &Stack, bill: &mut BillBuilder) {
    for database in &stack.databases {
        let subject = format!("database.{}", database.name);
        let (zones, times, gb) = if database.multi_az {
            ("two zones", 2.0, RDS_GB_MULTI)
        } else {
            ("one zone", 1.0, RDS_GB)
        };
        let at = (BillSection::Databases, &*subject, "RDS");
        match price(&RDS, &database.class) {
            Some(hour) => {
                let words = format!("{}, {zones}", database.class);
                bill.add_fixed(at, words, times * hour * HOURS);
            }
            None => bill.unpriced.push(format!(
                "{subject}: {} has no price in the table",
                database.class
            )),
        }
        let size = f64::from(database.storage.0);
        let words = format!("{} GB gp3, {zones}", brief(size));
        let at = (BillSection::Databases, &*subject, "storage");
        bill.add_fixed(at, words, size * gb);
        backups(database, &subject, bill);
    }
}

fn backups(database: &RdsInstance, subject: &str, bill: &mut BillBuilder) {
    let size = f64::from(database.storage.0);
    let days = f64::from(database.backup_days);
    let beyond = (size * FULL * (1.0 + CHANGED_A_DAY * days) - size).max(0.0);
    let words = format!("{} GB beyond the disk's size", brief(beyond));
    let at = (BillSection::Databases, subject, "backups");
    bill.used(at, words, beyond * RDS_BACKUP_GB);
}

pub(super) fn caches(stack: &Stack, bill: &mut BillBuilder) {
    for cache in &stack.caches {
        let subject = format!("cache.{}", cache.name);
        let nodes = f64::from(cache.replicas) + 1.0;
        let (engine, share) = match cache.engine {
            CacheEngine::Redis => ("Redis", 1.0),
            CacheEngine::Valkey => ("Valkey", VALKEY_SHARE),
        };
        let at = (BillSection::Caches, &*subject, "nodes");
        match price(&CACHE, &cache.node) {
            Some(hour) => {
                let words = format!("{nodes} × {}, {engine}", cache.node);
                bill.add_fixed(at, words, nodes * hour * share * HOURS);
            }
            None => bill.unpriced.push(format!(
                "{subject}: {} has no price in the table",
                cache.node
            )),
        }
        snapshots(cache, &subject, bill);
    }
}

/// One snapshot is free; a node is taken for full.
fn snapshots(cache: &ReplicationGroup, subject: &str, bill: &mut BillBuilder) {
    let gb = price(&NODE_GB, &cache.node).unwrap_or_default();
    let paid = gb * f64::from(cache.snapshot_days.saturating_sub(1));
    let words = format!("{} GB, the first is free", brief(paid));
    let at = (BillSection::Caches, subject, "snapshots");
    bill.used(at, words, paid * CACHE_BACKUP_GB);
}

pub(super) fn secrets(stack: &Stack, bill: &mut BillBuilder) {
    let own = match stack.secret_store {
        SecretStore::SecretsManager => number(stack.secrets.len()),
        SecretStore::Parameters => 0.0,
    };
    let words = format!("{own} in Secrets Manager");
    bill.add_fixed(
        (BillSection::Secrets, "secrets", "values"),
        words,
        own * SECRET,
    );
    if stack.key == EncryptionKey::Customer {
        let words = "1 key".to_owned();
        bill.add_fixed((BillSection::Secrets, "aws.key", "KMS"), words, KMS_KEY);
    }
}
