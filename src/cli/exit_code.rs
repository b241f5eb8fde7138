//! How the process ends.

use std::process::ExitCode;

use super::Ending;

/// Shown by `--help`; the numbers are those of [`crate::error::ExitCode`].
pub const HELP: &str = "\
Exit codes:
    0  the knowledge base is up to date with its sources; also: there was nothing to do
    1  unexpected error; a limit on threads or processes, which the message names
    2  wrong usage or a wrong kb.toml
    3  finished, but some documents failed (`kbingest status --failures` lists them);
       `eval`: the gate failed
    4  finished, but a limit of kb.toml (max_pages, max_per_folder) left something out
   10  no such knowledge base
   11  locked by another run
   12  damaged
   13  incompatible: a newer file format, or not a knowledge base
   20  a source is unreachable; its documents are kept
   21  deletions withheld (`kbingest ingest --allow-deletes` deletes them)
   22  not published: the gate of `--publish-if-eval` failed
   30  embedder unavailable after retries
   31  embedder refuses
   40  storage full
   41  storage cannot be read or written
  129, 130, 143  ended by SIGHUP, SIGINT, SIGTERM after a checkpoint; `cancel`: 130
If several apply, the first of these wins: signal, 40-41, 30-31, 20-22, 10-13, 4, 3.";

/// Ends the process. A caught signal ends it as if it had not been caught, so that the caller (a
/// shell, systemd) sees the signal.
pub fn end(ending: &Ending) -> ExitCode {
    match ending {
        Ending::Code(code) => ExitCode::from(*code),
        Ending::Signal(signal) => {
            let _ = signal_hook::low_level::emulate_default_handler(*signal);
            ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
        }
    }
}
