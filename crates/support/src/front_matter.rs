//! Front matter: YAML between `---` lines or TOML between `+++` lines at the start of a text, and
//! its lines, read without a parser.
//!
//! There is no specification. A block is front matter if its first line names a key and most of its
//! lines belong to keys; a slide or a memo that begins with `---` and prose is text. The extractor,
//! which reads the values, and the chunker, which leaves them out, share this rule.

use std::ops::Range;

/// Limit on the bytes of front matter; a longer block is text.
const BYTES_MAX: usize = 64 << 10;

/// Limit on the words of a key.
const KEY_WORDS_MAX: usize = 3;

/// Limit on the bytes of a key.
const KEY_BYTES_MAX: usize = 64;

/// The language of front matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Between `---` and `---` or `...`.
    Yaml,
    /// Between `+++` and `+++`.
    Toml,
}

/// Front matter at the start of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontMatter {
    /// Its language.
    pub format: Format,
    /// Bytes between the fences.
    pub content: Range<usize>,
    /// End of the closing fence, without its line end.
    pub end: usize,
    /// Lines of each key, with those that continue its value.
    pub entries: Vec<Range<usize>>,
    /// Lines that belong to no key: they are text.
    pub unread: Vec<Range<usize>>,
}

/// The lines of front matter, those of each key together, and those of none.
#[derive(Default)]
struct Lines {
    entries: Vec<Range<usize>>,
    unread: Vec<Range<usize>>,
}

/// Returns the front matter of `text`, which has no byte order mark.
pub fn find(text: &str) -> Option<FrontMatter> {
    let window = &text[..text.floor_char_boundary(BYTES_MAX)];
    let mut lines = window.split_inclusive('\n');
    let opening = lines.next()?;
    let (format, closings) = match opening.trim_end() {
        "---" => (Format::Yaml, ["---", "..."]),
        "+++" => (Format::Toml, ["+++", "+++"]),
        _ => return None,
    };
    let start = opening.len();
    let mut at = start;
    for line in lines {
        let content = line.trim_end();
        if closings.contains(&content) {
            let Lines { entries, unread } = divided(text, start..at, format)?;
            let end = at + content.len();
            return Some(FrontMatter { format, content: start..at, end, entries, unread });
        }
        at += line.len();
    }
    None
}

/// Returns the lines of each key, and those of none; `None` if it is no front matter.
fn divided(text: &str, content: Range<usize>, format: Format) -> Option<Lines> {
    let whole = text[content.clone()].trim();
    if let Some(inner) = whole.strip_prefix('{').filter(|_| format == Format::Yaml) {
        let is_flow = inner.ends_with('}') && key(inner.trim_start()).is_some();
        return is_flow.then(|| Lines { entries: vec![content], unread: Vec::new() });
    }
    let Lines { mut entries, mut unread } = Lines::default();
    let mut base = None;
    let mut at = content.start;
    for line in text[content].split_inclusive('\n') {
        let range = at..at + line.len();
        at = range.end;
        let words = line.trim();
        if words.is_empty() || words.starts_with('#') {
            if let Some(last) = entries.last_mut().filter(|last| last.end == range.start) {
                last.end = range.end;
            }
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let base = *base.get_or_insert(indent);
        let begins = match format {
            Format::Yaml => indent == base && key(words).is_some(),
            Format::Toml => toml_key(words),
        };
        if begins && !(format == Format::Toml && is_open(text, entries.last())) {
            entries.push(range);
            continue;
        }
        let last = entries.last_mut()?;
        let continues = match format {
            Format::Yaml => {
                indent > base
                    || words.starts_with([']', '}'])
                    || (words == "-" || words.starts_with("- ")) && has_list(&text[last.clone()])
            }
            Format::Toml => true,
        };
        if continues && last.end == range.start {
            last.end = range.end;
        } else {
            unread.push(range);
        }
    }
    let is_metadata = !entries.is_empty() && unread.len() <= entries.len();
    is_metadata.then_some(Lines { entries, unread })
}

/// Splits `key: value`, also with the key in quotes; the value may be empty.
pub fn key(line: &str) -> Option<(&str, &str)> {
    let (key, value) = match line.strip_prefix(['"', '\'']) {
        Some(quoted) => {
            let (key, rest) = quoted.split_once(&line[..1])?;
            (key, rest.trim_start().strip_prefix(':')?)
        }
        None => line.split_once(':')?,
    };
    let key = key.trim_end();
    let is_key = (1..=KEY_BYTES_MAX).contains(&key.len())
        && key.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '@'))
        && key.chars().all(|c| c.is_alphanumeric() || "_-./$@ ".contains(c))
        && key.split_whitespace().count() <= KEY_WORDS_MAX;
    let is_value = value.is_empty() || value.starts_with([' ', '\t']);
    (is_key && is_value).then_some((key, value.trim()))
}

