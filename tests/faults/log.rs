//! The log that `shim.c` writes: every call on our files, with its data.

use std::fs;
use std::path::Path;

/// A successful call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Path of the file, relative to its folder; `.` is the folder.
    pub name: String,
    /// Inode of the open file; 0 if the call names no open file.
    pub inode: u64,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opened; created if it did not exist.
    Open {
        is_new: bool,
    },
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        length: usize,
    },
    Sync,
    Unlink,
    Rename {
        from: String,
    },
}

/// Size of the record before a name: see `struct record`.
const HEAD: usize = 40;

/// Reads a log.
pub fn read(path: &Path) -> Vec<Call> {
    let log = fs::read(path).unwrap();
    let mut rest = log.as_slice();
    let mut calls = Vec::new();
    while !rest.is_empty() {
        let number = |at: usize| u64::from_ne_bytes(rest[at..at + 8].try_into().unwrap());
        let small = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
        let size = |value: u64| usize::try_from(value).unwrap();
        let (kind, flags, inode) = (small(0), small(4), number(8));
        let (offset, length) = (size(number(16)), size(number(24)));
        let name_end = HEAD + small(32) as usize;
        let name = String::from_utf8(rest[HEAD..name_end].to_vec()).unwrap();
        let data = rest[name_end..name_end + length].to_vec();
        rest = &rest[name_end + length..];
        let action = match kind {
            0 | 1 => Action::Open { is_new: flags & 1 != 0 },
            2 => Action::Write { offset, bytes: data },
            3 => Action::Truncate { length: offset },
            4 => Action::Sync,
            5 => Action::Unlink,
            6 => Action::Rename { from: String::from_utf8(data).unwrap() },
            _ => panic!("the log has a record of kind {kind}"),
        };
        calls.push(Call { name, inode, action });
    }
    calls
}
