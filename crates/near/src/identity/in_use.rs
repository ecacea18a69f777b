//! Numbers of users that the machine uses, whatever the register says: a register that was lost
//! must not hand out the user of a process that runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::user_numbers::UserNumbers;
use crate::paths::StateDir;

/// Users of running processes, of `/etc/passwd` and `/etc/group`, and of systemd's dynamic users.
pub(super) fn numbers() -> BTreeSet<u32> {
    let mut numbers = of_accounts("/etc/passwd");
    numbers.extend(of_accounts("/etc/group"));
    numbers.extend(names("/run/systemd/dynamic-uid").filter_map(|name| name.parse::<u32>().ok()));
    for pid in pids() {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        numbers.extend(of_status(&status));
    }
    numbers
}

/// State directories that running engines, routers and shims name on their command lines, with
/// the numbers that each of them keeps.
pub(super) fn state_directories() -> BTreeMap<PathBuf, UserNumbers> {
    let mut found = BTreeMap::new();
    for pid in pids() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let arguments: Vec<&str> = line.split('\0').collect();
        let Some(named) = state_directory(&arguments) else {
            continue;
        };
        // A shim stands in its task's directory, which may have been renamed since.
        let stands = fs::read_link(format!("/proc/{pid}/cwd")).ok();
        let stands = stands.filter(|_| arguments.get(1) == Some(&"shim"));
        let path = stands
            .and_then(|task| Some(task.parent()?.parent()?.to_owned()))
            .unwrap_or(named);
        // Anybody can write such a command line: only what root wrote down counts.
        let file = StateDir::at(&path).users();
        let of_root = fs::symlink_metadata(&file).is_ok_and(|file| file.uid() == 0);
        if of_root && let Some(numbers) = UserNumbers::read(&file) {
            found.insert(path, numbers);
        }
    }
    found
}

fn state_directory(arguments: &[&str]) -> Option<PathBuf> {
    if let ["shim", task, ..] = arguments.get(1..)? {
        return Path::new(task).parent()?.parent().map(Path::to_owned);
    }
    let at = arguments.iter().position(|word| *word == "--state-dir")?;
    arguments.get(at + 1).map(PathBuf::from)
}

fn of_status(status: &str) -> Vec<u32> {
    let lines = status
        .lines()
        .filter_map(|line| line.strip_prefix("Uid:").or(line.strip_prefix("Gid:")));
    lines
        .flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()))
        .collect()
}

fn of_accounts(path: &str) -> BTreeSet<u32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split(':').nth(2)?.parse().ok())
        .collect()
}

fn names(path: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn pids() -> impl Iterator<Item = u32> {
    names("/proc").filter_map(|name| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_directory_is_found_on_the_command_lines_of_engines_and_shims() {
        let path = Some(PathBuf::from("/srv/app/.neargate"));
        for (line, found) in [
            ("neargate engine --state-dir /srv/app/.neargate", &path),
            (
                "neargate shim /srv/app/.neargate/tasks/web-r1-1 /srv/logs",
                &path,
            ),
            ("neargate shim", &None),
            ("neargate engine --state-dir", &None),
            ("sleep 5", &None),
            ("", &None),
        ] {
            let arguments: Vec<&str> = line.split(' ').collect();
            assert_eq!(&state_directory(&arguments), found, "{line}");
        }
    }

    #[test]
    fn all_users_and_groups_of_a_process_are_in_use() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9\n";
        assert_eq!(of_status(status), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
