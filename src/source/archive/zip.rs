//! Reads a zip file's directory entry by entry: it is never held in memory.
//!
//! A directory may list the same bytes many times, so that a file of kilobytes unpacks to terabytes
//! (D. Fifield, "A better zip bomb", WOOT 2019). No archiver does that; such members are refused.

use std::io::{self, Read, Seek, SeekFrom};

use zip::read::Config;
use zip::result::ZipResult;
use zip::unstable::read::ZipIterable;

/// Size of a local header without name and extra fields (APPNOTE 4.3.7).
const LOCAL_HEADER_BYTES: u64 = 30;

/// Offset of the lengths of name and extra fields in a local header.
const LENGTHS_AT: u64 = 26;

/// Position of a member in the file.
struct Extent {
    start: u64,
    end: u64,
    index: usize,
}

/// Returns for each of the first `members_max` members whether it shares bytes with another one, or
/// with the directory.
///
/// If the directory is damaged, the members after that are not listed.
pub(super) fn sharing<R: Read + Seek>(
    zip: &mut ZipIterable<R>,
    members_max: u64,
) -> ZipResult<Vec<bool>> {
    let files = zip.files()?;
    let mut extents = Vec::new();
    let mut directory_at = u64::MAX;
    let members_max = usize::try_from(members_max).unwrap_or(usize::MAX);
    for (index, entry) in files.by_ref().take(members_max).enumerate() {
        let Ok(entry) = entry else { break };
        directory_at = directory_at.min(entry.central_header_start());
        extents.push(Extent { start: entry.header_start(), end: entry.compressed_size(), index });
    }
    for extent in &mut extents {
        // A missing header becomes an error of its member.
        let lengths = lengths(files.reader_mut(), extent.start).unwrap_or(0);
        let size = LOCAL_HEADER_BYTES.saturating_add(lengths).saturating_add(extent.end);
        extent.end = extent.start.saturating_add(size);
    }
    let mut shares = vec![false; extents.len()];
    extents.sort_unstable_by_key(|extent| (extent.start, extent.end));
    let mut farthest: Option<&Extent> = None;
    for extent in &extents {
        shares[extent.index] |= extent.end > directory_at;
        if let Some(before) = farthest.filter(|before| extent.start < before.end) {
            shares[extent.index] = true;
            shares[before.index] = true;
        }
        if farthest.is_none_or(|before| extent.end > before.end) {
            farthest = Some(extent);
        }
    }
    Ok(shares)
}

/// Opens the directory of a zip file.
pub(super) fn open<R: Read + Seek>(file: R) -> ZipResult<ZipIterable<R>> {
    ZipIterable::try_new(file, Config::default())
}

fn lengths(file: &mut (impl Read + Seek), header_at: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(header_at.saturating_add(LENGTHS_AT)))?;
    let mut lengths = [0; 4];
    file.read_exact(&mut lengths)?;
    let [name, extra] = [[lengths[0], lengths[1]], [lengths[2], lengths[3]]];
    Ok(u64::from(u16::from_le_bytes(name)) + u64::from(u16::from_le_bytes(extra)))
}
