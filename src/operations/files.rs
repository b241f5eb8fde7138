//! The files that belong to a knowledge base: its own, and those that this program puts beside it.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::kb::KbError;
use crate::support::lock::lock_path;
use crate::support::{files, storage};

/// A candidate that is evaluated before it is published.
const CANDIDATE: &str = ".next";
/// A copy of a damaged file, kept by a repair; a second one ends in `.damaged-2`.
const DAMAGED: &str = ".damaged";
/// A new file built by a repair.
const REPAIRED: &str = ".repaired";
/// Folders of earlier versions, and the cache of a user who has no other place for it.
const FOLDERS: [&str; 5] = [".cache", ".git", ".tmp", ".spool", ".archives"];

/// Returns the path of the candidate beside `kb`.
pub fn candidate(kb: &Path) -> PathBuf {
    storage::beside(kb, CANDIDATE)
}

/// Returns the path of the new file that a repair builds beside `kb`.
pub(super) fn repaired(kb: &Path) -> PathBuf {
    storage::beside(kb, REPAIRED)
}

/// Returns the first free name for a copy of a damaged file: an earlier copy may still be needed.
pub(super) fn free_damaged(kb: &Path) -> PathBuf {
    damaged(kb).find(|path| path.symlink_metadata().is_err()).unwrap_or_default()
}

/// Returns the possible names of copies of damaged files, an endless sequence.
fn damaged(kb: &Path) -> impl Iterator<Item = PathBuf> {
    let numbered = (2..).map(|number| storage::beside(kb, &format!("{DAMAGED}-{number}")));
    std::iter::once(storage::beside(kb, DAMAGED)).chain(numbered)
}

/// Returns every file and folder that is, or may become, part of the knowledge base at `kb` or of a
/// copy beside it: none of them is a document.
pub(super) fn all(kb: &Path) -> Vec<PathBuf> {
    let exists = |path: &PathBuf| path.symlink_metadata().is_ok();
    // Including the first free name, which a repair may use meanwhile.
    let kept = damaged(kb).take_while(exists).chain([free_damaged(kb)]);
    let databases: Vec<_> =
        [kb.to_owned(), candidate(kb), repaired(kb)].into_iter().chain(kept).collect();
    let mut paths: Vec<_> =
        databases.iter().flat_map(|path| storage::database_files(path)).collect();
    for path in [kb, &candidate(kb)] {
        paths.push(lock_path(path));
        paths.extend(FOLDERS.map(|ending| storage::beside(path, ending)));
    }
    paths
}

/// Removes a knowledge base with all its files.
pub(super) fn remove(kb: &Path) -> Result<(), Error> {
    remove_database(kb)?;
    remove_one(&lock_path(kb))
}

/// Removes a SQLite file and SQLite's files beside it, the file itself first: without it the others
/// are meaningless.
pub(super) fn remove_database(path: &Path) -> Result<(), Error> {
    storage::database_files(path).iter().try_for_each(|path| remove_one(path))
}

/// Removes a file, if there is one.
pub(super) fn remove_one(path: &Path) -> Result<(), Error> {
    files::remove(path).map_err(|source| KbError::io("remove", path, source).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_of_a_damaged_file_belongs_to_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kb = folder.path().join("a.kb");
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            let name = |path: &PathBuf| path.file_name().unwrap_or_default().display().to_string();
            paths.iter().map(name).filter(|name| name.contains("damaged")).collect()
        };
        assert_eq!(names(all(&kb))[0], "a.kb.damaged");
        for name in ["a.kb.damaged", "a.kb.damaged-2"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let found = names(all(&kb));
        for name in ["a.kb.damaged", "a.kb.damaged-2", "a.kb.damaged-3", "a.kb.damaged-2-wal"] {
            assert!(found.iter().any(|one| one == name), "{name} is not in {found:?}");
        }
        assert_eq!(free_damaged(&kb), folder.path().join("a.kb.damaged-3"));
    }
}
