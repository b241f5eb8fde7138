//! Fingerprints: what decides a result, as text that is stored and compared.
//!
//! A stored fingerprint that differs from the current one means that the work is done again, so its
//! text is part of the file format. It is written here and never by `Debug`, whose output may
//! change with any version of a library.

use std::fmt::{self, Write};
use std::str::FromStr;

/// Characters that separate the parts of a fingerprint, or fingerprints from each other; white
/// space does too.
const SEPARATORS: &str = "%,=>!";

/// Name and version of some code, and the settings it depends on: `markdown@3:max_tokens=256`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Name of the code: letters, digits, `-`, `_`, `+` and `.`.
    pub name: String,
    /// Raised whenever the code gives other results for the same input.
    pub version: u32,
    /// What else decides the results.
    pub settings: Settings,
}

/// Settings in a fixed order: `text=16777216,pages=10000`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Vec<(String, String)>);

/// A text that is not a fingerprint, or not one that this version writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    text: String,
}

impl Fingerprint {
    /// Returns the fingerprint of code without settings.
    pub fn new(name: &str, version: u32) -> Self {
        Self { name: name.to_owned(), version, settings: Settings::default() }
    }

    /// Returns the fingerprint of code by its `id`, a constant such as `markdown@3`.
    pub fn of_code(id: &'static str) -> Self {
        let parts = id.split_once('@');
        let parts = parts.and_then(|(name, version)| Some((name, version.parse().ok()?)));
        let (name, version) = parts.expect("the id of code is a name and a version");
        Self::new(name, version)
    }

    /// Adds a setting.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.settings = self.settings.with(key, value);
        self
    }

    /// Adds a setting for each value of a list.
    #[must_use]
    pub fn with_each<T: fmt::Display>(
        self,
        key: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        values.into_iter().fold(self, |fingerprint, value| fingerprint.with(key, value))
    }

    /// Adds the hash of data that the code depends on; it has no key.
    #[must_use]
    pub fn with_hash(self, hash: &str) -> Self {
        self.with("", hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, settings } = self;
        write!(f, "{name}@{version}")?;
        if settings.0.is_empty() { Ok(()) } else { write!(f, ":{settings}") }
    }
}

impl FromStr for Fingerprint {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (id, settings) = match text.split_once(':') {
                Some((id, settings)) => (id, settings.parse().ok()?),
                None => (text, Settings::default()),
            };
            let (name, version) = id.split_once('@')?;
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
            let is_name = !name.is_empty() && name.chars().all(is_allowed);
            let version = version.parse().ok()?;
            is_name.then(|| Self { name: name.to_owned(), version, settings })
        };
        canonical(text, parse())
    }
}

impl Settings {
    /// Adds a setting.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.0.push((key.to_owned(), value.to_string()));
        self
    }

    /// Returns the first value of the setting `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key, value)) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            if !key.is_empty() {
                write!(f, "{key}=")?;
            }
            write_escaped(f, value)?;
        }
        Ok(())
    }
}

impl FromStr for Settings {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let setting = |text: &str| match text.split_once('=') {
            Some((key, value)) => Some((key.to_owned(), unescaped(value)?)),
            None if text.is_empty() => None,
            None => Some((String::new(), unescaped(text)?)),
        };
        canonical(text, text.split(',').map(setting).collect::<Option<_>>().map(Self))
    }
}

/// Returns what was read from `text` if it would be written as the same text again.
fn canonical<T: fmt::Display>(text: &str, read: Option<T>) -> Result<T, ParseError> {
    read.filter(|read| read.to_string() == text).ok_or_else(|| ParseError { text: text.to_owned() })
}

fn write_escaped(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    for c in value.chars() {
        if SEPARATORS.contains(c) || c.is_whitespace() || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                write!(f, "%{byte:02X}")?;
            }
        } else {
            f.write_char(c)?;
        }
    }
    Ok(())
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not a fingerprint: name@version or name@version:key=value,…",
            self.text
        )
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_were_written() {
        let check = |fingerprint: Fingerprint, expected: &str| {
            assert_eq!(fingerprint.to_string(), expected);
            assert_eq!(expected.parse(), Ok(fingerprint));
        };
        let code = |name| Fingerprint::new(name, 3);
        check(code("markdown"), "markdown@3");
        check(code("source+grammar"), "source+grammar@3");
        check(code("static-en-256").with_hash("39404"), "static-en-256@3:39404");
        check(code("plain").with("max", 256).with("overlap", 0), "plain@3:max=256,overlap=0");
        let globs = ["**/*.md", "a,b=c", "é%"];
        check(code("a").with_each("glob", globs), "a@3:glob=**/*.md,glob=a%2Cb%3Dc,glob=é%25");
        check(code("a").with_each("glob", [""; 0]), "a@3");
        check(code("a").with("empty", "").with("is", true), "a@3:empty=,is=true");
        check(code("a").with("path", "/my docs\n>x!"), "a@3:path=/my%20docs%0A%3Ex%21");
        check(code("a").with("time", "12:30@x"), "a@3:time=12:30@x");
    }

    #[test]
    fn values_have_keys() {
        let fingerprint: Fingerprint = "words@1:language=de,text=a%2Cb".parse().unwrap();
        assert_eq!(fingerprint.settings.get("language"), Some("de"));
        assert_eq!(fingerprint.settings.get("text"), Some("a,b"));
        assert_eq!(fingerprint.settings.get("pages"), None);
    }

    #[test]
    fn other_texts_are_refused() {
        let check = |text: &str| {
            let error = text.parse::<Fingerprint>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("\"{text}\" is not a fingerprint")), "{error}");
        };
        for text in ["", "markdown", "@1", "markdown@", "markdown@x", "markdown@-1", "a b@1"] {
            check(text);
        }
        for text in ["a@01", "a@+1", "a@99999999999", "a@1@2", "a@1>b@1", "a@1!b=1", "a@1 "] {
            check(text);
        }
        for text in
            ["a@1:", "a@1:,", "a@1:k=a=b", "a@1:k=%2c", "a@1:k=%", "a@1:k=%zz", "a@1:k=é%FF"]
        {
            check(text);
        }
    }
}
