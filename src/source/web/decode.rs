//! The bytes of sitemaps to text: compressed, and in any encoding.

use std::io::Read;

use encoding_rs::{Encoding, UTF_8};
use flate2::read::MultiGzDecoder;

/// Bytes at the beginning in which a declaration of the encoding is looked for.
const DECLARATION_BYTES: usize = 200;

/// Returns the first `max` bytes of a gzip file; also reports whether that is all.
pub(super) fn decompressed(bytes: &[u8], max: u64) -> (Vec<u8>, bool) {
    let mut plain = Vec::new();
    // A truncated file yields its first part.
    let read = MultiGzDecoder::new(bytes).take(max + 1).read_to_end(&mut plain);
    let is_all = read.is_ok() && plain.len() as u64 <= max;
    plain.truncate(usize::try_from(max).unwrap_or(usize::MAX));
    (plain, is_all)
}

/// Decodes by byte order mark, or by the declaration at the beginning.
pub(super) fn decoded(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if bytes.starts_with(b"<\0") => encoding_rs::UTF_16LE,
        None if bytes.starts_with(b"\0<") => encoding_rs::UTF_16BE,
        None => declared(bytes).unwrap_or(UTF_8),
    };
    encoding.decode(bytes).0
}

fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(DECLARATION_BYTES)];
    let start = String::from_utf8_lossy(start);
    let declaration = start.trim_start().strip_prefix("<?xml")?.split("?>").next()?;
    let (_, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let encoding = Encoding::for_label(value[1..].split(quote).next()?.as_bytes())?;
    // These bytes are ASCII, so it cannot be true.
    let is_ascii = ![encoding_rs::UTF_16LE, encoding_rs::UTF_16BE].contains(&encoding);
    is_ascii.then_some(encoding)
}
