//! SQLite's variable-length integers: seven bits per byte, most significant first, and all eight
//! bits of the ninth byte (<https://sqlite.org/fileformat2.html#varint>).

/// Appends `value` to `bytes`.
// Called for every word of a corpus, nearly always with less than 128: without the hint, whether
// this is inlined changes with code elsewhere.
#[inline(always)]
pub fn put(bytes: &mut Vec<u8>, value: u64) {
    if value < 1 << 7 {
        bytes.push(value as u8);
    } else {
        put_long(bytes, value);
    }
}

#[inline(never)]
fn put_long(bytes: &mut Vec<u8>, value: u64) {
    if value < 1 << 14 {
        bytes.extend_from_slice(&[(value >> 7) as u8 | 0x80, value as u8 & 0x7f]);
        return;
    }
    let is_nine = value >> 56 != 0;
    if is_nine {
        bytes.extend((1..9).map(|part| (value >> (64 - 7 * part)) as u8 | 0x80));
        bytes.push(value as u8);
        return;
    }
    let parts = (64 - value.leading_zeros()).div_ceil(7);
    bytes.extend((1..parts).rev().map(|part| (value >> (7 * part)) as u8 | 0x80));
    bytes.push(value as u8 & 0x7f);
}

/// Decodes and removes the integer at the start of `bytes`; `None` if they end before it does.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            value = (value << 8) | u64::from(*byte);
        } else {
            value = (value << 7) | u64::from(byte & 0x7f);
        }
        if byte & 0x80 == 0 || index == 8 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{put, take};

    #[test]
    fn integers_are_what_was_put() {
        let near = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) | 0x55]);
        for value in near.chain([u64::MAX]) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            let bits = 64 - value.leading_zeros().min(63);
            assert_eq!(bytes.len() as u32, bits.div_ceil(7).min(9), "{value:x}");
            let mut rest = &bytes[..];
            assert_eq!(take(&mut rest), Some(value));
            assert!(rest.is_empty());
            assert_eq!(take(&mut &bytes[..bytes.len() - 1]), None);
        }
    }
}
