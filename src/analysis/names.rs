//! Names: words joined by marks, and what else they are searched for as.
//!
//! A *compound* is a word, or words joined by marks that belong to a name: `a.b`, `a-b`, `a/b`,
//! `a_b`, `a::b`, `a@b`, `a'b`. Numbers keep their points: `3.11.2` is one word.

use std::ops::Range;

use super::TOKEN_MARKS;
use super::scripts::{is_spaceless, is_word};
use super::token::{self, TOKEN_BYTES_MAX};

/// Limit on the parts of a name that is kept whole: with more it is a path or a URL, which nobody
/// types whole.
const PARTS_MAX: usize = 8;

/// A compound of the text.
#[derive(Default)]
pub struct Compound {
    /// Its words.
    pub parts: Vec<Part>,
    /// The mark after each part but the last.
    marks: Vec<char>,
}

/// A word of a compound.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: PartKind,
}

/// What a part of a compound is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A word.
    Word,
    /// A number with marks, as in `3.11.2`, `v1.2`, `10.5MB` or `1,234`.
    Number,
    /// A word with marks at its end that belong to it: `C++`, `C#`.
    Marked,
}

impl Compound {
    /// Reads the compound that begins at `start` with a word character.
    pub fn read(&mut self, text: &str, start: usize) {
        self.parts.clear();
        self.marks.clear();
        let mut at = start;
        loop {
            let part = part_at(text, at);
            let end = part.range.end;
            self.parts.push(part);
            let Some((mark, length)) = joining_mark(&text[end..]) else { break };
            self.marks.push(mark);
            at = end + length;
        }
    }

    /// Returns the end of its last part.
    pub fn end(&self) -> usize {
        self.parts[self.parts.len() - 1].range.end
    }

    /// Reports whether it is a word with an elided one, as in `l'eau`.
    pub fn is_elided(&self) -> bool {
        self.marks.contains(&'\'')
    }

    /// Reports whether it is of words joined as in prose: `e-mail`, `Node.js`.
    pub fn is_of_words(&self) -> bool {
        self.marks.iter().all(|mark| matches!(mark, '-' | '.'))
    }

    /// Adds the names in it to `names`, longest first: as a whole, between its slashes and colons,
    /// and between its dots, so that `/etc/default.conf` and `v.push_back` are found by their
    /// names.
    pub fn names(&self, text: &str, names: &mut Vec<Range<usize>>) {
        let last = self.parts.len() - 1;
        if last == 0 || self.is_elided() {
            return;
        }
        let mut add = |first: usize, last: usize| {
            if first == last || last - first >= PARTS_MAX {
                return;
            }
            let range = self.parts[first].range.start..self.parts[last].range.end;
            let has_digit = || text.as_bytes()[range.clone()].iter().any(u8::is_ascii_digit);
            let is_name = self.marks[first..last].iter().any(|mark| *mark != '/') || has_digit();
            if range.len() <= TOKEN_BYTES_MAX && is_name && !names.contains(&range) {
                names.push(range);
            }
        };
        add(0, last);
        if last == 1 {
            return;
        }
        let is_separator: [fn(char) -> bool; 2] =
            [|mark| matches!(mark, '/' | ':' | '@'), |mark| matches!(mark, '/' | ':' | '@' | '.')];
        for separates in is_separator {
            let mut first = 0;
            for at in 0..=last {
                if at == last || separates(self.marks[at]) {
                    add(first, at);
                    first = at + 1;
                }
            }
        }
    }
}

fn part_at(text: &str, start: usize) -> Part {
    let bytes = text.as_bytes();
    let mut end = word_end(text, start);
    if let Some(marks) = ending_marks(text, start..end) {
        return Part { range: start..end + marks, kind: PartKind::Marked };
    }
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut kind = PartKind::Word;
    if is_digit(end - 1) {
        if let Some(grouped) = grouped_end(bytes, start..end) {
            (end, kind) = (grouped, PartKind::Number);
        }
        while is_digit(end - 1) && bytes.get(end) == Some(&b'.') && is_digit(end + 1) {
            (end, kind) = (word_end(text, end + 1), PartKind::Number);
        }
    }
    Part { range: start..end, kind }
}

/// Returns the end of the number that begins with `digits`, if groups of three follow: `1,234,567`.
fn grouped_end(bytes: &[u8], digits: Range<usize>) -> Option<usize> {
    let is_short = digits.len() <= 3 && bytes[digits.clone()].iter().all(u8::is_ascii_digit);
    let mut end = digits.end;
    let is_group = |end: usize| {
        let group = bytes.get(end + 1..end + 4);
        group.is_some_and(|group| group.iter().all(u8::is_ascii_digit))
            && !bytes.get(end + 4).is_some_and(u8::is_ascii_alphanumeric)
    };
    while is_short && matches!(bytes.get(end), Some(b',' | b'\'' | b'_')) && is_group(end) {
        end += 4;
    }
    (end > digits.end).then_some(end)
}

