//! Child processes for formats whose parsers may crash, loop or eat memory.
//!
//! A child is this program, started as `extract-worker`: [`serve_if_asked`] at the beginning of its
//! `main`. It extracts many documents, one at a time; it is killed with its process group if a
//! document takes too long, and replaced when it dies. It dies with its parent: the kernel ensures
//! that, and its input ends. Documents and texts go through pipes; a child writes no files.

mod exchange;
mod serve;
mod wire;
mod worker;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use serve::own_program;
pub use serve::serve_if_asked;
pub(crate) use worker::STOP_GRACE;

use crate::{DocumentError, ExtractConfig, Extracted, Extractor};
use exchange::{Exchange, Loss};
use kbingest_support::byte_size::ByteSize;
use kbingest_support::process_limit;
use kbingest_support::stop::StopSignal;
use kbingest_support::supervise;
use worker::Worker;

/// Documents after which a child is replaced, to bound the memory that a library leaks.
const DOCUMENTS_MAX: u32 = 500;

/// The children of one run.
pub(super) struct Children {
    program: PathBuf,
    max_memory: ByteSize,
    max_text: ByteSize,
    max_seconds: u64,
    stop: Option<Arc<StopSignal>>,
    idle: Mutex<Vec<Worker>>,
}

impl Children {
    /// Prepares for children of `config.program`; starts none.
    pub(super) fn new(config: &ExtractConfig, stop: Option<Arc<StopSignal>>) -> Self {
        Self {
            program: config.program.clone().unwrap_or_default(),
            max_memory: config.max_memory,
            max_text: config.max_text,
            max_seconds: config.max_seconds,
            stop,
            idle: Mutex::default(),
        }
    }

    /// Extracts a document in a child.
    pub(super) fn extract(
        &self,
        extractor: &dyn Extractor,
        uri: &str,
        bytes: &[u8],
    ) -> Result<Extracted, DocumentError> {
        loop {
            let mut worker = self.take(uri)?;
            let is_fresh = worker.documents == 0;
            match self.exchange(&mut worker, extractor, uri, bytes) {
                Ok(result) => {
                    worker.documents += 1;
                    if worker.documents < DOCUMENTS_MAX {
                        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                    }
                    return result;
                }
                // One of the documents before may be the cause.
                Err(Loss::Died) if !is_fresh => {}
                Err(loss) => return Err(self.describe(loss, worker, uri)),
            }
        }
    }

    fn exchange(
        &self,
        worker: &mut Worker,
        extractor: &dyn Extractor,
        uri: &str,
        bytes: &[u8],
    ) -> Result<Result<Extracted, DocumentError>, Loss> {
        let request = wire::Request {
            extractor: extractor.id().to_owned(),
            uri: uri.to_owned(),
            max_seconds: self.max_seconds,
        };
        let head = wire::head(&request, bytes.len()).map_err(Loss::Io)?;
        let exchange = Exchange {
            deadline: Instant::now() + Duration::from_secs(self.max_seconds),
            stop: self.stop.as_deref(),
            text_bytes_max: self.max_text.0,
        };
        let (head, body) = exchange.run(worker, [&head, bytes])?;
        Ok(match wire::reply(&head) {
            Some(reply) => reply.into_result(uri, body),
            None => {
                let reason = wire::BROKEN.to_owned();
                Err(DocumentError::permanent(uri, reason))
            }
        })
    }

    fn take(&self, uri: &str) -> Result<Worker, DocumentError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.start(), Ok).map_err(|error| {
            let reason = process_limit::explain(&error);
            DocumentError::transient(uri, format!("cannot start a process to extract it: {reason}"))
        })
    }

    fn start(&self) -> std::io::Result<Worker> {
        let mut command = Command::new(&self.program);
        command
            .arg(serve::SUBCOMMAND)
            .arg(self.max_memory.0.to_string())
            .arg(std::process::id().to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the parent, which decides.
            .process_group(0);
        #[cfg(debug_assertions)]
        if crate::formats::fault::is_on() {
            command.env(crate::formats::fault::VARIABLE, "1");
        }
        let process = command.spawn()?;
        Ok(Worker { process, documents: 0, words: Vec::new() })
    }

    fn describe(&self, loss: Loss, mut worker: Worker, uri: &str) -> DocumentError {
        let permanent = |reason: String| DocumentError::permanent(uri, reason);
        let transient = |reason: String| DocumentError::transient(uri, reason);
        match loss {
            Loss::Deadline => {
                permanent(format!("takes longer than max_seconds ({})", self.max_seconds))
            }
            Loss::TooLarge => permanent(format!("its text is over max_text ({})", self.max_text)),
            Loss::Stopped => transient("the run was stopped while it was extracted".to_owned()),
            Loss::Io(error) => transient(format!("cannot talk to its extractor: {error}")),
            Loss::Died => {
                let (reason, is_from_outside) = self.describe_death(&mut worker);
                if is_from_outside { transient(reason) } else { permanent(reason) }
            }
        }
    }

    /// Returns how a child died, from its exit status and the end of its stderr, and whether that
    /// came from outside: a signal, or a limit of the system that is below ours.
    fn describe_death(&self, worker: &mut Worker) -> (String, bool) {
        use std::os::unix::process::ExitStatusExt;
        worker.read_stderr();
        let words = String::from_utf8_lossy(&worker.words).into_owned();
        let status = worker.end();
        let signal = status.and_then(|status| status.signal());
        let lacks_memory = words.contains("memory allocation of");
        let is_limited = lacks_memory && process_limit::is_memory_below(self.max_memory.0);
        let is_from_outside = is_limited || signal.is_some_and(supervise::is_from_outside);
        let reason = if is_limited {
            "needs more memory than this process may have (`ulimit -v`, `ulimit -d`)".to_owned()
        } else if lacks_memory {
            format!("needs more memory than max_memory ({})", self.max_memory)
        } else if words.contains("has overflowed its stack") {
            "its extractor overflowed its stack".to_owned()
        } else if signal == Some(rustix::process::Signal::XCPU.as_raw()) {
            format!("takes longer than max_seconds ({})", self.max_seconds)
        } else if let Some(signal) = signal {
            format!("its extractor was ended by signal {signal}")
        } else {
            let code = status.and_then(|status| status.code()).unwrap_or_default();
            format!("its extractor ended the process with exit code {code}")
        };
        (reason, is_from_outside)
    }
}
