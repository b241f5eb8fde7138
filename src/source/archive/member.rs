//! One member of an archive: whether it is wanted, and what it is as a document.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::{Entry, Version};
use crate::source::globs::Globs;
use crate::source::uri;

/// Bytes of a member's name at most; the system allows no longer path either.
pub(super) const NAME_BYTES_MAX: usize = 4096;

/// Bytes of a longer name that are shown.
const NAME_BYTES_SHOWN: usize = 100;

/// What is in an archive.
#[derive(Serialize, Deserialize)]
pub(super) struct Listed {
    /// In uri order.
    pub(super) members: Vec<Member>,
    pub(super) problems: Vec<Problem>,
}

/// What could not be listed.
#[derive(Serialize, Deserialize)]
pub(super) struct Problem {
    pub(super) uri: String,
    pub(super) blocks_deletions: bool,
    pub(super) reason: String,
}

/// A member that is wanted.
#[derive(Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) uri: String,
    /// Made of the hash of its bytes; of what is known where they are not.
    pub(super) version: String,
    pub(super) size_bytes: u64,
    /// Where its bytes begin in the spool.
    pub(super) offset: u64,
    /// Why it is left out.
    pub(super) too_large: Option<String>,
    /// Why it cannot be read.
    pub(super) damage: Option<String>,
}

impl Member {
    /// Returns the version of a member whose bytes, or what is known instead, have that hash.
    pub(super) fn version_of(hash: blake3::Hash) -> String {
        hash.to_hex()[..32].to_owned()
    }

    pub(super) fn entry(&self) -> Entry {
        let version = Some(Version(self.version.clone()));
        Entry { uri: self.uri.clone(), version, size_bytes: self.size_bytes }
    }
}

/// What decides which members are wanted.
pub(super) struct Wanted {
    pub(super) globs: Globs,
    pub(super) hidden: bool,
}

/// What a member's name says.
pub(super) enum Name {
    /// Its address in the archive.
    Wanted(String),
    /// Left out by the settings, or no file.
    Unwanted,
    /// It leads out of the archive.
    Leaves(String),
    /// It is longer than a path may be; what is shown of it.
    TooLong(String),
}

impl Wanted {
    /// Judges the name of a member of `name_bytes`, of which `name` may be the beginning only; `outer` is the address of
    /// the archive that it is in, with a `/`, or empty.
    pub(super) fn judge(&self, outer: &str, name: &[u8], name_bytes: u64) -> Name {
        let encoded = |name: &[u8]| uri::encode(Path::new(OsStr::from_bytes(name)));
        if name_bytes > NAME_BYTES_MAX as u64 {
            let beginning = &name[..name.len().min(NAME_BYTES_SHOWN)];
            let whole = format!("{outer}{}… ({name_bytes} bytes)", encoded(beginning));
            return Name::TooLong(uri::shortened(&whole).into_owned());
        }
        let mut parts: Vec<&[u8]> = name.split(|&byte| byte == b'/').collect();
        let is_absolute = parts.first().is_some_and(|part| part.is_empty());
        parts.retain(|part| !part.is_empty() && *part != b".");
        let climbs = parts.contains(&&b".."[..]) || name.starts_with(b"..\\");
        if is_absolute || climbs || name.contains(&0) {
            return Name::Leaves(uri::shortened(&format!("{outer}{}", encoded(name))).into_owned());
        }
        if parts.is_empty() {
            return Name::Unwanted;
        }
        let inner = parts.join(&b'/');
        let address = format!("{outer}{}", encoded(&inner));
        let is_hidden = parts.iter().any(|part| part.starts_with(b"."));
        if is_hidden && !self.hidden {
            return Name::Unwanted;
        }
        // Archives inside each other add up.
        if let Cow::Owned(shown) = uri::shortened(&address) {
            return Name::TooLong(shown);
        }
        Name::Wanted(address)
    }

    /// Tells whether the settings want the document at `address`.
    pub(super) fn wants(&self, address: &str) -> bool {
        self.globs.wants_file(&uri::decode(address))
    }
}
