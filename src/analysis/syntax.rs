//! Splits a query into its items: words, `"phrases"`, `prefix*`, `-not` and `field:value`.
//!
//! Every text is a valid query, and people paste what they look for: command lines, error messages,
//! program text. What is only meant as syntax perhaps counts as words.

use super::command_line::{Style, is_option_like, program};
use super::language::Language;

/// A syntactic item of a query.
#[derive(Clone, Debug)]
pub struct Item<'q> {
    /// The word, or the text between the quotes, or the value of the field.
    pub text: &'q str,
    /// The field, if it is restricted to one.
    pub field: Option<ItemField>,
    /// Whether it must not match.
    pub is_excluded: bool,
    /// Whether it is quoted.
    pub is_phrase: bool,
    /// Whether words that begin like this match too.
    pub is_prefix: bool,
    /// Whether the query begins with it.
    pub is_first: bool,
    /// The item as typed, without the sign of an exclusion.
    pub written: &'q str,
    sign: Sign,
}

/// What says that an item is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    None,
    /// A dash before a word, which may be an option of a command.
    Dash,
    /// A dash before a phrase or a field, or `NOT`.
    Certain,
}

/// A field that a query may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemField {
    /// `title:`
    Title,
    /// `heading:`
    Heading,
    /// `path:`
    Path,
    /// `language:`
    Language,
    /// `source:`
    Source,
}

impl ItemField {
    /// Reports whether it chooses documents by what they are, not by their text.
    pub fn is_filter(self) -> bool {
        matches!(self, Self::Path | Self::Language | Self::Source)
    }
}

const FIELDS: [(&str, ItemField); 5] = [
    ("title:", ItemField::Title),
    ("heading:", ItemField::Heading),
    ("path:", ItemField::Path),
    ("language:", ItemField::Language),
    ("source:", ItemField::Source),
];

/// How much of the syntax of a query holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strictness {
    /// All of it.
    #[default]
    Full,
    /// Phrases are words.
    WithoutPhrases,
    /// Phrases, exclusions of words, and filters are words.
    Words,
}

/// Which syntax of a query holds.
#[derive(Clone, Copy)]
pub struct Syntax<'a> {
    /// How much of it.
    pub strictness: Strictness,
    /// Whether documents match a filter by path or source; if not, it is words.
    pub admits: &'a dyn Fn(ItemField, &str) -> bool,
    /// Whether documents name an option like this: then a dash excludes nothing.
    pub is_option: &'a dyn Fn(&str) -> bool,
}

impl Default for Syntax<'_> {
    /// All syntax, with every filter, whatever the documents are.
    fn default() -> Self {
        Self { strictness: Strictness::Full, admits: &|_, _| true, is_option: &|_| false }
    }
}

/// Splits `query` into its items. A filter that `syntax` does not admit is words, and so are the
/// others by its strictness.
pub fn items<'q>(query: &'q str, own: Language, syntax: &Syntax<'_>) -> Vec<Item<'q>> {
    let Syntax { strictness, admits, is_option } = *syntax;
    let mut items = scan(query);
    mark_negated(&mut items);
    let has_dash = items.iter().any(|item| item.sign == Sign::Dash);
    let is_certain = |token: &&str| {
        let unsigned = token.strip_prefix('-').unwrap_or_default();
        unsigned.starts_with('"') || field(unsigned).is_some()
    };
    let tokens: Vec<&str> = query.split_whitespace().filter(|token| !is_certain(token)).collect();
    let style = Style::of(&tokens, own, is_option);
    let excludes_words = has_dash && style.excludes();
    let has_text = items.iter().any(|item| !item.field.is_some_and(|field| field.is_filter()));
    let has_words = items.iter().any(|item| item.field.is_none() && item.sign != Sign::Certain);
    for item in &mut items {
        item.is_excluded = match item.sign {
            Sign::None => false,
            Sign::Dash => excludes_words,
            Sign::Certain => true,
        };
        let is_filter = item.field.is_some_and(ItemField::is_filter);
        if strictness >= Strictness::WithoutPhrases && item.field.is_none() && !item.is_excluded {
            item.is_phrase = false;
        }
        if strictness == Strictness::Words && (item.field.is_none() || is_filter) {
            item.become_words(is_filter && item.is_excluded);
        } else if strictness == Strictness::Words && has_words && !item.is_excluded {
            (item.field, item.is_phrase) = (None, false);
        } else if !item.is_excluded {
            let is_alone = item.field == Some(ItemField::Source) && !has_text;
            let is_denied = is_filter
                && (is_alone || item.field.is_some_and(|field| !admits(field, item.text)));
            if style == Style::Command || is_denied {
                item.become_words(false);
            }
        }
    }
    items
}

