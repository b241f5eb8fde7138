//! When each file was last changed, and by which commit: one pass over the history, only as far as
//! needed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use super::command::{self, Git};

/// Marks the line of a commit; a path that begins with it has no date.
const COMMIT: u8 = 1;

/// Limit on the history read, names and commits, in bytes: older changes have no date.
const HISTORY_BYTES_MAX: u64 = 256 << 20;

/// A commit that changed a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) commit: String,
    /// Committer's date, ISO 8601.
    pub(super) date: String,
}

/// The history from the newest commit on, read on demand: a run that reads no document does not
/// read it.
///
/// A merge counts as the change that it brings to the branch (`--first-parent`), so that every file
/// has one.
pub(super) struct Dates {
    child: Child,
    log: BufReader<ChildStdout>,
    /// Bytes of the history that may still be read.
    left: u64,
    at: Option<Change>,
    newest: HashMap<PathBuf, Change>,
}

impl Dates {
    /// Starts at `commit`; paths are relative to `subdirectory`.
    pub(super) fn open(git: &Git, commit: &str, subdirectory: &str) -> io::Result<Self> {
        let mut command = git.command().map_err(|error| io::Error::other(format!("{error:?}")))?;
        command
            .args(["-c", "log.showRoot=true", "-c", "log.showSignature=false", "log", "-z", "-m"])
            .args(["--first-parent", "--no-renames", "--name-only", "--format=%x01%H%x09%cI"]);
        if !subdirectory.is_empty() {
            command.arg(format!("--relative={subdirectory}"));
        }
        command.arg(commit).arg("--").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(command::not_started)?;
        let log = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { child, log, left: HISTORY_BYTES_MAX, at: None, newest: HashMap::new() })
    }

    /// Returns the last change of the file at `path`; `None` if the history does not contain it.
    pub(super) fn find(&mut self, path: &Path) -> Option<Change> {
        while !self.newest.contains_key(path) && self.advance() {}
        self.newest.get(path).cloned()
    }

    /// Reads one more line; returns whether there was one.
    fn advance(&mut self) -> bool {
        let mut line = Vec::new();
        // A truncated line cannot be the name of a listed file.
        let count = self.log.by_ref().take(self.left).read_until(0, &mut line);
        let Ok(count @ 1..) = count else { return false };
        self.left -= count as u64;
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        let line = line.strip_prefix(b"\n").unwrap_or(line);
        if let Some((&COMMIT, header)) = line.split_first() {
            let header = String::from_utf8_lossy(header);
            self.at = header
                .split_once('\t')
                .map(|(commit, date)| Change { commit: commit.to_owned(), date: date.to_owned() });
        } else if let Some(change) = &self.at {
            let path = PathBuf::from(OsStr::from_bytes(line));
            self.newest.entry(path).or_insert_with(|| change.clone());
        }
        true
    }
}

impl Drop for Dates {
    fn drop(&mut self) {
        command::end(&mut self.child);
    }
}
