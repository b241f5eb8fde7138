//! How many documents of a source one run may delete: `"50%"`, or a number such as `20`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

const ALLOWED: &str = "a percentage such as \"50%\", or a whole number of documents";

/// Limit on the documents of a source that disappear in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxDelete {
    /// Percent of its documents, 0 to 100; 100 also allows all of them.
    Percent(u8),
    /// Documents, but never all of the source.
    Documents(u64),
}

impl MaxDelete {
    /// Reports whether `gone` of `known` documents may be deleted.
    pub fn allows(self, gone: u64, known: u64) -> bool {
        match self {
            Self::Percent(percent) => {
                u128::from(gone) * 100 <= u128::from(known) * u128::from(percent)
            }
            Self::Documents(max) => gone <= max && gone < known,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_suffix('%')?.trim_end();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let percent = digits.parse().ok().filter(|percent| *percent <= 100 && is_number)?;
        Some(Self::Percent(percent))
    }
}

impl<'de> Deserialize<'de> for MaxDelete {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LimitVisitor;

        impl Visitor<'_> for LimitVisitor {
            type Value = MaxDelete;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ALLOWED)
            }

            fn visit_i64<E: Error>(self, documents: i64) -> Result<MaxDelete, E> {
                let negative =
                    |_| E::custom(format!("{documents} is not a limit; allowed is {ALLOWED}"));
                u64::try_from(documents).map(MaxDelete::Documents).map_err(negative)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<MaxDelete, E> {
                let wrong =
                    || E::custom(format!("\"{text}\" is not a limit; allowed is {ALLOWED}"));
                MaxDelete::parse(text).ok_or_else(wrong)
            }
        }

        deserializer.deserialize_any(LimitVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        let parse = |text: &str| {
            #[derive(serde::Deserialize)]
            struct Table {
                max: MaxDelete,
            }
            toml::from_str::<Table>(&format!("max = {text}"))
                .map(|table| table.max)
                .map_err(|error| error.message().to_owned())
        };
        assert_eq!(parse("\"50%\""), Ok(MaxDelete::Percent(50)));
        assert_eq!(parse("\" 0 % \""), Ok(MaxDelete::Percent(0)));
        assert_eq!(parse("\"100%\""), Ok(MaxDelete::Percent(100)));
        assert_eq!(parse("20"), Ok(MaxDelete::Documents(20)));
        for wrong in ["\"101%\"", "\"50\"", "\"%\"", "\"+5%\"", "\"half\"", "-1"] {
            let error = parse(wrong).unwrap_err();
            assert_eq!(error, format!("{wrong} is not a limit; allowed is {ALLOWED}"));
        }
        assert_eq!(
            parse("0.5").unwrap_err(),
            format!("invalid type: floating point `0.5`, expected {ALLOWED}")
        );
    }

    #[test]
    fn all_documents_go_only_if_the_limit_is_everything() {
        let check = |limit: MaxDelete, gone, known, expected| {
            assert_eq!(limit.allows(gone, known), expected, "{limit:?}: {gone} of {known}");
        };
        check(MaxDelete::Percent(50), 5, 10, true);
        check(MaxDelete::Percent(50), 6, 10, false);
        check(MaxDelete::Percent(0), 1, 1000, false);
        check(MaxDelete::Percent(99), 1, 1, false);
        check(MaxDelete::Percent(100), 39, 39, true);
        check(MaxDelete::Percent(100), u64::MAX, u64::MAX, true);
        check(MaxDelete::Documents(20), 20, 21, true);
        check(MaxDelete::Documents(20), 21, 900, false);
        check(MaxDelete::Documents(20), 3, 3, false);
    }
}
