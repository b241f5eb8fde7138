//! Scans ASCII words, eight bytes at a time.
//!
//! Each byte is a lane of a `u64`, the first one lowest; the result for a byte is the top bit of
//! its lane. A loop over bytes ends with an unpredictable branch, once per word, which costs more
//! than the word.

/// Bytes in a [`Lanes`].
pub const LANES: usize = 8;

/// The top bit of every lane.
const TOP: u64 = each(0x80);

/// Eight bytes of a text.
#[derive(Clone, Copy)]
pub struct Lanes(u64);

impl Lanes {
    /// Returns the bytes of `text` from `at` on, 0 beyond its end.
    pub fn at(text: &[u8], at: usize) -> Self {
        let rest = text.get(at..).unwrap_or_default();
        Self(match rest.first_chunk() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => fewer(rest),
        })
    }

    /// Returns the number of letters and digits at its beginning.
    pub fn word_len(self) -> usize {
        let folded = self.0 | each(0x20);
        let alphanumeric = between(folded, b'a', b'z') | between(self.0, b'0', b'9');
        (!alphanumeric & TOP).trailing_zeros() as usize / 8
    }

    /// Reports whether one of the bytes `from .. to`, both at most [`LANES`], is a capital.
    pub fn has_capital(self, from: usize, to: usize) -> bool {
        between(self.0, b'A', b'Z') & below(to) & !below(from) != 0
    }

    /// Returns the first `length` bytes as a number, 0 after the last.
    pub fn first(self, length: usize) -> u64 {
        self.0 & below(length)
    }

    /// Returns the first `length` bytes, at most [`LANES`], as a number: ASCII capitals in lower
    /// case, 0 after the last.
    pub fn lower(self, length: usize) -> u64 {
        let capitals = between(self.0, b'A', b'Z');
        (self.0 | (capitals >> 2)) & below(length)
    }
}

/// Returns fewer than [`LANES`] bytes as a number, by two loads that may overlap: a copy of so few
/// bytes is a call, and reading them back has to wait for it.
fn fewer(bytes: &[u8]) -> u64 {
    let shift = |from_end: usize| 8 * (bytes.len() - from_end);
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first))
            | u64::from(u32::from_le_bytes(*last)) << shift(size_of::<u32>());
    }
    match (bytes.first_chunk(), bytes.last()) {
        (Some(first), Some(last)) => {
            u64::from(u16::from_le_bytes(*first)) | u64::from(*last) << shift(1)
        }
        _ => bytes.first().copied().map_or(0, u64::from),
    }
}

/// Returns `byte` in every lane.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; LANES])
}

/// Returns the lanes with a byte in `first ..= last`, both ASCII.
fn between(lanes: u64, first: u8, last: u8) -> u64 {
    // Without the top bits, no sum overflows into the next lane.
    let low = lanes & !TOP;
    let reaches_first = low + each(0x80 - first);
    let exceeds_last = low + each(0x7f - last);
    reaches_first & !exceeds_last & !lanes & TOP
}

/// Returns a mask of the first `length` lanes.
fn below(length: usize) -> u64 {
    if length < LANES { (1 << (8 * length)) - 1 } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::{LANES, Lanes};

    #[test]
    fn every_byte_is_detected_in_every_lane() {
        for byte in 0..=u8::MAX {
            for lane in 0..LANES {
                for other in [b'a', b'Z', b'0', 0xff] {
                    let mut text = [other; LANES];
                    text[lane] = byte;
                    let lanes = Lanes::at(&text, 0);
                    let words = text.iter().take_while(|byte| byte.is_ascii_alphanumeric());
                    assert_eq!(lanes.word_len(), words.count(), "{text:?}");
                    let is_capital = byte.is_ascii_uppercase();
                    assert_eq!(lanes.has_capital(lane, lane + 1), is_capital, "{text:?}");
                    let lower = text.to_ascii_lowercase();
                    assert_eq!(lanes.lower(LANES).to_le_bytes(), *lower, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_beyond_is_left_out() {
        assert_eq!(Lanes::at(b"Quay 3", 0).lower(3), u64::from_le_bytes(*b"qua\0\0\0\0\0"));
        assert_eq!(Lanes::at(b"Quay 3", 5).word_len(), 1);
        assert_eq!(Lanes::at(b"Quay 3", 6).word_len(), 0);
        assert_eq!(Lanes::at(b"Quay 3", 9).lower(8), 0);
        for from in 0..=LANES {
            let mut rest = [0; LANES];
            rest[..LANES - from].copy_from_slice(&b"Quay 3.1"[from..]);
            assert_eq!(Lanes::at(b"Quay 3.1", from).first(LANES), u64::from_le_bytes(rest));
        }
        assert!(!Lanes::at(b"QuaY", 0).has_capital(1, 3));
        assert!(!Lanes::at(b"QuaY", 0).has_capital(2, 2));
    }
}
