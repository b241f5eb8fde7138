//! The folder in which commands find their documents.
//!
//! On disk: a folder of this process alone, beside the knowledge base or in the system's folder for temporary
//! files, made with the first document and removed at the end. What a killed process left beside the
//! knowledge base is removed by the next one, under the lock of its run.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::extract::title;

/// Characters of an extension that are kept.
const EXTENSION_CHARS_MAX: usize = 16;

/// Names that are tried for a folder of our own among those of others.
const TRIES_MAX: u32 = 100;

/// Where documents are put for commands.
pub(super) struct Workspace {
    /// Where it is to be; `None`: somewhere among the system's temporary files.
    wanted: Option<PathBuf>,
    made: Mutex<Option<PathBuf>>,
    next: AtomicU64,
}

/// A document in a folder of its own; both are gone when it is dropped.
pub(super) struct Placed {
    folder: PathBuf,
    path: PathBuf,
}

impl Workspace {
    /// Removes what a killed process left at `wanted`; makes nothing yet.
    pub(super) fn new(wanted: Option<PathBuf>) -> Self {
        if let Some(left) = &wanted {
            let _ = fs::remove_dir_all(left);
        }
        Self { wanted, made: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// Writes a document to a file that has the ending of its name and no other part of it.
    pub(super) fn put(&self, uri: &str, bytes: &[u8]) -> io::Result<Placed> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder()?.join(number.to_string());
        make(&folder)?;
        let extension = title::extension(uri).unwrap_or_default();
        let is_plain = extension.len() <= EXTENSION_CHARS_MAX
            && !extension.is_empty()
            && extension.chars().all(|c| c.is_ascii_alphanumeric());
        let name = if is_plain { format!("document.{extension}") } else { "document".to_owned() };
        let placed = Placed { path: folder.join(name), folder };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&placed.path)?.write_all(bytes)?;
        Ok(placed)
    }

    fn folder(&self) -> io::Result<PathBuf> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*made {
            return Ok(folder.clone());
        }
        let folder = match &self.wanted {
            Some(wanted) => {
                make(wanted)?;
                wanted.clone()
            }
            None => make_among_others()?,
        };
        Ok(made.insert(folder).clone())
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Some(folder) = self.made.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Placed {
    /// Returns the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its folder, in which a command may leave files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes a folder that nobody else can look into; fails where there is something of that name.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

fn make_among_others() -> io::Result<PathBuf> {
    let process = std::process::id();
    for attempt in 0..TRIES_MAX {
        let folder = std::env::temp_dir().join(format!("kbingest-{process}-{attempt}"));
        match make(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
