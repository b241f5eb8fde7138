//! Which documents a search covers: by source, URI, metadata and date.

use std::fmt;
use std::str::FromStr;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::analysis::ParsedQuery;
use crate::support::names::nfc;

/// Metadata that say when a document was written or changed, the best first; without any of them,
/// the name of the file may begin with a date.
const DATE_KEYS: [&str; 23] = [
    "date",
    "lastmod",
    "last_update.date",
    "updated_at",
    "updated",
    "modified",
    "last_modified",
    "lastModified",
    "last_updated",
    "dateModified",
    "ms.date",
    "publishDate",
    "publish_date",
    "published",
    "published_at",
    "pubDate",
    "datePublished",
    "created",
    "created_at",
    "revdate",
    "docdate",
    "git.changed",
    "year",
];

/// Months by the first three letters of their English names.
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Which documents are searched; all given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents whose URI matches one of these; empty: any URI.
    pub uris: Vec<UriGlob>,
    /// Only documents with all these metadata: a key, `a.b` for `b` inside of `a`, and its value,
    /// or one of its values.
    pub metadata: Vec<(String, String)>,
    /// Only documents of this day or a later one.
    pub after: Option<Day>,
    /// Only documents of an earlier day.
    pub before: Option<Day>,
}

/// A glob of URIs, which are compared in NFC; a `*` stays inside a folder, as in kb.toml.
#[derive(Clone, Debug)]
pub struct UriGlob {
    text: String,
    /// Of this one glob: a set matches the usual globs without a regular expression.
    set: GlobSet,
}

impl FromStr for UriGlob {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let glob = GlobBuilder::new(&nfc(text)).literal_separator(true).build();
        let set = glob.and_then(|glob| GlobSetBuilder::new().add(glob).build());
        match set {
            Ok(set) => Ok(Self { text: text.to_owned(), set }),
            Err(error) => Err(FilterError::Glob(error.to_string())),
        }
    }
}

impl fmt::Display for UriGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl FromStr for Day {
    type Err = FilterError;

    /// Reads the day that `text` begins with or stands for: ISO 8601 (a month or a year alone mean
    /// its first day), or the date of a mail (RFC 2822).
    fn from_str(text: &str) -> Result<Self, FilterError> {
        parse_date(text).map(Self).ok_or_else(|| FilterError::Day(text.to_owned()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text cannot be part of a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is not a glob.
    #[error("{0}; a glob is needed, as in \"operations/**\" or \"**/*.md\"")]
    Glob(String),
    /// It is not a day.
    #[error("\"{0}\" is no day; one is needed, as in 2025-01-31, 2025-01 or 2025")]
    Day(String),
}

/// A document as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub struct DocumentView<'a> {
    /// Name of its source.
    pub source: &'a str,
    /// URI inside the source.
    pub uri: &'a str,
    /// JSON object.
    pub metadata: &'a str,
}

impl Filter {
    /// Reports whether it admits every document.
    pub fn is_empty(&self) -> bool {
        self.source.is_none() && self.uris.is_empty() && !self.reads_metadata()
    }

    /// Reports whether it compares metadata.
    fn reads_metadata(&self) -> bool {
        !self.metadata.is_empty() || self.after.is_some() || self.before.is_some()
    }

    /// Reports whether a document is searched.
    pub fn admits(&self, document: DocumentView<'_>) -> bool {
        self.source.as_ref().is_none_or(|name| name == document.source)
            && (self.uris.is_empty() || self.admits_uri(document.uri))
            && (!self.reads_metadata() || self.admits_metadata(document))
    }

    fn admits_uri(&self, uri: &str) -> bool {
        let uri = nfc(uri);
        let uri = Candidate::new(&*uri);
        self.uris.iter().any(|glob| glob.set.is_match_candidate(&uri))
    }

    fn admits_metadata(&self, document: DocumentView<'_>) -> bool {
        let metadata = serde_json::from_str(document.metadata).unwrap_or_default();
        let has = |(key, value): &(String, String)| {
            let wanted = value.to_lowercase();
            find_all(&metadata, key).into_iter().any(|found| is(found, &wanted))
        };
        self.metadata.iter().all(has)
            && (self.after.is_none() && self.before.is_none()
                || self.admits_date(&metadata, document.uri))
    }

    /// A document without a readable date matches no date.
    fn admits_date(&self, metadata: &Value, uri: &str) -> bool {
        stated_date(metadata, uri).is_some_and(|date| {
            self.after.is_none_or(|Day(after)| date >= after)
                && self.before.is_none_or(|Day(before)| date < before)
        })
    }
}

/// Returns the day that a document states, in its metadata or its name.
pub fn day_of(document: DocumentView<'_>) -> Option<Day> {
    let metadata = serde_json::from_str(document.metadata).unwrap_or_default();
    stated_date(&metadata, document.uri).map(Day)
}

fn stated_date(metadata: &Value, uri: &str) -> Option<Date> {
    let stated = DATE_KEYS.iter().filter_map(|key| match find(metadata, key)? {
        Value::String(text) => parse_date(text),
        Value::Number(number) => parse_date(&number.to_string()),
        _ => None,
    });
    stated.chain(date_of_name(uri)).next()
}

/// Reports whether the sources named in a query include `source`.
pub fn is_named(query: &ParsedQuery, source: &str) -> bool {
    let names = |names: &[String]| names.iter().any(|name| name == source);
    (query.sources.is_empty() || names(&query.sources)) && !names(&query.excluded_sources)
}

/// Returns the value at `key`, a name or names separated by dots, ignoring case.
fn find<'a>(metadata: &'a Value, key: &str) -> Option<&'a Value> {
    let child = |name: &str| {
        let mut entries = metadata.as_object()?.iter();
        entries
            .find(|(known, _)| known.to_lowercase() == name.to_lowercase())
            .map(|(_, value)| value)
    };
    child(key).or_else(|| {
        let (name, rest) = key.split_once('.')?;
        find(child(name)?, rest)
    })
}

