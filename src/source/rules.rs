//! Ignore rules of git and our own: `.kbignore`, `.gitignore` and `.git/info/exclude`.
//!
//! A file of rules that cannot be obeyed completely is an error instead of no rules: otherwise the
//! documents it is meant to exclude would be published. A single line that is not a valid pattern
//! is reported, as git and ripgrep do.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use tracing::warn;

use super::beneath::PASSED;
use crate::support::names::{nfc, nfc_path};

/// Ignore rules of our own, obeyed like `.gitignore`, and winning over it.
const OWN: &str = ".kbignore";
const GIT: &str = ".gitignore";

/// Limit on the rules for a folder, in bytes, including those of the folders above it.
const RULES_BYTES_MAX: u64 = 256 * 1024;

/// Limit on their patterns. One may take 10 KB of memory, and is compared with every name.
const PATTERNS_MAX: u64 = 8192;

/// Limit on a pattern, in bytes. No path is longer.
const PATTERN_BYTES_MAX: usize = 4096;

/// The rules for one folder, from its own files and those of the folders above it.
pub(super) struct Rules {
    /// The folder of the source; a link to rules may not lead out of it.
    root: PathBuf,
    /// Rules do not apply across the border of a repository.
    in_repository: bool,
    levels: Vec<Level>,
}

/// Rules of one folder.
struct Level {
    own: Gitignore,
    git: Gitignore,
    exclude: Gitignore,
    has_git: bool,
    bytes: u64,
    patterns: u64,
}

/// Why the rules of a folder cannot be obeyed.
pub(super) struct RulesError {
    /// The name of the file in the folder.
    pub(super) file: &'static str,
    pub(super) reason: String,
}

impl Rules {
    /// Reads the rules above `root`, which is a real path.
    ///
    /// Rules of parent folders only apply inside one git repository: a `.gitignore` of `*` in a
    /// home folder that is managed by other means must not empty every source below it. Rules from
    /// the user's own git settings never apply, because the same kb.toml would then mean other
    /// documents under cron.
    pub(super) fn above(root: &Path) -> Result<Self, RulesError> {
        let in_repository = root.ancestors().any(|folder| folder.join(".git").exists());
        let mut rules = Self { root: root.to_owned(), in_repository, levels: Vec::new() };
        if in_repository {
            let parents: Vec<_> = root.ancestors().skip(1).collect();
            for parent in parents.into_iter().rev() {
                let opened = rustix::fs::open(parent, PASSED, Mode::empty());
                let folder = opened.map_err(|error| RulesError {
                    file: GIT,
                    reason: format!("cannot be searched for in {}: {error}", parent.display()),
                })?;
                rules.enter(folder.as_fd(), parent)?;
            }
        }
        Ok(rules)
    }

    /// Adds the rules of the folder `path`, opened as `folder`; returns whether it has any, in
    /// which case the caller has to call [`Self::leave`] after it.
    pub(super) fn enter(
        &mut self,
        folder: BorrowedFd<'_>,
        path: &Path,
    ) -> Result<bool, RulesError> {
        let mut level = Level {
            own: Gitignore::empty(),
            git: Gitignore::empty(),
            exclude: Gitignore::empty(),
            has_git: false,
            bytes: self.levels.last().map_or(0, |level| level.bytes),
            patterns: self.levels.last().map_or(0, |level| level.patterns),
        };
        level.own = self.load(folder, OWN, path, path, &mut level)?;
        level.git = self.load(folder, GIT, path, path, &mut level)?;
        if let Some(found) = look(folder, ".git", AtFlags::empty()) {
            level.has_git = self.in_repository;
            let unreadable = |error: Errno| RulesError {
                file: ".git",
                reason: format!("cannot be opened: {error}"),
            };
            if let Some((git, place)) = git_folder(folder, path, &found).map_err(unreadable)? {
                level.exclude = self.load(git.as_fd(), "info/exclude", path, &place, &mut level)?;
            }
        } else if self.in_repository {
            level.has_git = look(folder, ".jj", AtFlags::empty()).is_some();
        }
        let has_rules = level.has_git
            || ![&level.own, &level.git, &level.exclude].into_iter().all(Gitignore::is_empty);
        if has_rules {
            self.levels.push(level);
        }
        Ok(has_rules)
    }

    /// Removes the rules that the last [`Self::enter`] added.
    pub(super) fn leave(&mut self) {
        self.levels.pop();
    }

    /// Reports whether the rules exclude `path`, which is absolute.
    pub(super) fn ignore(&self, path: &Path, is_folder: bool) -> bool {
        if self.levels.is_empty() {
            return false;
        }
        let path = &*nfc_path(path);
        let (mut own, mut git, mut exclude) = (Match::None, Match::None, Match::None);
        let holds = !self.in_repository || self.levels.iter().any(|level| level.has_git);
        let mut is_outside = false;
        for level in self.levels.iter().rev() {
            if own.is_none() {
                own = level.own.matched(path, is_folder);
            }
            if holds && !is_outside {
                if git.is_none() {
                    git = level.git.matched(path, is_folder);
                }
                if exclude.is_none() {
                    exclude = level.exclude.matched(path, is_folder);
                }
            }
            is_outside |= level.has_git;
        }
        own.or(git).or(exclude).is_ignore()
    }

