//! Confines a process before it reads what a stranger wrote: no files, no network, no other
//! programs.
//!
//! A seccomp filter of system calls: denied calls fail with EPERM. Memory, threads and open pipes
//! remain usable. Without seccomp in the kernel, the process is not confined.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// System calls that a process that extracts documents never needs.
const DENIED: &[i64] = &[
    // Network.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    // Programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_setns,
    libc::SYS_unshare,
    // Files.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_memfd_create,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_truncate,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_removexattr,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    // Ways around this filter, and parts of the kernel with a history of vulnerabilities.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_personality,
];

/// The same, by older names that only exist on this architecture.
#[cfg(target_arch = "x86_64")]
const DENIED_OLD: &[i64] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_inotify_init,
    libc::SYS_fork,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_OLD: &[i64] = &[];

/// On x86-64, calls of the x32 interface have this bit set, and some of them other numbers.
const X32: i64 = 0x4000_0000;

/// execve, recvmsg to sendmmsg, ptrace, process_vm_readv and _writev, execveat of the x32
/// interface.
const DENIED_X32: &[i64] = &[520, 518, 521, 538, 539, 540, 545];

/// Renounces, for this process and everything it starts, any privileges that a program could gain.
pub fn no_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Applies all of this. Returns the parts that the kernel supports, by name.
pub fn enter() -> Vec<&'static str> {
    let mut taken = Vec::new();
    if no_new_privileges().is_ok() {
        taken.push("no_new_privs");
    }
    if filter().is_some_and(|filter| seccompiler::apply_filter_all_threads(&filter).is_ok()) {
        taken.push("seccomp");
    }
    taken
}

fn filter() -> Option<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let mut calls: BTreeMap<i64, _> =
        DENIED.iter().chain(DENIED_OLD).map(|&call| (call, Vec::new())).collect();
    if cfg!(target_arch = "x86_64") {
        let x32 = DENIED.iter().chain(DENIED_OLD).chain(DENIED_X32);
        calls.extend(x32.map(|&call| (call | X32, Vec::new())));
    }
    let denied = SeccompAction::Errno(rustix::io::Errno::PERM.raw_os_error().unsigned_abs());
    SeccompFilter::new(calls, SeccompAction::Allow, denied, arch).ok()?.try_into().ok()
}