/// Reports whether a line of TOML begins a key or a table.
fn toml_key(line: &str) -> bool {
    let is_key = |key: &str| {
        let is_part = |c: char| c.is_alphanumeric() || "_-.\"' ".contains(c);
        !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.chars().all(is_part)
    };
    line.starts_with('[') || line.split_once('=').is_some_and(|(key, _)| is_key(key))
}

/// Reports whether the value of an entry of TOML is a list or text that has not ended.
fn is_open(text: &str, entry: Option<&Range<usize>>) -> bool {
    let Some((_, value)) = entry.and_then(|entry| text[entry.clone()].split_once('=')) else {
        return false;
    };
    let value = value.trim();
    let is_text = |quotes: &str| value.starts_with(quotes) && !value[3..].contains(quotes);
    is_text("\"\"\"")
        || is_text("'''")
        || value.starts_with('[') && value.matches('[').count() > value.matches(']').count()
}

/// Reports whether an entry's value is below its key: a list may be there.
fn has_list(entry: &str) -> bool {
    let first = entry.lines().next().unwrap_or_default().trim();
    key(first).is_some_and(|(_, value)| value.is_empty() || value.starts_with(['#', '&', '!']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_has_keys() {
        let check = |text: &str, expected: Option<(&[&str], &[&str])>| {
            let found = find(text);
            let lines = |ranges: &[Range<usize>]| -> Vec<String> {
                ranges.iter().map(|range| text[range.clone()].trim_end().to_owned()).collect()
            };
            let actual = found.as_ref().map(|it| (lines(&it.entries), lines(&it.unread)));
            let owned = |lines: &[&str]| lines.iter().map(|&it| it.to_owned()).collect();
            let expected: Option<(Vec<String>, Vec<String>)> =
                expected.map(|(entries, unread)| (owned(entries), owned(unread)));
            assert_eq!(actual, expected, "{text:?}");
        };
        check("---\na: b\n---\ntext", Some((&["a: b"], &[])));
        check("---\r\na: b\r\n...\r\n", Some((&["a: b"], &[])));
        check("---\n\n# why\ntitle: Re: x\n---\n", Some((&["title: Re: x"], &[])));
        check(
            "---\ntags:\n- a\n- %\nb: [x,\n  y\n]\n---\n",
            Some((&["tags:\n- a\n- %", "b: [x,\n  y\n]"], &[])),
        );
        check("---\na: b\nloose words\nc: d\n---\n", Some((&["a: b", "c: d"], &["loose words"])));
        check("---\n  a: b\n  c: d\n---\n", Some((&["  a: b", "  c: d"], &[])));
        check("---\n{a: b}\n---\n", Some((&["{a: b}"], &[])));
        check(
            "+++\na = 1\nb = [\n  'x = y',\n]\n[t]\n+++",
            Some((&["a = 1", "b = [\n  'x = y',\n]", "[t]"], &[])),
        );
        for text in [
            "---\nA slide about narwhals\n\n---\n\nNext.\n",
            "---\nNote: a memo\nwith prose\nand more of it\n---\n",
            "---\n- a\n- b\n---\n",
            "---\nhttps://example.org\n---\n",
            "---\n{{ template }}\n---\n",
            "---\n---\n",
            "---\na: b\n",
            "+++\nprose\n+++\n",
            "a: b\n---\n",
        ] {
            check(text, None);
        }
    }
}
