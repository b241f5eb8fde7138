//! Tokenises text, with the byte range of each token.
//!
//! A *compound* is a word, or words joined by marks that belong to a name: `a.b`, `a-b`, `a/b`,
//! `a_b`, `a::b`, `a@b`, `a'b`. An ASCII word that no mark follows, as in most prose, takes a fast
//! path.

use std::ops::Range;

use unicode_normalization::char::canonical_combining_class;

use super::cache::{TokenCache, with_cache};
use super::fold::lower;
use super::language::Language;
use super::token::{self, TOKEN_BYTES_MAX};
use crate::support::ascii::{LANES, Lanes};

/// Limit on the parts of a name that is kept whole: with more it is a path or a URL, which nobody
/// types whole.
const PARTS_MAX: usize = 8;
/// Digits of a part of a version that becomes a token itself: shorter parts are found by the whole
/// version.
const DIGITS_MIN: usize = 3;

/// Turns the words of a text into tokens and passes them to `visit`.
struct Visitor<'a, V> {
    cache: &'a mut TokenCache,
    language: Language,
    visit: V,
}

/// Calls `visit` with every token of `text` and its bytes, in order; a whole comes before its
/// parts. `visit` must not analyse a text itself.
pub fn for_each_token(text: &str, language: Language, mut visit: impl FnMut(Range<usize>, &str)) {
    for_each_token_utf8(text, language, |range, token| {
        visit(range, str::from_utf8(token).unwrap_or_default());
    });
}

/// Does the same as [`for_each_token`] without checking each token for UTF-8; a caller that needs
/// text checks all of it at once, which is faster.
pub fn for_each_token_utf8(text: &str, language: Language, visit: impl FnMut(Range<usize>, &[u8])) {
    with_cache(|cache| Visitor { cache, language, visit }.visit_text(text));
}

impl<V: FnMut(Range<usize>, &[u8])> Visitor<'_, V> {
    fn visit_text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut compound = Compound::default();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if byte.is_ascii() && !byte.is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            if byte.is_ascii() {
                let word = AsciiWord::at(bytes, at);
                let is_alone = !may_continue(&bytes[word.end..]);
                if is_alone && !word.is_camel {
                    self.visit_word(text, at..word.end);
                    at = word.end;
                    continue;
                }
            }
            let first = char_at(text, at);
            if is_spaceless(first) {
                at = self.visit_run(text, at);
            } else if is_word(first) {
                compound.read(text, at);
                self.visit_compound(&compound, text);
                at = compound.end();
            } else {
                at += first.len_utf8();
            }
        }
    }

    fn visit_word(&mut self, text: &str, range: Range<usize>) {
        let token = self.cache.token(text, range.clone(), self.language);
        if !token.is_empty() {
            (self.visit)(range, token);
        }
    }

    /// Visits the bigrams of a run without spaces and its last character, so that every character
    /// begins a token and can be searched for alone; returns the end of the run.
    fn visit_run(&mut self, text: &str, start: usize) -> usize {
        let mut previous: Option<Range<usize>> = None;
        let mut end = start;
        for character in text[start..].chars().take_while(|character| is_spaceless(*character)) {
            let range = end..end + character.len_utf8();
            if let Some(previous) = &previous {
                self.visit_gram(text, previous.start..range.end);
            }
            end = range.end;
            previous = Some(range);
        }
        if let Some(last) = previous {
            self.visit_gram(text, last);
        }
        end
    }

    fn visit_gram(&mut self, text: &str, range: Range<usize>) {
        let gram = &text[range.clone()];
        // Half-width and compatibility forms.
        if gram.chars().any(|c| matches!(c, '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}')) {
            (self.visit)(range, lower(gram).as_bytes());
        } else {
            (self.visit)(range, gram.as_bytes());
        }
    }

    fn visit_compound(&mut self, compound: &Compound, text: &str) {
        let is_name = compound.is_name(text);
        if is_name {
            (self.visit)(compound.range(), token::of_name(&text[compound.range()]).as_bytes());
        }
        let is_elided = compound.marks.contains(&'\'');
        let is_version = compound.marks.contains(&'.');
        for part in &compound.parts {
            let word = &text[part.clone()];
            let is_short_number =
                word.len() < DIGITS_MIN && word.bytes().all(|byte| byte.is_ascii_digit());
            if is_name && is_short_number && is_version
                || is_elided && word.chars().nth(1).is_none()
            {
                continue;
            }
            self.visit_word(text, part.clone());
            self.visit_humps(text, part.clone());
        }
    }

    /// Visits the parts of a camel case word.
    fn visit_humps(&mut self, text: &str, range: Range<usize>) {
        let word = &text[range.clone()];
        let bytes = word.as_bytes();
        if word.is_ascii() && !AsciiWord::at(bytes, 0).is_camel {
            return;
        }
        let mut start = 0;
        let mut cut = |end: usize, start: &mut usize| {
            // A hump of one letter is useless.
            if *start > 0 || end < bytes.len() {
                if end - *start > 1 {
                    self.visit_word(text, range.start + *start..range.start + end);
                }
                *start = end;
            }
        };
        for at in 1..bytes.len() {
            let (before, here, after) = (bytes[at - 1], bytes[at], bytes.get(at + 1));
            let is_hump = here.is_ascii_uppercase()
                && (before.is_ascii_lowercase()
                    || before.is_ascii_uppercase() && after.is_some_and(u8::is_ascii_lowercase));
            if is_hump {
                cut(at, &mut start);
            }
        }
        cut(bytes.len(), &mut start);
    }
}

