//! Percent-encoding (RFC 3986, section 2.1).

use std::fmt::Write;

/// Encodes all of `text` but letters, digits and `-._~/`, so that it is a part of a URI's path.
pub fn encoded_path(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Decodes the escapes in `text`, such as `%41` for `A`; a percent sign without two hexadecimal
/// digits after it stays.
pub fn decoded_bytes(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, escaped(tail)) {
            (b'%', Some(value)) => {
                decoded.push(value);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    decoded
}

/// Decodes like [`decoded_bytes`], and replaces invalid UTF-8.
pub fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&decoded_bytes(text)).into_owned()
}

/// Returns the byte encoded by the two hexadecimal digits at the start of `text`.
pub fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|&byte| (byte as char).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
