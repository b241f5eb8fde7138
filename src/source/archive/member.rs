//! One member of an archive: whether it is wanted, and its entry as a document.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::{Entry, Version};
use crate::source::globs::Globs;
use crate::source::uri;

/// Limit on a member's name, in bytes; the system allows no longer paths either.
pub(super) const NAME_BYTES_MAX: usize = 4096;

/// Bytes of a longer name that are shown.
const NAME_BYTES_SHOWN: usize = 100;

/// The content of an archive.
#[derive(Serialize, Deserialize)]
pub(super) struct Listed {
    /// In URI order.
    pub(super) members: Vec<Member>,
    pub(super) problems: Vec<Problem>,
}

/// A member that could not be listed.
#[derive(Serialize, Deserialize)]
pub(super) struct Problem {
    pub(super) uri: String,
    pub(super) blocks_deletions: bool,
    pub(super) reason: String,
}

/// A wanted member.
#[derive(Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) uri: String,
    /// Hash of its bytes, or of what is known about it if they are not.
    pub(super) version: String,
    pub(super) size_bytes: u64,
    /// Offset of its bytes in the spool.
    pub(super) offset: u64,
    /// Why it is skipped.
    pub(super) too_large: Option<String>,
    /// Why it cannot be read.
    pub(super) damage: Option<String>,
}

impl Member {
    /// Returns the version for a hash of a member's bytes, or of what is known instead.
    pub(super) fn version_of(hash: blake3::Hash) -> String {
        hash.to_hex()[..32].to_owned()
    }

    pub(super) fn entry(&self) -> Entry {
        let version = Some(Version(self.version.clone()));
        let (uri, size_bytes) = (self.uri.clone(), self.size_bytes);
        Entry { uri, version, size_bytes, format_name: None }
    }
}

/// The settings that decide which members are wanted.
pub(super) struct Wanted {
    pub(super) globs: Globs,
    pub(super) hidden: bool,
}

/// The result of judging a member's name.
pub(super) enum Name {
    /// Its URI inside the source.
    Wanted(String),
    /// Excluded by the settings, or not a file.
    Unwanted,
    /// It leads out of the archive; its shortened URI.
    Leaves(String),
    /// It is too long for a path; a shortened form of it.
    TooLong(String),
}

impl Wanted {
    /// Judges a name of `name_bytes` bytes, of which `name` may only be the beginning; `outer` is
    /// the URI of the archive that contains it, with a `/`, or empty.
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
        let uri = format!("{outer}{}", encoded(&inner));
        let is_hidden = parts.iter().any(|part| part.starts_with(b"."));
        if is_hidden && !self.hidden {
            return Name::Unwanted;
        }
        // The names of nested archives add up.
        if let Cow::Owned(shown) = uri::shortened(&uri) {
            return Name::TooLong(shown);
        }
        Name::Wanted(uri)
    }

    /// Reports whether the settings want the document at `uri`.
    pub(super) fn wants(&self, uri: &str) -> bool {
        self.globs.wants(&uri::decode(uri))
    }

    /// Reports whether the archive at `uri` may contain wanted documents.
    pub(super) fn wants_below(&self, uri: &str) -> bool {
        self.globs.wants_below(&uri::decode(uri))
    }
}
