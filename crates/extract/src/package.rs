//! ZIP files as packages of named parts, with limits that hold for any directory.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use crate::DocumentError;

/// Limit on the unpacked bytes of one part.
const PART_BYTES_MAX: u64 = 64 << 20;

/// Limit on the parts of a package.
const PARTS_MAX: usize = 20_000;

/// An opened package.
pub(crate) struct Package<'a> {
    uri: &'a str,
    archive: ZipArchive<Cursor<Vec<u8>>>,
    /// Bytes that may still be unpacked.
    budget: u64,
}

impl<'a> Package<'a> {
    /// Opens the package.
    pub(crate) fn open(uri: &'a str, bytes: Vec<u8>) -> Result<Self, DocumentError> {
        let failed = |reason: String| DocumentError::permanent(uri, reason);
        let archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| failed(format!("cannot be read as a ZIP file: {error}")))?;
        if archive.len() > PARTS_MAX {
            return Err(failed(format!("has {} parts, at most {PARTS_MAX}", archive.len())));
        }
        Ok(Self { uri, archive, budget: 4 * PART_BYTES_MAX })
    }

    /// Reports whether there is a part of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(name).is_some()
    }

    /// Reports whether there is a part in that folder.
    #[cfg(feature = "office")]
    pub(crate) fn has_below(&self, folder: &str) -> bool {
        self.archive.file_names().flatten().any(|name| name.starts_with(folder))
    }

    /// Unpacks a part.
    pub(crate) fn read(&mut self, name: &str) -> Result<Vec<u8>, DocumentError> {
        let uri = self.uri;
        let failed = |reason: String| DocumentError::permanent(uri, reason);
        let part = self
            .archive
            .by_name(name)
            .map_err(|error| failed(format!("has no part {name} that can be read: {error}")))?;
        if part.encrypted() {
            return Err(failed("is encrypted: it opens with a password only".to_owned()));
        }
        let limit = PART_BYTES_MAX.min(self.budget);
        let mut bytes = Vec::new();
        part.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(format!("its part {name} is damaged: {error}")))?;
        if bytes.len() as u64 > limit {
            return Err(failed(format!("its part {name} unpacks to more than {limit} bytes")));
        }
        self.budget -= bytes.len() as u64;
        Ok(bytes)
    }
}
