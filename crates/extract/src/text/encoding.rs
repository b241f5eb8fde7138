//! Decodes bytes: by BOM, else UTF-8, else an informed guess; or reports that they are not text.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use crate::DocumentError;
use crate::text::charset::declared;
use crate::text::code_page::Charset;

/// A NUL byte this close to the start means binary; git checks as many bytes.
const NUL_SCAN_BYTES: usize = 8 << 10;

/// Bytes used for the guess. chardetng reads 84 MB/s, so more would cost more than everything else
/// together.
const GUESS_BYTES: usize = 64 << 10;

/// Text has at most one control character in this many bytes.
const CONTROL_SHARE: usize = 32;

/// Text has at most one undecodable character in this many characters.
const BROKEN_SHARE: usize = 100;

/// Damaged UTF-8 has at least this many good multi-byte characters for each bad one; other
/// encodings read as UTF-8 have next to none.
const UTF8_GOOD_PER_BROKEN: usize = 10;

/// Starts of files that are not text, with the name of their format.
const MAGICS: [(&[u8], &str); 19] = [
    (b"%PDF-", "PDF document"),
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"RIFF", "RIFF media"),
    (b"PK\x03\x04", "ZIP archive or office document"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"7z\xbc\xaf", "7z archive"),
    (b"\x7fELF", "ELF program"),
    (b"MZ", "Windows program"),
    (b"\xca\xfe\xba\xbe", "Java class"),
    (b"\0asm", "WebAssembly module"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"\xd0\xcf\x11\xe0", "OLE document"),
    (b"OggS", "Ogg media"),
    (b"ID3", "MP3 audio"),
];

/// A text with its original encoding.
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) encoding: String,
}

/// Decodes the bytes of a document; valid UTF-8 stays unchanged, including BOM and line ends.
pub(crate) fn decode(uri: &str, bytes: Vec<u8>) -> Result<Decoded, DocumentError> {
    let skipped = |reason: String| DocumentError::skipped(uri, reason);
    if let Some((encoding, bom_bytes)) = Encoding::for_bom(&bytes)
        && encoding != encoding_rs::UTF_8
    {
        return decode_legacy(uri, Charset::Standard(encoding), &bytes[bom_bytes..]);
    }
    if let Some(reason) = binary(&bytes) {
        return match unmarked_utf16(&bytes) {
            Some(encoding) => decode_legacy(uri, Charset::Standard(encoding), &bytes),
            None => Err(skipped(reason)),
        };
    }
    if switches_to_japanese(&bytes)
        && let Ok(decoded) = decode_legacy(uri, Charset::Standard(encoding_rs::ISO_2022_JP), &bytes)
        && !decoded.text.contains(char::REPLACEMENT_CHARACTER)
    {
        return Ok(decoded);
    }
    let has_bom = bytes.starts_with(b"\xef\xbb\xbf");
    let (text, encoding) = match String::from_utf8(bytes) {
        Ok(text) => (text, if has_bom { "utf-8-bom" } else { "utf-8" }),
        Err(error) if is_damaged_utf8(error.as_bytes()) => {
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), "utf-8-lossy")
        }
        Err(error) => {
            let first_bad = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            return decode_legacy(uri, Charset::Standard(guess(&bytes, first_bad)), &bytes);
        }
    };
    if has_many_controls(&text) {
        return Err(skipped("binary content".into()));
    }
    Ok(Decoded { text, encoding: encoding.into() })
}

/// Returns what the bytes are if they are plainly not text.
fn binary(bytes: &[u8]) -> Option<String> {
    let has_nul = memchr::memchr(0, &bytes[..bytes.len().min(NUL_SCAN_BYTES)]).is_some();
    let magic = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic));
    match magic {
        Some((magic, name)) if has_nul || !may_start_text(magic) => {
            Some(format!("binary content ({name})"))
        }
        _ => has_nul.then(|| "binary content".into()),
    }
}

