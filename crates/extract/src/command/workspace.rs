//! The folder that contains the documents of commands.
//!
//! On disk: a folder of this process alone, in the cache of the knowledge base or in the system's
//! folder for temporary files, created with the first document and removed at the end. What a
//! killed process left in the cache is removed by the next run, under its lock.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kbingest_support::cache::{Cache, WORKSPACE};
use kbingest_support::files;
use kbingest_support::own_folder::OwnFolder;

use crate::title;

/// Characters of an extension that are kept.
const EXTENSION_CHARS_MAX: usize = 16;

/// Limit on the names tried for a new folder.
const TRIES_MAX: u32 = 100;

/// Writes documents to files for commands.
pub(super) struct Workspace {
    /// The cache that contains the folder; `None`: among the system's temporary files.
    wanted: Option<Arc<Cache>>,
    made: Mutex<Option<Arc<OwnFolder>>>,
    next: AtomicU64,
}

/// A document in a folder of its own; both are removed when it is dropped.
pub(super) struct Placed {
    all: Arc<OwnFolder>,
    name: String,
    folder: PathBuf,
    path: PathBuf,
}

impl Workspace {
    /// Creates nothing yet.
    pub(super) fn new(wanted: Option<Arc<Cache>>) -> Self {
        Self { wanted, made: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// Writes a document to a file that has the extension of its name and no other part of it.
    pub(super) fn put(&self, uri: &str, bytes: &[u8]) -> io::Result<Placed> {
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let all = self.folder()?;
        let folder = all.subfolder(&number)?.path().to_owned();
        let extension = title::extension(uri).unwrap_or_default();
        let is_plain = extension.len() <= EXTENSION_CHARS_MAX
            && !extension.is_empty()
            && extension.chars().all(|c| c.is_ascii_alphanumeric());
        let name = if is_plain { format!("document.{extension}") } else { "document".to_owned() };
        let placed = Placed { path: folder.join(name), folder, name: number, all };
        files::create_new(&placed.path)?.write_all(bytes)?;
        Ok(placed)
    }

    fn folder(&self) -> io::Result<Arc<OwnFolder>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*made {
            return Ok(Arc::clone(folder));
        }
        let folder = match &self.wanted {
            Some(cache) => {
                let folder = cache.subfolder(WORKSPACE)?;
                folder.clear()?;
                folder
            }
            None => make_among_others()?,
        };
        Ok(Arc::clone(made.insert(Arc::new(folder))))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let made = self.made.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(folder) = made else { return };
        let _ = match (&self.wanted, Arc::try_unwrap(folder)) {
            (Some(cache), _) => cache.folder().and_then(|cache| cache.remove(WORKSPACE)),
            (None, Ok(folder)) => folder.remove_all(),
            // A document is still in use, by a process that no longer exists.
            (None, Err(folder)) => folder.clear(),
        };
    }
}

impl Placed {
    /// Returns the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its folder, in which a command may create files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let _ = self.all.remove(&self.name);
    }
}

fn make_among_others() -> io::Result<OwnFolder> {
    let process = std::process::id();
    for attempt in 0..TRIES_MAX {
        let folder = std::env::temp_dir().join(format!("kbingest-{process}-{attempt}"));
        match OwnFolder::create_new(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
