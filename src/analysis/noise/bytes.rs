//! Which bytes data is made of.

/// Least bytes of data: more than a SHA-512 in hexadecimal digits.
pub(super) const BYTES_MIN: usize = 140;

/// Shortest line of data that is wrapped.
pub(super) const LINE_BYTES_MIN: usize = 60;

/// Bytes of a run that show whether it is data.
pub(super) const SEEN_BYTES: usize = 512;

/// Bytes that are compared at once, and how far it is to the next ones: a run of
/// [`LINE_BYTES_MIN`] includes some.
pub(super) const PROBE_BYTES: usize = 16;
pub(super) const STEP_BYTES: usize = LINE_BYTES_MIN - PROBE_BYTES + 1;

pub(super) const STANDARD: u8 = 1;
pub(super) const URL: u8 = 2;
pub(super) const VALUE: u8 = 4;

/// What a byte may be a part of: base64, its form for URLs (RFC 4648, section 5), lists of values.
/// A table, as every text is searched for them.
pub(super) static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let it = byte as u8;
        if it.is_ascii_alphanumeric() || it == b'=' {
            classes[byte] |= STANDARD | URL;
        }
        if matches!(it, b'+' | b'/') {
            classes[byte] |= STANDARD;
        }
        if matches!(it, b'-' | b'_') {
            classes[byte] |= URL;
        }
        if it.is_ascii_hexdigit() || matches!(it, b'x' | b'X') || is_between_values(it) {
            classes[byte] |= VALUE;
        }
        byte += 1;
    }
    classes
};

pub(super) const fn is_between_values(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\t' | b'\r' | b'\n' | b':' | b';' | b'\\' | b'"' | b'\'')
}

pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Returns the number of bytes at the start that are of a class.
pub(super) fn length_of(bytes: &[u8], class: u8) -> usize {
    bytes.iter().take_while(|byte| is(**byte, class)).count()
}
