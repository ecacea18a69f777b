//! Databases, caches and secrets.

use std::time::Duration;

use super::CheckContext;
use crate::manifest::calendar;

const DAY: u64 = 86_400_000;

pub(super) fn check(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    for (name, database) in &manifest.databases {
        let Some(backup) = &database.backup else {
            continue;
        };
        whole_days(
            case,
            &["database", name, "backup", "retention"],
            backup.retention,
        );
        let daily = backup
            .window
            .as_deref()
            .and_then(|text| calendar::window(text).ok());
        let weekly = database.maintenance.as_deref();
        let weekly = weekly.and_then(|text| calendar::maintenance(text).ok());
        if let (Some(daily), Some(weekly)) = (daily, weekly)
            && calendar::overlap(daily, weekly)
        {
            let message = "the backup window overlaps the maintenance window".to_owned();
            let help = "RDS refuses that; move one of them";
            case.error(
                "contradiction",
                &["database", name, "backup", "window"],
                message,
                help,
            );
        }
    }
    for (name, cache) in &manifest.caches {
        whole_days(case, &["cache", name, "snapshots"], cache.snapshots);
    }
    for (name, secret) in &manifest.secrets {
        let path = ["secret", name.as_str(), "rotate"];
        let Some(seconds) = secret.rotate_seconds else {
            continue;
        };
        if seconds % 3600 != 0 {
            let message = "a rotation is whole hours".to_owned();
            case.error(
                "out-of-range",
                &path,
                message,
                "write for example \"30d\" or \"12h\"",
            );
        }
        if !case.has(&["secret", name, "generate"]) {
            let message = format!("`secret.{name}` is set by hand, so nothing can rotate it");
            case.error(
                "contradiction",
                &path,
                message,
                "add generate = \"base64:32\", or remove `rotate`",
            );
        }
    }
}

fn whole_days(case: &mut CheckContext<'_>, path: &[&str], time: Duration) {
    if !time.as_millis().is_multiple_of(u128::from(DAY)) {
        let message = format!("{} is not whole days", crate::duration::format(time));
        case.error("out-of-range", path, message, "write for example \"7d\"");
    }
}
