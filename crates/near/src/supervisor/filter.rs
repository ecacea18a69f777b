//! The system calls that a task may not make (seccomp): what container runtimes refuse by default.
//!
//! They fail with EPERM, as if the kernel had refused them. `clone3` fails with ENOSYS: its flags
//! lie in memory, where no filter sees them, and C libraries fall back to `clone`. A program for
//! another processor (32-bit) is ended. Decision 0008.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Refused whatever the arguments: keys, tracing of the kernel, mounts, namespaces of others,
/// modules, the machine's clock and swap, interfaces whose faults break out of containers.
const REFUSED: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// The same for what only this processor has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// Flags that make a namespace.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
/// Ways of running that change nothing about safety; any other is refused. The last one asks.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Writes to the terminal as if a person typed.
const TIOCSTI: u64 = 0x5412;
/// The same on a console.
const TIOCLINUX: u64 = 0x541c;
/// On x86_64: the bit of the x32 calls, which are the same ones by other numbers.
const X32: i64 = 0x4000_0000;

type TaskSyscallRules = BTreeMap<i64, Vec<SeccompRule>>;

/// There are no filters for this processor.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct FilterCompileError(#[from] BackendError);

/// The compiled filters.
pub(super) struct SyscallFilter([BpfProgram; 2]);

impl SyscallFilter {
    /// Compiles them; `None`: this kernel has none.
    ///
    /// # Errors
    /// There are none for this processor.
    pub(super) fn new() -> Result<Option<Self>, FilterCompileError> {
        if !available() {
            return Ok(None);
        }
        Ok(Some(Self(programs()?)))
    }

    /// Installs them. Runs in the child between fork and exec: two system calls for each.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn install(&self) -> std::io::Result<()> {
        for program in &self.0 {
            if seccompiler::apply_filter(program).is_err() {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

/// Whether the kernel has filters: it looks at the program only then.
fn available() -> bool {
    // SAFETY: the null pointer is refused (EFAULT); nothing is installed.
    let refused = unsafe {
        let none = std::ptr::null::<libc::c_void>();
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, none)
    };
    refused == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

fn programs() -> Result<[BpfProgram; 2], BackendError> {
    let program = |rules, error: i32| {
        let target = TargetArch::try_from(std::env::consts::ARCH)?;
        let refuse = SeccompAction::Errno(error.unsigned_abs());
        BpfProgram::try_from(SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            refuse,
            target,
        )?)
    };
    let clone3 = TaskSyscallRules::from([(libc::SYS_clone3, Vec::new())]);
    Ok([
        program(with_x32(refused()?), libc::EPERM)?,
        program(with_x32(clone3), libc::ENOSYS)?,
    ])
}

fn refused() -> Result<TaskSyscallRules, BackendError> {
    let plain = REFUSED.iter().chain(REFUSED_HERE);
    let mut rules: TaskSyscallRules = plain.map(|call| (*call, Vec::new())).collect();
    let namespace = |flag: &i32| {
        let flag = u64::from(flag.unsigned_abs());
        rule(&[(0, SeccompCmpOp::MaskedEq(flag), flag)])
    };
    let namespaces = || {
        NAMESPACES
            .iter()
            .map(namespace)
            .collect::<Result<Vec<_>, _>>()
    };
    rules.insert(libc::SYS_clone, namespaces()?);
    rules.insert(libc::SYS_unshare, namespaces()?);
    let others = PERSONALITIES.map(|known| (0, SeccompCmpOp::Ne, known));
    rules.insert(libc::SYS_personality, vec![rule(&others)?]);
    let vsock = u64::from(libc::AF_VSOCK.unsigned_abs());
    let vsock = rule(&[(0, SeccompCmpOp::Eq, vsock)])?;
    rules.insert(libc::SYS_socket, vec![vsock]);
    let terminal = [TIOCSTI, TIOCLINUX].map(|request| rule(&[(1, SeccompCmpOp::Eq, request)]));
    let terminal = terminal.into_iter().collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_ioctl, terminal);
    Ok(rules)
}

fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let length = || SeccompCmpArgLen::Dword;
    let conditions = conditions
        .iter()
        .map(|(at, operator, value)| SeccompCondition::new(*at, length(), operator.clone(), *value))
        .collect::<Result<Vec<_>, _>>()?;
    SeccompRule::new(conditions)
}

fn with_x32(mut rules: TaskSyscallRules) -> TaskSyscallRules {
    if cfg!(target_arch = "x86_64") {
        let twins: Vec<_> = rules
            .iter()
            .map(|(call, rules)| (call | X32, rules.clone()))
            .collect();
        rules.extend(twins);
    }
    rules
}
