//! The handler of SIGBUS.
//!
//! Replaces signal-hook's, which calls the previous handler: the standard library's handler treats
//! the fault as a crash and restores the default, so the repeated fault ends the process.
#![expect(unsafe_code, reason = "a signal handler of our own")]

use std::ffi::c_int;
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};

/// The file that the handler writes to.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Makes a thread that gets SIGBUS write a byte to `wake`, which stays open, and wait forever.
pub fn park_on_sigbus(wake: UnixStream) -> io::Result<()> {
    WAKE.store(wake.into_raw_fd(), Ordering::Release);
    // SAFETY: zeroes are a valid `sigaction`: no flags, an empty mask. The handler has the
    // signature that the system calls without SA_SIGINFO.
    let result = unsafe {
        let mut action: libc::sigaction = zeroed();
        let handler: extern "C" fn(c_int) = park;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(libc::SIGBUS, &raw const action, null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Ends the process at once.
///
/// `std::process::exit` would first remove the signal stack of the main thread: if that thread is
/// parked, it is using this stack, and the process would end by SIGSEGV instead of `code`.
pub fn end(code: c_int) -> ! {
    // SAFETY: _exit(2) only ends the process.
    unsafe { libc::_exit(code) }
}

extern "C" fn park(_: c_int) {
    let byte = MaybeUninit::<u8>::zeroed();
    // SAFETY: write(2) and pause(2) are safe in a signal handler; the byte is on this stack.
    unsafe {
        libc::write(WAKE.load(Ordering::Acquire), byte.as_ptr().cast(), 1);
        // Returning would cause the same fault again.
        loop {
            libc::pause();
        }
    }
}
