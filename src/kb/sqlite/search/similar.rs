//! Pages that are versions or translations of each other, among the hits of a search.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::analysis::Language;

/// Words of a shingle: as many neighbouring words as are compared at once.
const SHINGLE_WORDS: usize = 4;
/// Fewest shingles of a text that may be similar to another: short texts are alike by chance.
const SHINGLES_MIN: usize = 12;
/// Share of the shingles of both texts that similar ones have in common.
const SHARE: f64 = 0.8;
/// The same for versions of a page.
const SHARE_OF_VERSIONS: f64 = 0.4;

/// A passage as it is compared with others.
#[derive(Debug)]
pub struct Sketch {
    shingles: HashSet<u64>,
    page: Page,
    language: Language,
    ordinal: i64,
}

/// What a URI says: the page without version and language.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    name: String,
    language: Option<String>,
    version: Option<String>,
}

/// How two passages are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Likeness {
    /// The same text.
    Same,
    /// Nearly the same text, or another version of the page.
    Similar,
    /// The same place of a page in another language.
    Translation,
}

impl Sketch {
    /// Returns the sketch of a chunk's text; `ordinal` is the chunk's place in its document.
    pub fn of(text: &str, uri: &str, ordinal: i64) -> Self {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let hash = |words: &[String]| {
            let mut hasher = DefaultHasher::new();
            words.hash(&mut hasher);
            hasher.finish()
        };
        let shingles = words.windows(SHINGLE_WORDS).map(hash).collect();
        Self { shingles, page: Page::of(uri), language: Language::detect(text), ordinal }
    }

    /// Returns how this passage is like `other`, of another document.
    pub fn likeness(&self, other: &Self) -> Option<Likeness> {
        let is_page = self.page.name == other.page.name;
        if is_page && self.is_translation_of(other) {
            return Some(Likeness::Translation);
        }
        let is_version = is_page && self.page.version != other.page.version;
        let least = if is_version { SHARE_OF_VERSIONS } else { SHARE };
        let are_long = self.shingles.len().min(other.shingles.len()) >= SHINGLES_MIN;
        (are_long && self.shared(other) >= least).then_some(Likeness::Similar)
    }

    /// Each text is in the language that its URI names.
    fn is_translation_of(&self, other: &Self) -> bool {
        let is_named = |sketch: &Self| {
            sketch.page.language.as_ref().is_none_or(|code| code == sketch.language.code())
        };
        self.page.language != other.page.language
            && self.language != other.language
            && is_named(self)
            && is_named(other)
            && self.ordinal.abs_diff(other.ordinal) <= 1
    }

    /// Returns the share of shingles in both (Jaccard's index).
    #[expect(clippy::cast_precision_loss, reason = "a passage has few words")]
    fn shared(&self, other: &Self) -> f64 {
        let both = self.shingles.intersection(&other.shingles).count();
        let any = self.shingles.len() + other.shingles.len() - both;
        both as f64 / any.max(1) as f64
    }
}

impl Page {
    fn of(uri: &str) -> Self {
        let mut page = Self { name: String::new(), language: None, version: None };
        // `guide.de.md` names its language like `de/guide.md`.
        for part in uri.split('/') {
            let mut names = Vec::new();
            let is_file = part.contains('.') && !is_version(part);
            let inner: Vec<_> = if is_file { part.split('.').collect() } else { vec![part] };
            for name in inner {
                let code = name.split(['-', '_']).next().unwrap_or_default().to_lowercase();
                if name.len() <= 5 && Language::from_code(&code).is_some() && is_code(name) {
                    page.language = Some(code);
                } else if is_version(name) && !is_file {
                    page.version = Some(name.to_owned());
                } else {
                    names.push(name);
                }
            }
            if !names.is_empty() {
                page.name.push('/');
                page.name.push_str(&names.join("."));
            }
        }
        page
    }
}

/// Reports whether a name is a code such as `de` or `pt-BR`.
fn is_code(name: &str) -> bool {
    let mut parts = name.split(['-', '_']);
    let is_part = |part: Option<&str>| {
        part.is_none_or(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic()))
    };
    is_part(parts.next()) && is_part(parts.next()) && parts.next().is_none()
}

/// Reports whether a name is a version such as `v1.2`, `3.x` or `latest`.
fn is_version(name: &str) -> bool {
    const NAMES: [&str; 8] =
        ["latest", "stable", "next", "current", "master", "main", "dev", "nightly"];
    let number = name.strip_prefix(['v', 'V']).unwrap_or(name);
    let number = number.strip_suffix(".x").unwrap_or(number);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && number.split(['.', '-', '_']).all(|part| {
            !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit())
        });
    is_number || NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(one: (&str, &str), other: (&str, &str)) -> Option<Likeness> {
        Sketch::of(one.1, one.0, 0).likeness(&Sketch::of(other.1, other.0, 0))
    }

    #[test]
    fn versions_and_translations_are_alike() {
        let text = "The ferry crosses the river when it is calm, and waits at the pier of the old \
                    town until the water falls; the harbour master decides when it leaves again.";
        let edited = text.replace("old town", "new city").replace("decides", "says");
        let german = "Die Fähre überquert den Fluss, wenn es ruhig ist, und wartet am Steg.";
        for (one, other, expected) in [
            (("a.md", text), ("b.md", text), Some(Likeness::Similar)),
            (("docs/v1.2/a.md", text), ("docs/v1.3/a.md", &*edited), Some(Likeness::Similar)),
            (("docs/latest/a.md", text), ("docs/3.x/a.md", &*edited), Some(Likeness::Similar)),
            (("docs/a.md", text), ("docs/b.md", &*edited), None),
            (("docs/v1/a.md", text), ("docs/v2/b.md", &*edited), None),
            (("en/a.md", text), ("de/a.md", german), Some(Likeness::Translation)),
            (("docs/a.md", text), ("docs/de/a.md", german), Some(Likeness::Translation)),
            (("a.en.md", text), ("a.de.md", german), Some(Likeness::Translation)),
            (("en-US/a.md", text), ("de-DE/a.md", german), Some(Likeness::Translation)),
            (("en/a.md", text), ("de/b.md", german), None),
            // Departments, not languages.
            (("hr/a.md", "How to apply for leave of absence."), ("it/a.md", text), None),
        ] {
            assert_eq!(likeness(one, other), expected, "{} {}", one.0, other.0);
        }
        let short =
            |number: u8| format!("The office of quay {number} keeps a ledger of the barges.");
        assert_eq!(likeness(("1.md", &short(1)), ("2.md", &short(2))), None);
    }
}