/// Returns the encoding of text in UTF-16 without a mark: in languages with Latin letters every
/// other byte is zero.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let (pairs, _) = bytes[..bytes.len().min(NUL_SCAN_BYTES)].as_chunks::<2>();
    if pairs.len() < 4
        || bytes.len() % 2 == 1
        || MAGICS.iter().any(|(magic, _)| bytes.starts_with(magic))
    {
        return None;
    }
    let zeros = |at: usize| pairs.iter().filter(|pair| pair[at] == 0).count();
    let letters = pairs.iter().flatten().filter(|byte| byte.is_ascii_alphabetic()).count();
    let (first, second) = (zeros(0), zeros(1));
    let is_text = |zeros: usize, others: usize| {
        others == 0 && zeros * 2 >= pairs.len() && letters * 2 >= pairs.len()
    };
    if is_text(second, first) {
        Some(encoding_rs::UTF_16LE)
    } else if is_text(first, second) {
        Some(encoding_rs::UTF_16BE)
    } else {
        None
    }
}

/// Reports whether a text has the escape sequences of ISO-2022-JP before Japanese characters; all
/// its bytes are those of ASCII.
fn switches_to_japanese(bytes: &[u8]) -> bool {
    let mut escapes = memchr::memchr_iter(0x1b, bytes);
    escapes.any(|at| matches!(bytes.get(at + 1..at + 3), Some(b"$B" | b"$@"))) && bytes.is_ascii()
}

/// Reports whether a magic is so short and plain that a text may begin with it.
fn may_start_text(magic: &[u8]) -> bool {
    magic.len() <= 4 && magic.iter().all(u8::is_ascii_alphanumeric)
}

/// Decodes bytes in an encoding that their format or server declares.
pub(crate) fn decode_as(
    uri: &str,
    charset: Charset,
    bytes: &[u8],
) -> Result<Decoded, DocumentError> {
    match binary(bytes) {
        Some(reason) => Err(DocumentError::skipped(uri, reason)),
        None => decode_legacy(uri, charset, bytes),
    }
}

/// Decodes a document that may declare its encoding itself, like XML.
pub(crate) fn decode_declared(uri: &str, bytes: Vec<u8>) -> Result<Decoded, DocumentError> {
    match declared(&bytes, None) {
        Some(charset) => decode_as(uri, charset, &bytes),
        None => decode(uri, bytes),
    }
}

fn decode_legacy(uri: &str, charset: Charset, bytes: &[u8]) -> Result<Decoded, DocumentError> {
    let text = charset.decode(bytes);
    let name = charset.name();
    if has_many_controls(&text) {
        return Err(DocumentError::skipped(uri, "binary content"));
    }
    if has_many_broken(&text) {
        return Err(DocumentError::permanent(
            uri,
            format!("looks like {name}, but cannot be decoded as that"),
        ));
    }
    Ok(Decoded { text, encoding: name })
}

/// Distinguishes UTF-8 with a few broken bytes (a truncated log, a bad paste) from text in another
/// encoding.
fn is_damaged_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut broken) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        // Every character that is not ASCII has one such leading byte.
        good += chunk.valid().bytes().filter(|&byte| byte >= 0xC0).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    good >= broken * UTF8_GOOD_PER_BROKEN
}

/// Guesses an encoding other than UTF-8 from the text around the first informative byte.
fn guess(bytes: &[u8], first_bad: usize) -> &'static Encoding {
    let start = bytes[..first_bad].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let start = start.max(first_bad.saturating_sub(GUESS_BYTES / 2));
    let end = bytes.len().min(start + GUESS_BYTES);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes[start..end], end == bytes.len());
    detector.guess(None, Utf8Detection::Deny)
}

/// Reports whether the text's start has more control characters than any text has. Tabs, line ends,
/// form feeds, backspaces (overstriking) and escapes (coloured logs) are text.
fn has_many_controls(text: &str) -> bool {
    let start = &text.as_bytes()[..text.len().min(GUESS_BYTES)];
    let is_control = |byte: &u8| u8::from(matches!(byte, 0..=7 | 14..=26 | 28..=31 | 127));
    // Summed up in bytes, as many as one holds, so that the compiler adds 16 or 32 at once.
    let parts = start.chunks(usize::from(u8::MAX));
    let controls: usize =
        parts.map(|part| usize::from(part.iter().map(is_control).sum::<u8>())).sum();
    controls * CONTROL_SHARE > start.len()
}

fn has_many_broken(text: &str) -> bool {
    let broken = text.matches(char::REPLACEMENT_CHARACTER).count();
    broken * BROKEN_SHARE > text.chars().count()
}
