//! A disk after a power cut, made from a log of calls.
//!
//! Synced data is there: a file's content by a sync of the file, its name by a sync of the folder
//! (POSIX promises no more; ext4 does). Of unsynced data any part may be there: every 512-byte
//! sector of every write, and every change of length, independently; of the changes to the folder a
//! first part, because file systems keep their journal in order.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use crate::log::{Action, Call};

const SECTOR: usize = 512;

/// A deterministic generator (SplitMix64, Steele et al. 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// Returns a number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A change to a file that is not synced yet.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(content, *offset, bytes),
            Self::Truncate { length } => content.resize(*length, 0),
        }
    }

    /// Applies the parts that `random` admits: of each 256 parts, `share`.
    fn apply_in_part(&self, content: &mut Vec<u8>, share: u64, random: &mut Random) {
        match self {
            Self::Write { offset, bytes } => {
                let (mut start, end) = (*offset, offset + bytes.len());
                while start < end {
                    let next = end.min((start / SECTOR + 1) * SECTOR);
                    if random.below(256) < share {
                        put(content, start, &bytes[start - offset..next - offset]);
                    }
                    start = next;
                }
            }
            Self::Truncate { length } => {
                if random.below(256) < share {
                    content.resize(*length, 0);
                }
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

#[derive(Clone, Debug, Default)]
struct File {
    synced: Vec<u8>,
    changes: Vec<Change>,
}

impl File {
    fn whole(&self) -> Vec<u8> {
        let mut content = self.synced.clone();
        self.changes.iter().for_each(|change| change.apply(&mut content));
        content
    }
}

/// A change to the folder.
#[derive(Clone, Debug)]
enum Naming {
    Name(String, usize),
    Unname(String),
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Name(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Unname(name) => {
                names.remove(name);
            }
        }
    }
}

/// Files and their names: the current ones, and those that certainly survive a power cut.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    inodes: HashMap<u64, usize>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    namings: Vec<Naming>,
}

impl Disk {
    /// Puts a file on it, synced.
    pub fn put(&mut self, name: &str, content: Vec<u8>) {
        self.files.push(File { synced: content, changes: Vec::new() });
        self.names.insert(name.to_owned(), self.files.len() - 1);
        self.synced_names = self.names.clone();
    }

    /// Does what `call` did.
    pub fn apply(&mut self, call: &Call) {
        match &call.action {
            Action::Open { .. } if call.name == "." => {}
            Action::Open { is_new } => {
                if *is_new {
                    self.files.push(File::default());
                    self.name(Naming::Name(call.name.clone(), self.files.len() - 1));
                }
                self.inodes.insert(call.inode, self.names[&call.name]);
            }
            Action::Write { offset, bytes } => {
                self.change(call, Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Action::Truncate { length } => {
                self.change(call, Change::Truncate { length: *length });
            }
            Action::Sync if call.name == "." => {
                self.synced_names = self.names.clone();
                self.namings.clear();
            }
            Action::Sync => {
                let file = &mut self.files[self.inodes[&call.inode]];
                file.synced = file.whole();
                file.changes.clear();
            }
            Action::Unlink => self.name(Naming::Unname(call.name.clone())),
            Action::Rename { from } => {
                let file = self.names[from];
                self.name(Naming::Unname(from.clone()));
                self.name(Naming::Name(call.name.clone(), file));
            }
        }
    }

    fn change(&mut self, call: &Call, change: Change) {
        self.files[self.inodes[&call.inode]].changes.push(change);
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.namings.push(naming);
    }

    /// Writes all files to `folder`, as another process sees them while the power is on.
    pub fn write_whole(&self, folder: &Path) {
        for (name, file) in &self.names {
            write(folder, name, &self.files[*file].whole());
        }
    }

    /// Writes what survives a power cut to `folder`.
    pub fn write_cut(&self, folder: &Path, random: &mut Random) {
        let mut names = self.synced_names.clone();
        let kept = random.below(self.namings.len() as u64 + 1);
        self.namings.iter().take(usize::try_from(kept).unwrap()).for_each(|n| n.apply(&mut names));
        for (name, file) in names {
            let file = &self.files[file];
            // Nothing, little, half, most, all: each is likely in practice.
            let share = [0, 32, 128, 224, 256][usize::try_from(random.below(5)).unwrap()];
            let mut content = file.synced.clone();
            for change in &file.changes {
                change.apply_in_part(&mut content, share, random);
            }
            write(folder, &name, &content);
        }
    }
}

/// The lock file is empty, and SQLite creates its shared memory again.
fn write(folder: &Path, name: &str, content: &[u8]) {
    if !name.ends_with(".lock") && !name.ends_with("-shm") {
        fs::write(folder.join(name), content).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(action: Action) -> Call {
        Call { name: "a".to_owned(), inode: 1, action }
    }

    #[test]
    fn what_is_synced_stays_and_what_is_not_may_go() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut disk = Disk::default();
        let folder_synced = Call { name: ".".to_owned(), inode: 0, action: Action::Sync };
        let (old, new) = (vec![1; 3 * SECTOR], vec![2; 3 * SECTOR]);
        disk.apply(&call(Action::Open { is_new: true }));
        disk.apply(&call(Action::Write { offset: 0, bytes: old.clone() }));
        disk.apply(&call(Action::Sync));
        disk.apply(&folder_synced);
        disk.apply(&call(Action::Write { offset: 0, bytes: new.clone() }));
        let mut seen = std::collections::HashSet::new();
        for seed in 0..200 {
            disk.write_cut(folder.path(), &mut Random(seed));
            let content = fs::read(folder.path().join("a")).unwrap();
            assert_eq!(content.len(), old.len());
            seen.insert(content);
        }
        assert_eq!(seen.len(), 8, "each of three sectors is old or new");
        disk.write_whole(folder.path());
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), new);
    }

    #[test]
    fn a_name_stays_when_its_folder_is_synced() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut disk = Disk::default();
        disk.apply(&call(Action::Open { is_new: true }));
        disk.apply(&call(Action::Sync));
        let exists = |disk: &Disk, seed| {
            let _ = fs::remove_file(folder.path().join("a"));
            disk.write_cut(folder.path(), &mut Random(seed));
            folder.path().join("a").exists()
        };
        assert!((0..50).any(|seed| exists(&disk, seed)));
        assert!((0..50).any(|seed| !exists(&disk, seed)));
        disk.apply(&Call { name: ".".to_owned(), inode: 0, action: Action::Sync });
        assert!((0..50).all(|seed| exists(&disk, seed)));
    }
}