/// Returns the values at `key`, also those of the maps of a list, as in `authors.name`.
fn find_all<'a>(metadata: &'a Value, key: &str) -> Vec<&'a Value> {
    if let Some(found) = find(metadata, key) {
        return vec![found];
    }
    let names = key.char_indices().filter(|(_, c)| *c == '.').map(|(at, _)| key.split_at(at));
    let of_maps = |(name, rest): (&str, &str)| {
        let maps = find(metadata, name)?.as_array()?;
        Some(maps.iter().flat_map(|map| find_all(map, &rest[1..])).collect::<Vec<_>>())
    };
    names.filter_map(of_maps).flatten().collect()
}

/// Reports whether `value` is `wanted`, in lower case, or a list that contains it: a list, one of
/// maps, or one that is separated by commas. A `*` in `wanted` stands for any text, a `?` for a
/// character.
fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| match value {
            Value::Object(map) => map.values().any(|value| is(value, wanted)),
            value => is(value, wanted),
        }),
        Value::String(text) => {
            let text = text.to_lowercase();
            let mut parts = std::iter::once(text.as_str()).chain(text.split([',', ';']));
            parts.any(|part| is_like(part.trim(), wanted))
        }
        Value::Number(_) | Value::Bool(_) => {
            serde_json::from_str(wanted).is_ok_and(|wanted: Value| wanted == *value)
                || wanted.contains(['*', '?']) && is_like(&value.to_string(), wanted)
        }
        Value::Null | Value::Object(_) => false,
    }
}

/// Reports whether `text` is `pattern`, or matches it with its `*` and `?`.
fn is_like(text: &str, pattern: &str) -> bool {
    if !pattern.contains(['*', '?']) || text == pattern {
        return text == pattern;
    }
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut place) = (0, 0);
    // The last star, and the text that it has matched so far.
    let mut star = None;
    while at < text.len() {
        match pattern.get(place) {
            Some('*') => {
                star = Some((place, at));
                place += 1;
            }
            Some(c) if *c == '?' || *c == text[at] => (at, place) = (at + 1, place + 1),
            _ => {
                let Some((of_star, matched)) = star else { return false };
                star = Some((of_star, matched + 1));
                (at, place) = (matched + 1, of_star + 1);
            }
        }
    }
    pattern[place..].iter().all(|c| *c == '*')
}

fn parse_date(text: &str) -> Option<Date> {
    let text = text.trim();
    if let Ok(time) = jiff::fmt::rfc2822::parse(text) {
        return Some(time.date());
    }
    // As Org writes them.
    let text = text.trim_start_matches(['<', '[']);
    let end = text.find(|c: char| !c.is_ascii_digit() && !"-/".contains(c)).unwrap_or(text.len());
    let parts: Vec<&str> = text[..end].split(['-', '/']).collect();
    let number = |part: &str| part.parse::<i16>().ok();
    let (year, month, day) = match parts.as_slice() {
        [whole] if whole.len() == 8 => {
            (number(&whole[..4])?, number(&whole[4..6])?, number(&whole[6..])?)
        }
        [year, rest @ ..] if year.len() == 4 => {
            let part = |at: usize| rest.get(at).map_or(Some(1), |part| number(part));
            (number(year)?, part(0)?, part(1)?)
        }
        // The month is first, as in America, unless there is no such month.
        [first, second, year] if year.len() == 4 => match (number(first)?, number(second)?) {
            (day, month) if day > 12 => (number(year)?, month, day),
            (month, day) => (number(year)?, month, day),
        },
        _ => return parse_named_month(text),
    };
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// Parses `May 1, 2024`, `1 May 2024`, `1st of May, 2024`, `Wednesday, 1 May 2024` and `May 2024`.
fn parse_named_month(text: &str) -> Option<Date> {
    let (mut year, mut month, mut day) = (None, None, None);
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()).take(6) {
        let lower = word.to_lowercase();
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let named = MONTHS
            .iter()
            .position(|name| lower.starts_with(name) && lower.chars().all(char::is_alphabetic));
        match digits.parse::<i16>() {
            Ok(number) if digits.len() == 4 => year = year.or(Some(number)),
            Ok(number) if digits.len() <= 2 => day = day.or(i8::try_from(number).ok()),
            _ => month = month.or(named.and_then(|at| i8::try_from(at + 1).ok())),
        }
    }
    Date::new(year?, month?, day.unwrap_or(1)).ok()
}

