//! The router's system calls (seccomp): what serving needs is allowed, what only an intruder would
//! ask for ends the process, anything else fails with EPERM.
//!
//! The kernel logs an end that the filter made. Invariant: no program can be started, no process
//! forked, no socket bound, no memory made executable.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// `PR_SET_VMA`: names of memory maps, set by newer C libraries.
const PR_SET_VMA: u64 = 0x53_56_4d_41;

/// System calls of serving, reading files and running threads, whatever their arguments.
const ALLOWED: &[c_long] = &[
    // Streams and files.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_copy_file_range,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    // Connections.
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_accept4,
    libc::SYS_accept,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Threads and signals.
    libc::SYS_clone3, // fails with ENOSYS by its own filter
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_getcpu,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Facts.
    libc::SYS_getrandom,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_times,
    libc::SYS_umask,
];

/// Older forms of the same, which only this processor has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_getrlimit,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[c_long] = &[];

/// System calls that no router ever makes: a program that makes one has got hold of it.
const DEADLY: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_open_by_handle_at,
    libc::SYS_io_uring_setup,
];

type RouterSyscallRules = BTreeMap<i64, Vec<SeccompRule>>;

/// Why this router runs without its filters.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterInstallError {
    /// There are none for this processor.
    #[error(transparent)]
    Compile(#[from] seccompiler::BackendError),
    /// The kernel did not take one.
    #[error(transparent)]
    Apply(#[from] seccompiler::Error),
}

/// Installs the filters for this thread and all that it starts.
///
/// # Errors
/// There are none for this processor, or the kernel refuses them.
pub(super) fn install() -> Result<(), FilterInstallError> {
    for program in programs()? {
        seccompiler::apply_filter(&program)?;
    }
    Ok(())
}

/// The kernel asks all of them, and the strictest answer counts. The list of what is allowed comes
/// last: another filter cannot be installed under it.
fn programs() -> Result<[BpfProgram; 3], seccompiler::BackendError> {
    let program = |rules, otherwise, matched| {
        let target = TargetArch::try_from(std::env::consts::ARCH)?;
        BpfProgram::try_from(SeccompFilter::new(rules, otherwise, matched, target)?)
    };
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    // Its flags lie in memory, where no filter sees them: the C library falls back to `clone`.
    let clone3 = RouterSyscallRules::from([(libc::SYS_clone3, Vec::new())]);
    Ok([
        program(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?,
        program(clone3, SeccompAction::Allow, errno(libc::ENOSYS))?,
        program(allowed()?, errno(libc::EPERM), SeccompAction::Allow)?,
    ])
}

fn allowed() -> Result<RouterSyscallRules, seccompiler::BackendError> {
    let plain = ALLOWED.iter().chain(ALLOWED_HERE);
    let mut rules: RouterSyscallRules = plain.map(|call| (*call, Vec::new())).collect();
    let words = |number: i32| u64::from(number.unsigned_abs());
    let thread = words(libc::CLONE_THREAD);
    let executable = words(libc::PROT_EXEC);
    let families = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX];
    let controls = [libc::FIONBIO, libc::FIOCLEX, libc::FIONREAD];
    let conditions: [(c_long, Vec<SeccompRule>); 6] = [
        (libc::SYS_clone, vec![has(0, thread, thread)?]),
        (libc::SYS_mmap, vec![has(2, executable, 0)?]),
        (libc::SYS_mprotect, vec![has(2, executable, 0)?]),
        (
            libc::SYS_socket,
            families
                .map(|family| is(0, words(family)))
                .into_iter()
                .collect::<Result<_, _>>()?,
        ),
        (
            libc::SYS_ioctl,
            controls
                .map(|request| is(1, request))
                .into_iter()
                .collect::<Result<_, _>>()?,
        ),
        (
            libc::SYS_prctl,
            vec![is(0, words(libc::PR_SET_NAME))?, is(0, PR_SET_VMA)?],
        ),
    ];
    rules.extend(conditions);
    Ok(rules)
}

/// An argument is this.
fn is(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    let length = SeccompCmpArgLen::Dword;
    let condition = SeccompCondition::new(argument, length, SeccompCmpOp::Eq, value)?;
    SeccompRule::new(vec![condition])
}

/// Of an argument, the bits of a mask are these.
fn has(argument: u8, mask: u64, bits: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    let length = SeccompCmpArgLen::Dword;
    let masked = SeccompCmpOp::MaskedEq(mask);
    let condition = SeccompCondition::new(argument, length, masked, bits)?;
    SeccompRule::new(vec![condition])
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_confined_thread_serves_and_opens_nothing_new() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("its address");
        // A filter is its thread's and that of the threads that it starts.
        let confined = std::thread::spawn(move || {
            install().expect("the filters");
            let client = TcpStream::connect(address).expect("a connection out");
            let server = listener.accept().expect("a connection in");
            drop((client, server));
            std::fs::read_to_string("/proc/self/stat").expect("a file");
            std::thread::spawn(|| {}).join().expect("a thread");
            let bound = TcpListener::bind("127.0.0.1:0").expect_err("no socket is bound");
            assert_eq!(bound.kind(), ErrorKind::PermissionDenied);
        });
        confined.join().expect("it does all of this");
    }

    #[test]
    fn nothing_is_both_allowed_and_deadly() {
        let allowed = allowed().expect("rules");
        assert!(DEADLY.iter().all(|call| !allowed.contains_key(call)));
    }
}
