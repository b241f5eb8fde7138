//! The fingerprint of an extracted document: which extractors and limits decided the result.

use std::fmt;
use std::str::FromStr;

use kbingest_support::fingerprint::{Fingerprint, ParseError, Settings};

/// Precedes the extractor that the content requires, if the name suggests another.
const BY_CONTENT: char = '>';

/// Precedes the limits under which extraction failed.
const UNDER_LIMITS: char = '!';

/// What a document was extracted with: `office@4`, `office@4>plain@1`, or either with
/// `!text=16777216,…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractFingerprint {
    /// The extractor or command that the name suggests.
    pub by_name: Fingerprint,
    /// The extractor that the content requires, if it is another.
    pub by_content: Option<Fingerprint>,
    /// The limits under which extraction failed for good.
    pub limits: Option<Settings>,
}

impl ExtractFingerprint {
    /// Returns what the document was extracted by.
    pub fn extractor(&self) -> &Fingerprint {
        self.by_content.as_ref().unwrap_or(&self.by_name)
    }
}

impl fmt::Display for ExtractFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.by_name)?;
        if let Some(extractor) = &self.by_content {
            write!(f, "{BY_CONTENT}{extractor}")?;
        }
        match &self.limits {
            Some(limits) => write!(f, "{UNDER_LIMITS}{limits}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ExtractFingerprint {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (chosen, limits) = optional(text, UNDER_LIMITS);
        let (by_name, by_content) = optional(chosen, BY_CONTENT);
        Ok(Self {
            by_name: by_name.parse()?,
            by_content: by_content.map(str::parse).transpose()?,
            limits: limits.map(str::parse).transpose()?,
        })
    }
}

/// Splits off what follows the first `separator`.
fn optional(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, after)| (before, Some(after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExtractConfig;

    #[test]
    fn fingerprints_are_those_stored_in_files() {
        let check = |text: &str, extractor: &str, limits: Option<&Settings>| {
            let fingerprint: ExtractFingerprint = text.parse().unwrap();
            assert_eq!(fingerprint.to_string(), text);
            assert_eq!(fingerprint.extractor().to_string(), extractor);
            assert_eq!(fingerprint.limits.as_ref(), limits);
        };
        let limits = ExtractConfig::default().fingerprint();
        check("markdown@1", "markdown@1", None);
        check("office@4>plain@1", "plain@1", None);
        check("command@1:cc7c922f46466d63", "command@1:cc7c922f46466d63", None);
        let failed = "pdf@2!text=16777216,pages=10000,memory=536870912,seconds=30";
        check(failed, "pdf@2", Some(&limits));
        let failed = "office@4>pdf@2!text=16777216,pages=10000,memory=536870912,seconds=30";
        check(failed, "pdf@2", Some(&limits));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "markdown", "a@1>", "a@1!", "a@1>b", "a@1>b@1>c@1", "a@1!x=1!y=1", ">a@1"]
        {
            assert!(text.parse::<ExtractFingerprint>().is_err(), "{text}");
        }
    }
}