/// Returns the date that the name of a file begins with, as Jekyll's posts: `2024-05-06-title.md`.
fn date_of_name(uri: &str) -> Option<Date> {
    let name = uri.rsplit('/').next()?;
    let date = name.get(..10)?;
    let is_end = name[10..].starts_with(|c: char| !c.is_alphanumeric());
    let is_date = date.char_indices().all(|(at, c)| match at {
        4 | 7 => c == '-',
        _ => c.is_ascii_digit(),
    });
    (is_date && is_end).then(|| parse_date(date)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_forms_that_documents_have() {
        for (text, expected) in [
            ("2024-03-05", Some("2024-03-05")),
            ("2024-03-05T23:59:00+09:00", Some("2024-03-05")),
            ("2024-03-05 10:00", Some("2024-03-05")),
            ("2024/03/05", Some("2024-03-05")),
            ("2024-03", Some("2024-03-01")),
            ("2024", Some("2024-01-01")),
            ("Tue, 05 Mar 2024 08:00:00 +0100", Some("2024-03-05")),
            ("20240305", Some("2024-03-05")),
            ("<2024-03-05 Tue>", Some("2024-03-05")),
            ("03/05/2024", Some("2024-03-05")),
            ("15/03/2024", Some("2024-03-15")),
            ("March 5, 2024", Some("2024-03-05")),
            ("5 Mar 2024", Some("2024-03-05")),
            ("the 5th of March, 2024", Some("2024-03-05")),
            ("Tuesday, 5 March 2024 10:30", Some("2024-03-05")),
            ("Sept. 2024", Some("2024-09-01")),
            ("2024-13-05", None),
            ("13/13/2024", None),
            ("March 5", None),
            ("05.03.2024", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(
                parse_date(text).map(|date| date.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn the_first_date_that_can_be_read_counts() {
        let check = |uri: &str, metadata: &str, expected: bool| {
            let day = |text: &str| Some(text.parse().unwrap());
            let filter =
                Filter { after: day("2024-05-06"), before: day("2024-05-07"), ..Filter::default() };
            let document = DocumentView { source: "docs", uri, metadata };
            assert_eq!(filter.admits(document), expected, "{uri} {metadata}");
        };
        for metadata in [
            r#"{"lastmod": "2024-05-06", "published": "2020-01-01"}"#,
            r#"{"last_update": {"date": "5/6/2024"}}"#,
            r#"{"ms.date": "05/06/2024"}"#,
            r#"{"pubDate": "May 6, 2024", "git.changed": "2020-01-01"}"#,
            r#"{"date": "soon", "updated_at": "2024-05-06T07:08:09Z"}"#,
            r#"{"publishDate": 20240506}"#,
        ] {
            check("a.md", metadata, true);
        }
        check("_posts/2024-05-06-a.md", "{}", true);
        check("2024-05-06.md", "{}", true);
        check("2024-05-06-a.md", r#"{"date": "2020-01-01"}"#, false);
        check("2024-05-061.md", "{}", false);
        check("a.md", "{}", false);
    }

    #[test]
    fn metadata_are_compared_by_value() {
        let metadata = r#"{"Author": "Ann Lee", "tags": ["Boats", 7], "a": {"b": true}, "x.y": 1,
            "authors": [{"name": "Bob Ray", "org": {"id": "acme"}}, {"name": "Cy"}], "v": 1.25,
            "keywords": "Sails, rope;  Tar ", "c": {"list": [{"k": "deep"}]}}"#;
        for (key, value, expected) in [
            ("author", "ann lee", true),
            ("author", "ann", false),
            ("tags", "boats", true),
            ("tags", "7", true),
            ("tags", "7.0", false),
            ("a.b", "true", true),
            ("x.y", "1", true),
            ("a", "b", false),
            ("a", "true", false),
            ("authors", "bob ray", true),
            ("authors.name", "Cy", true),
            ("authors.name", "acme", false),
            ("authors.org.id", "ACME", true),
            ("c.list.k", "deep", true),
            ("keywords", "rope", true),
            ("keywords", "tar", true),
            ("keywords", "sails, rope;  tar", true),
            ("keywords", "rop", false),
            ("keywords", "rop*", true),
            ("author", "*lee", true),
            ("author", "a?n*", true),
            ("author", "a?l*", false),
            ("tags", "b*s", true),
            ("v", "1.*", true),
            ("authors.name", "bob*", true),
            ("nothing", "", false),
        ] {
            let filter =
                Filter { metadata: vec![(key.to_owned(), value.to_owned())], ..Filter::default() };
            let document = DocumentView { source: "docs", uri: "a.md", metadata };
            assert_eq!(filter.admits(document), expected, "{key}={value}");
            let document = DocumentView { metadata: "not json", ..document };
            assert!(!filter.admits(document));
        }
    }
}