    /// Reads the rules in `file` of `folder`, which is at `place`; they apply below `path`.
    fn load(
        &self,
        folder: BorrowedFd<'_>,
        file: &'static str,
        path: &Path,
        place: &Path,
        level: &mut Level,
    ) -> Result<Gitignore, RulesError> {
        let wrong = |reason: String| RulesError { file, reason };
        let left = RULES_BYTES_MAX.saturating_sub(level.bytes);
        let is_above = self.root.starts_with(path) && self.root != path;
        let inside = (!is_above && file != "info/exclude").then_some(self.root.as_path());
        let read = read(folder, file, &place.join(file), inside, left).map_err(wrong)?;
        let Some(bytes) = read else { return Ok(Gitignore::empty()) };
        level.bytes += bytes.len() as u64;
        let mut builder = GitignoreBuilder::new(nfc_path(path));
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            level.patterns += 1;
            if level.patterns > PATTERNS_MAX {
                let what = format!("has, with those above it, more than {PATTERNS_MAX} patterns");
                return Err(wrong(what));
            }
            if line.len() > PATTERN_BYTES_MAX {
                if matches_nothing(line) {
                    continue;
                }
                let what = format!("has a pattern of {} bytes in line {number}", line.len());
                return Err(wrong(what));
            }
            // The line itself is not logged: it may come from any file.
            if builder.add_line(None, &nfc(&readable(line))).is_err() {
                let place = place.join(file);
                warn!(file = %place.display(), line = number, "ignored: it is not a valid pattern");
            }
        }
        builder.build().map_err(|_| wrong("cannot be compiled: its patterns are too large".into()))
    }
}

/// Returns a pattern as text: each invalid byte becomes a wildcard, so that it excludes at least
/// what it should.
fn readable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// Reports whether a pattern needs more characters than a path may have.
fn matches_nothing(line: &[u8]) -> bool {
    let is_plain = |byte: &&u8| !b"*[]{}\\!?".contains(byte);
    let has_class = line.iter().any(|byte| b"[{".contains(byte));
    !has_class && line.iter().filter(is_plain).count() > PATTERN_BYTES_MAX
}

/// Reads a file of rules; `None` if there is none. A folder of that name, or a dangling link,
/// counts as none.
///
/// Its path is `path`; a link may lead to a file below `inside` only.
fn read(
    folder: BorrowedFd<'_>,
    name: &str,
    path: &Path,
    inside: Option<&Path>,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, String> {
    let cannot = |error: io::Error| format!("cannot be read: {error}");
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let found = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        found => found.map_err(|error| cannot(error.into()))?,
    };
    let kind = match kind(&found) {
        FileType::Symlink => match statat(folder, name, AtFlags::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            target => {
                let real = path.canonicalize().map_err(cannot)?;
                if inside.is_some_and(|root| !real.starts_with(root)) {
                    return Err("is a link that leads out of the source".to_owned());
                }
                kind(&target.map_err(|error| cannot(error.into()))?)
            }
        },
        kind => {
            flags |= OFlags::NOFOLLOW;
            kind
        }
    };
    match kind {
        FileType::Directory => return Ok(None),
        FileType::RegularFile => {}
        // A FIFO would wait for its writer forever, and `/dev/zero` is one endless line.
        _ => return Err("is not a regular file".to_owned()),
    }
    let file = openat(folder, name, flags, Mode::empty()).map_err(|error| cannot(error.into()))?;
    let mut file = File::from(file);
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.by_ref().take(bytes_max + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("has, with those above it, more than {RULES_BYTES_MAX} bytes"));
    }
    Ok(Some(bytes))
}

fn look(folder: BorrowedFd<'_>, name: &str, flags: AtFlags) -> Option<Stat> {
    statat(folder, name, flags).ok()
}

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

/// Opens the folder with git's data of the repository: `.git`, or the folder that a `.git` file of
/// a linked working tree points to.
fn git_folder(
    folder: BorrowedFd<'_>,
    path: &Path,
    found: &Stat,
) -> Result<Option<(OwnedFd, PathBuf)>, Errno> {
    let flags = PASSED.difference(OFlags::NOFOLLOW);
    match kind(found) {
        FileType::Directory => {
            Ok(Some((openat(folder, ".git", flags, Mode::empty())?, path.join(".git"))))
        }
        // If it points to nothing, there is no repository.
        FileType::RegularFile => Ok(common_folder(folder, path).and_then(|common| {
            Some((rustix::fs::open(&common, flags, Mode::empty()).ok()?, common))
        })),
        _ => Ok(None),
    }
}

/// Returns the folder that linked working trees of a repository share.
fn common_folder(folder: BorrowedFd<'_>, path: &Path) -> Option<PathBuf> {
    /// No line with a path is longer.
    const LINE_BYTES_MAX: u64 = 4096 + 16;
    let line = |folder: BorrowedFd<'_>, name: &str, place: &Path| {
        let text = read(folder, name, &place.join(name), None, LINE_BYTES_MAX).ok()??;
        let line = text.split(|&byte| byte == b'\n').next()?;
        Some(line.strip_suffix(b"\r").unwrap_or(line).to_owned())
    };
    let pointer = line(folder, ".git", path)?;
    let place = path.join(OsStr::from_bytes(pointer.strip_prefix(b"gitdir: ")?));
    let opened = rustix::fs::open(&place, PASSED, Mode::empty()).ok()?;
    let common = line(opened.as_fd(), "commondir", &place)?;
    Some(place.join(OsStr::from_bytes(&common)))
}
