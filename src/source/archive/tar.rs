//! Reads the members of a tar file (POSIX.1-2001 pax, ustar, GNU) one after the other from a
//! stream.
//!
//! Unlike the libraries for it, it keeps no more of a name than a path may have: a header of 512
//! bytes can announce a name of gigabytes, which compresses to kilobytes. Nor does it accept a
//! member that is cut short by the end of the stream: that is an error. Sparse members, stored
//! without their holes, are skipped and reported.

use std::io::{self, Read};

use super::member::NAME_BYTES_MAX;

/// Headers and contents are padded to this size.
const BLOCK_BYTES: usize = 512;

/// Limit on the records of one pax header, in bytes; they include extended attributes of up to 64
/// KiB each.
const RECORDS_BYTES_MAX: u64 = 1 << 20;

/// Bytes of an overlong name that are shown.
const NAME_BYTES_SHOWN: usize = 100;

/// A member as its headers describe it; its bytes are then read from [`TarReader`].
pub(super) struct TarMember {
    /// The name, or its beginning if it is too long.
    pub(super) name: Vec<u8>,
    /// Length of the whole name, in bytes.
    pub(super) name_bytes: u64,
    pub(super) is_file: bool,
    pub(super) is_sparse: bool,
}

/// A tar file, read up to some position inside a member.
pub(super) struct TarReader<'a> {
    stream: &'a mut dyn Read,
    /// Bytes of the member that are not read yet.
    left: u64,
    /// Bytes of padding between the member and the next header.
    padding: u64,
}

/// What the headers before a member say about it.
#[derive(Default)]
struct Extensions {
    /// Name by GNU tar; it wins over the other.
    long_name: Option<(Vec<u8>, u64)>,
    path: Option<(Vec<u8>, u64)>,
    size: Option<u64>,
    is_sparse: bool,
    has_records: bool,
}

impl<'a> TarReader<'a> {
    pub(super) fn new(stream: &'a mut dyn Read) -> Self {
        Self { stream, left: 0, padding: 0 }
    }

    /// Skips the rest of a member, and returns the next one; `None` at the end. Calls `see` for
    /// headers that belong to no member, as there may be any number of them; its error ends the
    /// reading.
    pub(super) fn next<E: From<io::Error>>(
        &mut self,
        mut see: impl FnMut() -> Result<(), E>,
    ) -> Result<Option<TarMember>, E> {
        let mut extensions = Extensions::default();
        loop {
            self.finish()?;
            let Some(header) = self.header()? else {
                let is_cut = extensions.long_name.is_some() || extensions.has_records;
                return if is_cut {
                    Err(wrong("its last member is missing").into())
                } else {
                    Ok(None)
                };
            };
            let size = number(&header[124..136])?;
            self.stands_before(size);
            match header[156] {
                b'L' => {
                    let name = self.long_name()?;
                    if extensions.long_name.replace(name).is_some() {
                        return Err(wrong("a member has two long names").into());
                    }
                }
                // The target of a link is not needed.
                b'K' => {}
                b'x' => {
                    if std::mem::replace(&mut extensions.has_records, true) {
                        return Err(wrong("a member has two pax headers").into());
                    }
                    let records = self.records()?;
                    extensions.read(&records)?;
                }
                b'g' => see()?,
                kind => {
                    if kind == b'S' {
                        extensions.is_sparse = true;
                        self.skip_sparse_headers(&header)?;
                    }
                    self.stands_before(extensions.size.unwrap_or(size));
                    let (name, name_bytes) =
                        extensions.long_name.or(extensions.path).unwrap_or_else(|| {
                            let name = name_of(&header);
                            let length = name.len() as u64;
                            (name, length)
                        });
                    let is_file = matches!(kind, b'0' | 0 | b'7' | b'S')
                        && (!name.ends_with(b"/") || name_bytes > NAME_BYTES_MAX as u64);
                    let is_sparse = extensions.is_sparse;
                    return Ok(Some(TarMember { name, name_bytes, is_file, is_sparse }));
                }
            }
        }
    }

