//! The cache of one knowledge base: clones, listings of archives, unpacked members, documents for
//! commands.
//!
//! On disk: an [`OwnFolder`], created when something is first put into it, so that a kb.toml that
//! needs none works on a machine without a writable home. Its user holds a lock on the folder:
//! another machine that shares the home may have a knowledge base at the same path. All of it may
//! be removed at any time.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::own_folder::{OwnFolder, cache_places};

/// Clones of repositories, one folder each.
pub const CLONES: &str = "git";
/// Listings of archives, one file each.
pub const LISTINGS: &str = "archives";
/// Prefix of the files for unpacked members, which are unlinked as soon as they are created.
pub const SPOOL: &str = "spool-";
/// Documents for commands.
pub const WORKSPACE: &str = "tmp";

/// The folder, opened when it is first needed.
#[derive(Debug)]
pub struct Cache {
    kb: PathBuf,
    root: Option<PathBuf>,
    opened: Mutex<Option<Arc<OwnFolder>>>,
}

/// Two caches are equal if they belong to the same knowledge base.
impl PartialEq for Cache {
    fn eq(&self, other: &Self) -> bool {
        (&self.kb, &self.root) == (&other.kb, &other.root)
    }
}

impl Eq for Cache {}

impl Cache {
    /// Prepares the cache of the knowledge base at `kb`, below `root` if given, otherwise in the
    /// user's own cache folder. Creates nothing.
    pub fn new(kb: &Path, root: Option<&Path>) -> Self {
        Self { kb: kb.to_owned(), root: root.map(Path::to_owned), opened: Mutex::default() }
    }

    /// Returns the folders in or below which it may be: nothing there is a document.
    pub fn places(&self) -> Vec<PathBuf> {
        let [user, beside] = cache_places(&self.kb, self.root.as_deref());
        let user = user.and_then(|folder| folder.parent().map(Path::to_owned));
        user.into_iter().chain(beside).collect()
    }

    /// Returns its path, even if it does not exist yet, for messages.
    pub fn shown_path(&self) -> PathBuf {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let found = opened.as_ref().map(|folder| folder.path().to_owned());
        found.or_else(|| self.places().into_iter().next()).unwrap_or_else(|| self.kb.clone())
    }

    /// Opens the folder, and creates it if it does not exist. The error names it.
    pub fn folder(&self) -> io::Result<Arc<OwnFolder>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*opened {
            return Ok(Arc::clone(folder));
        }
        let folder = OwnFolder::for_knowledge_base(&self.kb, self.root.as_deref())?;
        Ok(Arc::clone(opened.insert(Arc::new(folder))))
    }

    /// Opens its subfolder `name`, and creates it if it does not exist.
    pub fn subfolder(&self, name: &str) -> io::Result<OwnFolder> {
        self.folder()?.subfolder(name)
    }

    /// Removes the listings of archives; does not create a missing folder.
    pub fn forget_listings(&self) {
        self.tidy(&|kind, _| kind != LISTINGS);
    }

    /// Removes what killed processes left in it, and the data of sources that no longer exist:
    /// `is_wanted` gets the folder and the name. Does not create a missing folder; a failure only
    /// costs space.
    pub fn tidy(&self, is_wanted: &dyn Fn(&str, &OsStr) -> bool) {
        let [user, beside] = cache_places(&self.kb, self.root.as_deref());
        let opened = [
            user.map(|place| OwnFolder::open_in_cache(&place)),
            beside.map(|place| OwnFolder::open(&place)),
        ];
        // Not created by us, or in use by another machine: left alone.
        for folder in opened.into_iter().flatten().flatten() {
            if !folder.try_lock() {
                continue;
            }
            let _ = folder.remove(WORKSPACE);
            for name in folder.entries().unwrap_or_default() {
                if name.as_encoded_bytes().starts_with(SPOOL.as_bytes()) {
                    let _ = folder.remove(&name);
                }
            }
            for kind in [CLONES, LISTINGS] {
                let Ok(Some(inner)) = folder.existing_subfolder(kind) else { continue };
                for name in inner.entries().unwrap_or_default() {
                    if !is_wanted(kind, &name) {
                        let _ = inner.remove(&name);
                    }
                }
            }
        }
    }
}
