//! A number of bytes as people write it: `1024`, `"500kB"`, `"10MiB"`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const ALLOWED: &str =
    "a whole number of bytes, or a number with a unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB";

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text)
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is not a size; allowed is {ALLOWED}"))
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..unit_at].trim_end(), &text[unit_at..]);
    let factor = match unit {
        "" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let size = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if fraction.is_empty() {
        return (whole.len() == number.len()).then_some(size);
    }
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor)
        / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    size.checked_add(u64::try_from(part).ok()?)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS[5..].iter().rev().find(|(_, factor)| self.0 >= *factor);
        match binary {
            None => write!(f, "{} bytes", self.0),
            Some((unit, factor)) if self.0.is_multiple_of(*factor) => {
                write!(f, "{} {unit}", self.0 / factor)
            }
            Some((unit, factor)) => write!(f, "{:.1} {unit}", self.0 as f64 / *factor as f64),
        }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ALLOWED)
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
                let negative =
                    |_| E::custom(format!("{bytes} is not a size; allowed is {ALLOWED}"));
                u64::try_from(bytes).map(ByteSize).map_err(negative)
            }

            fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(text.parse::<ByteSize>().ok().map(|size| size.0), expected, "{text}");
        };
        check("0", Some(0));
        check("1024", Some(1024));
        check("500kB", Some(500_000));
        check("500 KB", Some(500_000));
        check(" 10MiB ", Some(10 << 20));
        check("1.5MiB", Some(3 << 19));
        check("0.25 GB", Some(250_000_000));
        check("12345678901234567890TiB", None);
        check("99999999999999999999", None);
        check("10 M", None);
        check("1.", None);
        check(".5MB", None);
        check("-1", None);
        check("1e3", None);
        check("MiB", None);
        check("", None);
        check("1 0", None);
        check("10 MiB/s", None);
        check("١٢", None);
    }

    #[test]
    fn sizes_are_shown_in_binary_units() {
        let check = |bytes, expected: &str| assert_eq!(ByteSize(bytes).to_string(), expected);
        check(0, "0 bytes");
        check(1023, "1023 bytes");
        check(1536, "1.5 KiB");
        check(10 << 20, "10 MiB");
        check((10 << 20) + 1, "10.0 MiB");
        check(1 << 40, "1 TiB");
    }
}
