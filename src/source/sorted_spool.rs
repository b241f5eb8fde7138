//! Entries in uri order, whatever the order in which they come, in bounded memory: an external
//! merge sort (Knuth, The Art of Computer Programming, volume 3, section 5.4).
//!
//! On disk: at most one file without a name among the system's temporary files, which the system
//! frees when the process ends, however it ends. If it cannot be written, the entries stay in
//! memory.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{ListError, uri};
use crate::domain::Entry;
use crate::support::files;

/// Bytes of entries that are sorted in memory; more are written out.
const MEMORY_BYTES_MAX: usize = 4 << 20;
/// Bytes read at once of each sorted part; a listing of a million documents has some fifty parts.
const READ_BYTES: usize = 16 << 10;

/// Entries that are being collected.
#[derive(Debug)]
pub struct SortedSpool {
    memory_bytes_max: usize,
    entries: Vec<Entry>,
    entries_bytes: usize,
    /// The file cannot be written, and is not tried again.
    stays_in_memory: bool,
    file: Option<Arc<File>>,
    written_bytes: u64,
    /// Where in the file each sorted part is.
    parts: Vec<Range<u64>>,
    count: u64,
}

impl Default for SortedSpool {
    fn default() -> Self {
        Self::with_memory(MEMORY_BYTES_MAX)
    }
}

impl SortedSpool {
    fn with_memory(memory_bytes_max: usize) -> Self {
        Self {
            memory_bytes_max,
            entries: Vec::new(),
            entries_bytes: 0,
            stays_in_memory: false,
            file: None,
            written_bytes: 0,
            parts: Vec::new(),
            count: 0,
        }
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) {
        self.count += 1;
        self.entries_bytes += size_of::<Entry>() + entry.uri.len();
        self.entries.push(entry);
        if self.entries_bytes >= self.memory_bytes_max && !self.stays_in_memory {
            match self.write_out() {
                Ok(()) => {
                    self.entries.clear();
                    self.entries_bytes = 0;
                }
                Err(error) => {
                    tracing::debug!(%error, "a listing stays in memory");
                    self.stays_in_memory = true;
                }
            }
        }
    }

    /// Returns how many entries there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the entries by [`uri::uri_order`]. What cannot be read back ends the listing with an
    /// error that blocks deletions.
    pub fn sorted(mut self) -> impl Iterator<Item = Result<Entry, ListError>> + Send + use<> {
        sort(&mut self.entries);
        let file = self.file.clone();
        let parts = self.parts.into_iter().filter_map(|range| {
            let part = Part { file: Arc::clone(file.as_ref()?), range };
            Some(Lines::OnDisk(BufReader::with_capacity(READ_BYTES, part)))
        });
        Merge::new(parts.chain([Lines::InMemory(self.entries.into_iter())]).collect())
    }

    /// Writes the entries in memory as a sorted part: JSON, a line each.
    fn write_out(&mut self) -> io::Result<()> {
        sort(&mut self.entries);
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = files::nameless(&std::env::temp_dir().join("kbingest-listing"))?;
                Arc::clone(self.file.insert(Arc::new(file)))
            }
        };
        let start = self.written_bytes;
        let mut writer = BufWriter::new(At { file: &file, offset: start });
        for entry in &self.entries {
            serde_json::to_writer(&mut writer, entry)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()?;
        self.written_bytes = writer.get_ref().offset;
        self.parts.push(start..self.written_bytes);
        Ok(())
    }
}

fn sort(entries: &mut [Entry]) {
    // Fast for what is sorted already, as most listings are.
    entries.sort_by(|one, other| uri::uri_order(&one.uri, &other.uri));
}

/// Writes to a file from an offset on.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.offset)?;
        self.offset += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a part of a file.
struct Part {
    file: Arc<File>,
    range: Range<u64>,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.range.start)?;
        self.range.start += count as u64;
        Ok(count)
    }
}

/// Sorted entries.
enum Lines {
    InMemory(std::vec::IntoIter<Entry>),
    OnDisk(BufReader<Part>),
}

impl Lines {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Self::InMemory(entries) => Ok(entries.next()),
            Self::OnDisk(reader) => {
                let mut line = Vec::new();
                let count = reader.read_until(b'\n', &mut line)?;
                if count == 0 { Ok(None) } else { Ok(Some(serde_json::from_slice(&line)?)) }
            }
        }
    }
}

/// The first entry of a part that has not been returned.
struct Head {
    entry: Entry,
    part: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        uri::uri_order(&self.entry.uri, &other.entry.uri).then(self.part.cmp(&other.part))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

/// Merges sorted parts.
struct Merge {
    parts: Vec<Lines>,
    heads: BinaryHeap<Reverse<Head>>,
    /// What could not be read.
    error: Option<io::Error>,
}

impl Merge {
    fn new(parts: Vec<Lines>) -> Self {
        let mut merge = Self { parts, heads: BinaryHeap::new(), error: None };
        (0..merge.parts.len()).for_each(|part| merge.advance(part));
        merge
    }

    fn advance(&mut self, part: usize) {
        match self.parts[part].next() {
            Ok(Some(entry)) => self.heads.push(Reverse(Head { entry, part })),
            Ok(None) => {}
            Err(error) => self.error = Some(error),
        }
    }
}

impl Iterator for Merge {
    type Item = Result<Entry, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(source) = self.error.take() {
            self.heads.clear();
            let uri = String::new();
            return Some(Err(ListError { uri, blocks_deletions: true, is_limit: false, source }));
        }
        let Reverse(Head { entry, part }) = self.heads.pop()?;
        self.advance(part);
        Some(Ok(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Version;

    fn check(count: usize, memory_bytes_max: usize, parts: Range<usize>) {
        check_spool(SortedSpool::with_memory(memory_bytes_max), count, parts);
    }

    fn check_spool(mut spool: SortedSpool, count: usize, parts: Range<usize>) {
        // 7919 is a prime: every number below `count` comes once, in no order.
        for index in 0..count {
            let number = index * 7919 % count;
            spool.push(Entry {
                uri: format!("folder-{:02}/{number:06}.md", number % 17),
                version: (!number.is_multiple_of(3)).then(|| Version(format!("v{number}"))),
                size_bytes: number as u64,
                format_name: number.is_multiple_of(5).then(|| "record.md".to_owned()),
            });
        }
        assert_eq!(spool.count(), count as u64);
        assert!(parts.contains(&spool.parts.len()), "{} parts", spool.parts.len());
        let sorted: Vec<_> = spool.sorted().collect::<Result<_, _>>().expect("it is readable");
        assert_eq!(sorted.len(), count);
        assert!(sorted.is_sorted_by(|one, next| uri::uri_order(&one.uri, &next.uri).is_lt()));
        for entry in &sorted {
            let number = entry.size_bytes;
            assert_eq!(entry.version.is_some(), !number.is_multiple_of(3));
            assert_eq!(entry.format_name.is_some(), number.is_multiple_of(5));
        }
    }

    #[test]
    fn entries_come_in_order() {
        check(0, 1000, 0..1);
        check(1000, usize::MAX, 0..1);
        check(1000, 1000, 20..1000);
        check(1000, 1, 1000..1001);
    }

    #[test]
    fn without_a_place_on_disk_they_stay_in_memory() {
        let spool = SortedSpool { stays_in_memory: true, ..SortedSpool::with_memory(1000) };
        check_spool(spool, 1000, 0..1);
    }
}
