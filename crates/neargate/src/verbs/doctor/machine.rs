//! The machine: kernel, user, limits.

use neargate_near::cgroup;

use super::DoctorFinding;

/// The oldest Linux with all that tasks are held by (`PR_SET_NO_NEW_PRIVS`, pidfd).
const OLDEST: (u32, u32) = (5, 4);

/// Looks at the machine.
pub(super) fn findings() -> Vec<DoctorFinding> {
    vec![kernel(), user(), limits()]
}

fn kernel() -> DoctorFinding {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let words = format!("{} {release}", name.sysname().to_string_lossy());
    match version(&release) {
        Some(version) if version < OLDEST => {
            let (major, minor) = OLDEST;
            DoctorFinding::warning("kernel", words, format!("Linux {major}.{minor} or newer"))
        }
        _ => DoctorFinding::ok("kernel", words),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn user() -> DoctorFinding {
    if rustix::process::geteuid().is_root() {
        DoctorFinding::ok(
            "user",
            "root: the tasks of each service run as a user of their own",
        )
    } else {
        DoctorFinding::ok(
            "user",
            "not root: tasks run as you, and can see one another's processes",
        )
    }
}

fn limits() -> DoctorFinding {
    match cgroup::availability() {
        Ok(kind) => DoctorFinding::ok("limits", format!("CPU and memory are limited by {kind}")),
        Err(why) => {
            let words = format!("`size` is not enforced: {why}");
            DoctorFinding::warning(
                "limits",
                words,
                "run as root, or delegate a control group to you",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_kernels_are_read() {
        for (release, expected) in [
            ("6.1.0-18-amd64", Some((6, 1))),
            ("5.4-rc1", Some((5, 4))),
            ("strange", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
