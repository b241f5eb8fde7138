//! Looks at files by their names in their folder.
//!
//! A path is resolved part by part for each look, which is half of what a look costs; a name in a folder that is
//! open is one part. Where nothing has changed, looking at every file is a third of a run.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, open, statat};

use super::file::Stamp;

/// The folder that was looked into last.
#[derive(Default)]
pub(super) struct OpenFolder {
    path: Vec<u8>,
    /// `None` where it cannot be opened.
    handle: Option<OwnedFd>,
}

impl OpenFolder {
    /// Returns size and time of the file at `path`, which is absolute; of a link itself, not of its target.
    pub(super) fn stamp(&mut self, path: &Path) -> io::Result<Stamp> {
        let bytes = path.as_os_str().as_bytes();
        let name_at = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let (folder, name) = bytes.split_at(name_at);
        if self.path != folder {
            self.enter(folder);
        }
        match &self.handle {
            Some(handle) => {
                let found = statat(handle, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)?;
                Ok(Stamp::of_found(&found))
            }
            None => path.symlink_metadata().map(|metadata| Stamp::of(&metadata)),
        }
    }

    fn enter(&mut self, folder: &[u8]) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.path.clear();
        self.path.extend_from_slice(folder);
        self.handle = open(OsStr::from_bytes(folder), flags, Mode::empty()).ok();
    }
}