/// Returns the bytes of the marks that belong to the word before them, as in `C++` and `C#`.
fn ending_marks(text: &str, word: Range<usize>) -> Option<usize> {
    let rest = &text[word.end..];
    let stands_alone = |length: usize| !rest[length..].starts_with(is_word);
    let is_letters = text[word.clone()].bytes().all(|byte| byte.is_ascii_alphabetic());
    match rest.as_bytes().first()? {
        b'+' if rest.starts_with("++") && is_letters && stands_alone(2) => Some(2),
        b'#' if word.len() == 1 && is_letters && stands_alone(1) => Some(1),
        _ => None,
    }
}

/// Returns the end of the word at `start`.
pub fn word_end(text: &str, start: usize) -> usize {
    let bytes = &text.as_bytes()[start..];
    let is_letter = |byte: &&u8| byte.is_ascii_alphanumeric();
    let at = start + bytes.iter().take_while(is_letter).count();
    // Most words end there.
    if text.as_bytes().get(at).is_none_or(u8::is_ascii) {
        return at;
    }
    let is_inside = |c: char| is_word(c) && !is_spaceless(c);
    let rest = &text[at..];
    at + rest.find(|c| !is_inside(c)).unwrap_or(rest.len())
}

/// Returns the mark at the start of `rest` that joins two words, and its bytes; it may be escaped
/// (`user\_id`).
fn joining_mark(rest: &str) -> Option<(char, usize)> {
    let unescaped = rest.strip_prefix('\\').unwrap_or(rest);
    let first = unescaped.chars().next()?;
    let length = match first {
        '_' => unescaped.len() - unescaped.trim_start_matches('_').len(),
        ':' if unescaped.starts_with("::") => 2,
        '.' | '-' | '/' | '@' | '\'' | '\u{2019}' | '\u{2010}' | '\u{2011}' => first.len_utf8(),
        _ => return None,
    };
    let mark = match first {
        '\u{2019}' => '\'',
        '\u{2010}' | '\u{2011}' => '-',
        other => other,
    };
    let joins = unescaped[length..].starts_with(|c: char| is_word(c) && !is_spaceless(c));
    joins.then_some((mark, rest.len() - unescaped.len() + length))
}

/// Writes what a name is looked up as over `joined`: in lower case, folded, without the marks
/// beside a letter, so that `Node.js` is `nodejs` and `UTF-8` is `utf8`, but `2024-03-05` is
/// itself.
pub fn join(name: &str, joined: &mut String) {
    joined.clear();
    if !name.is_ascii() {
        join_parts(&token::of_name(name), joined);
        return;
    }
    let bytes = name.as_bytes();
    let mut part = [0; TOKEN_BYTES_MAX];
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate() {
        // The last byte is free for the next one if this is left out.
        let Some(place) = part.get_mut(length) else { return join_parts(name, joined) };
        *place = byte.to_ascii_lowercase();
        length += usize::from(byte.is_ascii_alphanumeric() || is_kept(bytes, at));
    }
    joined.push_str(str::from_utf8(&part[..length]).unwrap_or_default());
}

/// Reports whether the mark at `at` is between digits, and a part of a token.
fn is_kept(bytes: &[u8], at: usize) -> bool {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_mark = TOKEN_MARKS.as_bytes().contains(&bytes[at]);
    !bytes[at].is_ascii_punctuation() || at > 0 && is_digit(at - 1) && is_digit(at + 1) && is_mark
}

fn join_parts(name: &str, joined: &mut String) {
    let bytes = name.as_bytes();
    let mut start = 0;
    for at in 0..bytes.len() {
        if bytes[at].is_ascii_punctuation() && !is_kept(bytes, at) {
            joined.push_str(&name[start..at]);
            start = at + 1;
        }
    }
    joined.push_str(&name[start..]);
    joined.make_ascii_lowercase();
}

/// Returns the token of a number with marks.
pub fn number(text: &str) -> String {
    let token = token::of_name(text);
    let mut groups = token.split('.');
    let is_first = groups.next().is_some_and(|first| (1..=3).contains(&first.len()));
    let is_grouped = is_first
        && token.bytes().filter(|byte| *byte == b'.').count() > 1
        && token.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && groups.all(|group| group.len() == 3);
    let is_plain = |c: char| c != '_' && !(is_grouped && c == '.');
    token.chars().filter(|c| is_plain(*c)).collect()
}
