//! The rules, one small function each, in a file for each pillar.
//!
//! Invariant: ids are unique; every function returns nothing for a manifest that carries out the
//! changes which it returned before.

mod access;
mod alarms;
mod backups;
mod encryption;
mod isolation;
mod limits;
mod redundancy;
mod releases;

use neargate_core::model::{Manifest, Service, Workload};

use super::{FindingSeverity, PostureRule};

/// All rules by pillar.
pub(super) static ALL: [&[PostureRule]; 8] = [
    isolation::RULES,
    encryption::RULES,
    access::RULES,
    backups::RULES,
    alarms::RULES,
    redundancy::RULES,
    releases::RULES,
    limits::RULES,
];

const HIGH: Option<FindingSeverity> = Some(FindingSeverity::High);
const MEDIUM: Option<FindingSeverity> = Some(FindingSeverity::Medium);
const LOW: Option<FindingSeverity> = Some(FindingSeverity::Low);

/// Services that have tasks.
fn tasks(manifest: &Manifest) -> impl Iterator<Item = &Service> {
    let all = manifest.services.values();
    all.filter(|service| !matches!(service.runs, Workload::Static(_)))
}
