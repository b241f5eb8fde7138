//! One child process.

use std::io::Read;
use std::process::Child;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};

/// Limit on the bytes of stderr that are kept.
const WORDS_BYTES_MAX: usize = 4 << 10;

/// Time that a stop leaves a child to finish its document.
pub(crate) const STOP_GRACE: Duration = Duration::from_millis(500);

/// One child, alive until it is dropped.
pub(super) struct Worker {
    pub(super) process: Child,
    pub(super) documents: u32,
    /// The end of its stderr.
    pub(super) words: Vec<u8>,
}

impl Worker {
    /// Reads the child's stderr, so that it never blocks; keeps the end.
    pub(super) fn read_stderr(&mut self) {
        let Some(stderr) = &mut self.process.stderr else { return };
        let _ = fcntl_setfl(&*stderr, OFlags::NONBLOCK);
        let mut piece = [0; WORDS_BYTES_MAX];
        loop {
            match stderr.read(&mut piece) {
                Ok(0) => {
                    self.process.stderr = None;
                    return;
                }
                Ok(count) => {
                    self.words.extend_from_slice(&piece[..count]);
                    let surplus = self.words.len().saturating_sub(WORDS_BYTES_MAX);
                    self.words.drain(..surplus);
                }
                Err(_) => return,
            }
        }
    }

    /// Kills the child and everything it may have started, and waits for it.
    pub(super) fn end(&mut self) -> Option<std::process::ExitStatus> {
        if let Ok(Some(status)) = self.process.try_wait() {
            return Some(status);
        }
        // Not reaped yet, so its pid is not reused.
        if let Some(pid) = rustix::process::Pid::from_raw(self.process.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        let _ = self.process.kill();
        self.process.wait().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
