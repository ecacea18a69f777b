//! `neargate alarms`: where the alarms stand, and why.

use std::process::ExitCode;

use neargate_core::time::{Timestamp, civil};
use neargate_near::api::wire::AlarmRecord;
use neargate_near::clock::now;

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::table;
use crate::table::Column::Left;
use crate::{environment, output};

/// Lists the alarms.
pub(crate) async fn run(flags: &GlobalFlags) -> Result<ExitCode, Failure> {
    let list = environment::open(flags)?.alarms().await?;
    show(flags, &list.alarms);
    list.unwatched.iter().for_each(|note| output::note(note));
    Ok(ExitCode::SUCCESS)
}

/// A moment in UTC, as the times of reasons are; with its day when it was not today.
fn since(at: Timestamp, now: Timestamp) -> String {
    const DAY: u64 = 86_400_000;
    let minutes = at.0 % DAY / 60_000;
    let time = format!("{:02}:{:02}", minutes / 60, minutes % 60);
    if at.0 / DAY == now.0 / DAY {
        return time;
    }
    let (year, month, day) = civil(at.0 / DAY);
    format!("{year}-{month:02}-{day:02} {time}")
}

/// Shows alarms: the reason is that of the last change, so its time stands before it.
fn show(flags: &GlobalFlags, alarms: &[AlarmRecord]) {
    if flags.json {
        output::json(&alarms);
        return;
    }
    let row = |alarm: &AlarmRecord| {
        let standing = &alarm.standing;
        let since = since(standing.since, now());
        vec![
            alarm.name.clone(),
            standing.state.to_string(),
            format!("since {since}: {}", standing.reason),
        ]
    };
    table::print(&[Left(20), Left(18)], alarms.iter().map(row));
    if alarms.is_empty() {
        output::note("no alarm is watched");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_of_a_change_has_its_day_unless_that_is_today() {
        let at = Timestamp(784_111_777_000);
        assert_eq!(since(at, Timestamp(at.0 + 60_000)), "08:49");
        assert_eq!(since(at, Timestamp(at.0 + 86_400_000)), "1994-11-06 08:49");
    }
}
