//! The encoding that a server, or a page or other XML itself, declares.
//!
//! After the HTML standard, section 13.2.3 "The input byte stream": a byte order mark wins, then
//! the server, then `<meta charset>` within the first bytes. A declaration is ignored if the bytes
//! are UTF-8, as many pages declare a wrong encoding.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, X_USER_DEFINED};

use crate::text::code_page::Charset;

/// Bytes of the page in which its own declaration is searched; the standard says 1024, but pages
/// exceed it.
const SCAN_BYTES: usize = 4096;

/// Returns the encoding to decode with; `None` if the bytes have to decide.
pub(crate) fn declared(bytes: &[u8], charset: Option<&str>) -> Option<Charset> {
    if Encoding::for_bom(bytes).is_some() || std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let server = charset.and_then(|label| Charset::of_label(label.as_bytes()));
    let charset = server.or_else(|| in_page(bytes))?;
    // A page whose declaration can be read in ASCII is not in UTF-16.
    let is_believable = ![UTF_8, UTF_16BE, UTF_16LE, X_USER_DEFINED]
        .into_iter()
        .any(|encoding| charset == Charset::Standard(encoding));
    is_believable.then_some(charset)
}

fn in_page(bytes: &[u8]) -> Option<Charset> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(SCAN_BYTES)]).to_ascii_lowercase();
    let after = ["charset=", "encoding="].iter().find_map(|key| start.split_once(key))?.1;
    let label = after.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)))?;
    Charset::of_label(&label.as_bytes()[..end])
}