/// Returns the words with a dash that may be options, and the program that `query` may be a command
/// line of, so that a caller can look for them.
pub fn possible_options(query: &str) -> (Vec<&str>, Option<&str>) {
    let items = scan(query).into_iter().filter(|item| item.sign == Sign::Dash);
    let tokens: Vec<_> = query.split_whitespace().collect();
    (items.map(|item| item.text).collect(), program(&tokens))
}

/// Returns the filters by path and source that `query` names, so that a caller can look for them.
pub fn filters(query: &str) -> Vec<(ItemField, &str)> {
    let is_looked_up = |field| matches!(field, ItemField::Path | ItemField::Source);
    let items = scan(query).into_iter().filter(|item| item.sign == Sign::None);
    items.filter_map(|item| Some((item.field.filter(|it| is_looked_up(*it))?, item.text))).collect()
}

impl Item<'_> {
    fn become_words(&mut self, keeps_filter: bool) {
        if keeps_filter {
            return;
        }
        if self.field.take().is_some() {
            self.text = self.written;
        }
        self.is_excluded = false;
        self.is_phrase = false;
    }
}

/// Words after which `NOT` is part of a sentence or a statement, and words before which it is.
const BEFORE_NOT: [&str; 18] = [
    "are", "can", "could", "do", "does", "did", "if", "is", "may", "must", "shall", "should",
    "was", "were", "will", "would", "has", "have",
];
const AFTER_NOT: [&str; 9] =
    ["NULL", "FOUND", "EXISTS", "IN", "LIKE", "BETWEEN", "ALLOWED", "IMPLEMENTED", "A"];

/// Marks what follows a `NOT` as excluded, and removes the `NOT`.
fn mark_negated(items: &mut Vec<Item<'_>>) {
    let mut at = 0;
    while at + 1 < items.len() {
        let is_not = items[at].written == "NOT" && items[at].sign == Sign::None;
        let follows_verb = at > 0 && {
            let before = items[at - 1].text.to_lowercase();
            BEFORE_NOT.contains(&before.as_str())
        };
        let next = &items[at + 1];
        let is_statement = next.sign != Sign::None || AFTER_NOT.contains(&next.written);
        if is_not && !follows_verb && !is_statement {
            items[at + 1].sign = Sign::Certain;
            items.remove(at);
        }
        at += 1;
    }
}

/// Returns the field that `text` begins with, and its value.
fn field(text: &str) -> Option<(ItemField, &str)> {
    FIELDS.iter().find_map(|(name, field)| {
        // `path::join` is not a field, and `title:` alone is a word.
        text.strip_prefix(name).filter(|value| begins_word(value)).map(|value| (*field, value))
    })
}

fn begins_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '"')
}

fn scan(query: &str) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut rest = query.trim_start();
    let mut follows_space = true;
    while !rest.is_empty() {
        let (mut item, after) = item(rest, follows_space);
        item.is_first = items.is_empty();
        items.push(item);
        rest = after.trim_start();
        follows_space = rest.len() < after.len();
    }
    items
}

/// Reads one item; `rest` does not begin with white space.
fn item(rest: &str, follows_space: bool) -> (Item<'_>, &str) {
    let unsigned = rest.strip_prefix('-').filter(|after| follows_space && begins_word(after));
    let (has_dash, unsigned) = (unsigned.is_some(), unsigned.unwrap_or(rest));
    let (field, value) = match field(unsigned) {
        Some((field, value)) => (Some(field), value),
        None => (None, unsigned),
    };
    let sign = |is_certain: bool, word: &str| match has_dash {
        true if is_certain || field.is_some() => Sign::Certain,
        true if !is_option_like(word) => Sign::Dash,
        _ => Sign::None,
    };
    if let Some(inside) = value.strip_prefix('"')
        && let Some((phrase, after)) = inside.split_once('"')
        && !phrase.trim().is_empty()
    {
        let written = &unsigned[..unsigned.len() - after.len()];
        let item = Item {
            text: phrase,
            field,
            is_excluded: false,
            is_phrase: true,
            is_prefix: false,
            is_first: false,
            written,
            sign: sign(true, phrase),
        };
        return (item, after);
    }
    let end = value.find(|c: char| c.is_whitespace()).unwrap_or(value.len());
    // A quote inside begins a phrase, as in `say"hello world"`.
    let end =
        value[..end].char_indices().skip(1).find(|(_, c)| *c == '"').map_or(end, |(at, _)| at);
    let (word, after) = value.split_at(end);
    let stem = word.strip_suffix('*').filter(|stem| stem.ends_with(char::is_alphanumeric));
    let text = stem.unwrap_or(word);
    let item = Item {
        text,
        field,
        is_excluded: false,
        is_phrase: false,
        is_prefix: stem.is_some(),
        is_first: false,
        written: &unsigned[..unsigned.len() - after.len()],
        sign: sign(false, text),
    };
    (item, after)
}