/// Reports whether `rest` may continue a compound after an ASCII word.
fn may_continue(rest: &[u8]) -> bool {
    let begins_word = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
    };
    match rest.first() {
        Some(b'.' | b'-' | b'/' | b'@' | b'\'') => begins_word(rest.get(1)),
        Some(b':') => rest.get(1) == Some(&b':'),
        Some(b'+') => rest.get(1) == Some(&b'+'),
        Some(b'_' | b'#') => true,
        Some(byte) => !byte.is_ascii(),
        None => false,
    }
}

fn char_at(text: &str, at: usize) -> char {
    text[at..].chars().next().unwrap_or('\0')
}

/// Reports whether `character` is a letter, a digit or combines with one.
fn is_word(character: char) -> bool {
    character.is_alphanumeric()
        || (!character.is_ascii()
            && (canonical_combining_class(character) != 0
                || matches!(character, '\u{ad}' | '\u{200c}' | '\u{200d}')))
}

/// Reports whether `character` is of a script that is written without spaces between words.
pub fn is_spaceless(character: char) -> bool {
    matches!(character,
        '\u{e01}'..='\u{e3e}' | '\u{e40}'..='\u{eff}' | '\u{1000}'..='\u{109f}'
        | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17d3}' | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{318f}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}')
}

struct AsciiWord {
    end: usize,
    /// Whether a capital follows a small letter, or a small letter follows two capitals.
    is_camel: bool,
}

impl AsciiWord {
    fn at(bytes: &[u8], start: usize) -> Self {
        let mut end = start;
        let mut has_capital = false;
        loop {
            let lanes = Lanes::at(bytes, end);
            let length = lanes.word_len();
            // A capital at the start does not count.
            has_capital |= lanes.has_capital(usize::from(end == start), length);
            end += length;
            if length < LANES {
                break;
            }
        }
        Self { end, is_camel: has_capital && is_camel(&bytes[start..end]) }
    }
}

/// Reports whether a capital follows a small letter, or a small letter follows two capitals.
fn is_camel(word: &[u8]) -> bool {
    let (mut capitals, mut has_small) = (0, false);
    for byte in word {
        if byte.is_ascii_uppercase() {
            if has_small {
                return true;
            }
            capitals += 1;
        } else if byte.is_ascii_lowercase() {
            if capitals > 1 {
                return true;
            }
            capitals = 0;
            has_small = true;
        } else {
            capitals = 0;
        }
    }
    false
}

/// A compound of the text.
#[derive(Default)]
struct Compound {
    parts: Vec<Range<usize>>,
    /// The mark after each part but the last.
    marks: Vec<char>,
    /// Bytes of the marks that end a name, as in `C++`.
    tail: usize,
}

impl Compound {
    /// Reads the compound that begins at `start` with a word character.
    fn read(&mut self, text: &str, start: usize) {
        self.parts.clear();
        self.marks.clear();
        let mut at = start;
        loop {
            let end = word_end(text, at);
            self.parts.push(at..end);
            let Some((mark, length)) = joining_mark(&text[end..]) else { break };
            self.marks.push(mark);
            at = end + length;
        }
        let last = &self.parts[self.parts.len() - 1];
        let rest = &text[last.end..];
        let word = &text[last.clone()];
        let stands_alone = |length: usize| !rest[length..].starts_with(is_word);
        self.tail = match self.parts.len() {
            1 if !word.bytes().all(|byte| byte.is_ascii_alphabetic()) => 0,
            1 if rest.starts_with("++") && stands_alone(2) => 2,
            1 if word.len() == 1 && rest.starts_with('#') && stands_alone(1) => 1,
            _ => 0,
        };
    }

    fn range(&self) -> Range<usize> {
        self.parts[0].start..self.end()
    }

    fn end(&self) -> usize {
        self.parts[self.parts.len() - 1].end + self.tail
    }

    /// Reports whether the compound is a name or number that people search for as a whole.
    fn is_name(&self, text: &str) -> bool {
        if self.tail > 0 {
            return true;
        }
        let is_joined = (2..=PARTS_MAX).contains(&self.parts.len())
            && self.range().len() <= TOKEN_BYTES_MAX
            && !self.marks.contains(&'\'');
        let has_digit = || text[self.range()].bytes().any(|byte| byte.is_ascii_digit());
        is_joined && (self.marks.iter().any(|mark| "_.:@".contains(*mark)) || has_digit())
    }
}

fn word_end(text: &str, start: usize) -> usize {
    let is_inside = |c: char| is_word(c) && !is_spaceless(c);
    let rest = &text[start..];
    start + rest.find(|c| !is_inside(c)).unwrap_or(rest.len())
}

/// Returns the mark at the start of `rest` that joins two words, and its bytes.
fn joining_mark(rest: &str) -> Option<(char, usize)> {
    let first = rest.chars().next()?;
    let length = match first {
        '_' => rest.len() - rest.trim_start_matches('_').len(),
        ':' if rest.starts_with("::") => 2,
        '.' | '-' | '/' | '@' | '\'' | '\u{2019}' => first.len_utf8(),
        _ => return None,
    };
    let mark = if first == '\u{2019}' { '\'' } else { first };
    let joins = rest[length..].starts_with(|c: char| is_word(c) && !is_spaceless(c));
    joins.then_some((mark, length))
}
