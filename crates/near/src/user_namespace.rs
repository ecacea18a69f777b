//! In whose user namespace a process is: tasks of an ordinary user have one of their own
//! (decision 0008), so what they have started is told apart from what the user has.
//!
//! Refuses: a process that cannot be looked at is taken for one of another namespace.

use std::fs;

/// Whether a process is in the user namespace of this one.
#[must_use]
pub fn is_own(pid: u32) -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/user")).ok();
    of("self").is_some_and(|own| of(&pid.to_string()) == Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_in_the_namespace_of_its_parent_and_a_process_that_ended_in_none() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep runs");
        let pid = child.id();
        assert!(is_own(pid));
        child.kill().expect("it ran");
        child.wait().expect("its end");
        assert!(!is_own(pid));
    }
}