    /// Sets the distance to the next header.
    fn stands_before(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK_BYTES as u64 - size % BLOCK_BYTES as u64) % BLOCK_BYTES as u64;
    }

    fn finish(&mut self) -> io::Result<()> {
        for part in [self.left, self.padding] {
            let passed = io::copy(&mut (&mut *self.stream).take(part), &mut io::sink())?;
            if passed < part {
                return Err(wrong("it ends inside of a member"));
            }
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    /// Reads the next header; `None` at the end, which is marked by two empty blocks or by the end
    /// of the stream.
    fn header(&mut self) -> io::Result<Option<[u8; BLOCK_BYTES]>> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // The checksum is computed with blanks in its own field.
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        let own: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
        if number(&block[148..156])? != u64::from(sum - own + 8 * u32::from(b' ')) {
            return Err(wrong("the checksum of a header does not match"));
        }
        Ok(Some(block))
    }

    fn block(&mut self) -> io::Result<Option<[u8; BLOCK_BYTES]>> {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(wrong("it ends inside of a header")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(block))
    }

    /// Reads the name in the content of a GNU tar member, up to the maximum length.
    fn long_name(&mut self) -> io::Result<(Vec<u8>, u64)> {
        let size = self.left;
        // Most names end with a zero byte.
        let is_name = size <= NAME_BYTES_MAX as u64 + 1;
        let wanted = if is_name { size } else { NAME_BYTES_SHOWN as u64 };
        let mut name = Vec::new();
        Read::take(&mut *self, wanted).read_to_end(&mut name)?;
        if is_name {
            name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
            let length = name.len() as u64;
            return Ok((name, length));
        }
        Ok((name, size))
    }

    /// Reads the records of a pax header.
    fn records(&mut self) -> io::Result<Vec<u8>> {
        if self.left > RECORDS_BYTES_MAX {
            // The position of the next member may be in these records.
            let size = self.left;
            return Err(wrong(&format!("a header of {size} bytes is over {RECORDS_BYTES_MAX}")));
        }
        let mut records = Vec::new();
        self.read_to_end(&mut records)?;
        Ok(records)
    }

    /// Skips the blocks that continue the map of a sparse member.
    fn skip_sparse_headers(&mut self, header: &[u8; BLOCK_BYTES]) -> io::Result<()> {
        let mut has_more = header[482] != 0;
        while has_more {
            let block = self.block()?.ok_or_else(|| wrong("it ends inside of a header"))?;
            has_more = block[504] != 0;
        }
        Ok(())
    }
}

impl Read for TarReader<'_> {
    /// Reads the member's bytes; fails if the stream has fewer than announced.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.stream.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(wrong("it ends inside of a member"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl Extensions {
    /// Reads records of the form `length key=value` and a line feed; the length includes all of it.
    fn read(&mut self, mut records: &[u8]) -> io::Result<()> {
        let malformed = || wrong("a pax header cannot be read");
        while !records.is_empty() && records[0] != 0 {
            let blank = records.iter().position(|&byte| byte == b' ').ok_or_else(malformed)?;
            let length: usize = text(&records[..blank])
                .and_then(|digits| digits.parse().ok())
                .filter(|&length| length > blank + 1 && length <= records.len())
                .ok_or_else(malformed)?;
            let (record, rest) = records.split_at(length);
            let record = record[blank + 1..].strip_suffix(b"\n").ok_or_else(malformed)?;
            let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(malformed)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                // An empty value cancels the one of a global header, which is not read.
                b"path" | b"GNU.sparse.name" if !value.is_empty() => {
                    let is_name = value.len() <= NAME_BYTES_MAX;
                    let kept = if is_name { value } else { &value[..NAME_BYTES_SHOWN] };
                    self.path = Some((kept.to_vec(), value.len() as u64));
                }
                b"size" if !value.is_empty() => {
                    let size = text(value).and_then(|digits| digits.parse().ok());
                    self.size = Some(size.ok_or_else(malformed)?);
                }
                _ => {}
            }
            self.is_sparse |= key.starts_with(b"GNU.sparse.");
            records = rest;
        }
        Ok(())
    }
}

/// Returns the name in a header; ustar may store its beginning in another field.
fn name_of(header: &[u8; BLOCK_BYTES]) -> Vec<u8> {
    let field = |range: std::ops::Range<usize>| {
        let field = &header[range];
        &field[..field.iter().position(|&byte| byte == 0).unwrap_or(field.len())]
    };
    let (name, prefix) = (field(0..100), field(345..500));
    let is_ustar = &header[257..263] == b"ustar\0";
    if is_ustar && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() }
}

/// Reads a number: octal digits or, after a byte of 128, binary. Negative numbers are errors.
fn number(field: &[u8]) -> io::Result<u64> {
    let not_a_number = || wrong("a number in a header cannot be read");
    if field[0] & 0x80 != 0 {
        let (above, low) = field.split_at(field.len() - 8);
        let is_small =
            above.iter().enumerate().all(|(at, &byte)| byte == if at == 0 { 0x80 } else { 0 });
        let low = <[u8; 8]>::try_from(low).map_err(|_| not_a_number())?;
        let value = u64::from_be_bytes(low);
        return if is_small && i64::try_from(value).is_ok() {
            Ok(value)
        } else {
            Err(not_a_number())
        };
    }
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let digits = text(&field[..end]).ok_or_else(not_a_number)?.trim();
    if digits.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(digits, 8).map_err(|_| not_a_number())
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
