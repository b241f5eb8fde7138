//! Where a block that is too long may be split, from coarse to fine.
//!
//! Each [`Grain`] proposes cuts in one pass; the packer uses those it needs and continues with the
//! next finer grain if a part is still too long. There are nine grains, so the work is linear in
//! the text.

use unicode_segmentation::UnicodeSegmentation;

use super::outline::Kind;
use super::tables;
use super::tokens::is_space;

/// Characters of each part of a word that is too long.
const WINDOW_CHARS: usize = 16;

/// Bytes of a line in a wrapped paragraph; a longer line is a paragraph itself.
const WRAPPED_LINE_MAX: usize = 200;

/// Bytes that the sentence segmentation gets at once; beyond half of this a space ends a segment.
///
/// Its rule SB8 (UAX #29) looks ahead at every closing bracket and combining letter after a full
/// stop, which takes quadratic time on a flood of them.
const SEGMENT_BYTES_MAX: usize = 1024;

/// A way of splitting a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grain {
    /// Before rows of HTML tables.
    Row,
    /// After blank lines.
    Group,
    /// After lines that are paragraphs.
    Paragraph,
    /// Before every line.
    Line,
    /// After sentences.
    Sentence,
    /// After a full stop and white space, whatever follows.
    Stop,
    /// At the first character after white space.
    Word,
    /// Every [`WINDOW_CHARS`] characters.
    Window,
    /// Everywhere.
    Char,
}

/// Returns the grains by which a block of this kind is split, coarse to fine.
pub(super) fn grains(kind: Kind) -> &'static [Grain] {
    use Grain::{Char, Group, Line, Paragraph, Row, Sentence, Stop, Window, Word};
    match kind {
        Kind::Prose | Kind::Container => &[Paragraph, Sentence, Stop, Line, Word, Window, Char],
        Kind::Lines => &[Group, Line, Sentence, Stop, Word, Window, Char],
        Kind::Table => &[Line, Sentence, Stop, Word, Window, Char],
        Kind::Html => &[Row, Group, Line, Sentence, Stop, Word, Window, Char],
    }
}

/// Byte offsets, ascending.
type Cuts<'a> = Box<dyn Iterator<Item = usize> + 'a>;

impl Grain {
    /// Returns the byte offsets at which `text` may be split: ascending, on character boundaries,
    /// neither 0 nor the end.
    pub fn cuts(self, text: &str) -> Cuts<'_> {
        match self {
            Self::Row => Box::new(tables::rows(text)),
            Self::Group => Box::new(group_cuts(text)),
            Self::Paragraph => Box::new(paragraph_cuts(text)),
            Self::Line => Box::new(line_cuts(text)),
            Self::Sentence => Box::new(sentence_cuts(text)),
            Self::Stop => Box::new(stop_cuts(text)),
            Self::Word => Box::new(word_cuts(text)),
            Self::Window => Box::new(char_cuts(text).skip(WINDOW_CHARS - 1).step_by(WINDOW_CHARS)),
            Self::Char => Box::new(char_cuts(text)),
        }
    }
}

/// Cuts at the first line after one or more blank lines.
fn group_cuts(text: &str) -> impl Iterator<Item = usize> {
    let mut after_blank = false;
    lines(text).filter_map(move |(at, line)| {
        let blank = line.trim_start().is_empty();
        let cut = after_blank && !blank;
        after_blank = blank;
        cut.then_some(at)
    })
}

/// Cuts after every line that is too long to be part of a wrapped paragraph; a short one, such as a
/// heading without markup, stays with the line after it.
fn paragraph_cuts(text: &str) -> impl Iterator<Item = usize> {
    let mut after_paragraph = false;
    lines(text).filter_map(move |(at, line)| {
        let cut = after_paragraph;
        after_paragraph = line.len() > WRAPPED_LINE_MAX;
        cut.then_some(at)
    })
}

/// Cuts at every line start but the first.
fn line_cuts(text: &str) -> impl Iterator<Item = usize> {
    lines(text).map(|(at, _)| at).skip(1)
}

/// Returns the lines with their offsets. A last line without a letter or digit is joined to the
/// line before it, so that no part is only a closing fence, bracket or end tag.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let content = text.trim_end();
    let last = content.rfind('\n').map_or(0, |newline| newline + 1);
    let is_closing = !content[last..].contains(char::is_alphanumeric);
    with_offsets(text.split_inclusive('\n'))
        .filter(move |&(at, _)| at != last || !is_closing || at == 0)
}

/// Cuts after every sentence end; white space after it belongs to the sentence.
///
/// UAX #29 also ends a sentence at every line end, which is wrong for wrapped paragraphs: here only
/// a terminal character ends one.
fn sentence_cuts(text: &str) -> impl Iterator<Item = usize> {
    let mut ended = false;
    let sentences = segments(text).flat_map(|segment| segment.split_sentence_bounds());
    with_offsets(sentences).filter_map(move |(at, sentence)| {
        let content = sentence.trim();
        if content.is_empty() {
            return None;
        }
        let cut = ended;
        ended = content.trim_end_matches(is_closer).ends_with(is_terminal);
        cut.then_some(at)
    })
}

/// Cuts after a full stop and white space, also before a small letter: transcripts and the like
/// have no capitals, for which UAX #29 waits. An abbreviation ends no sentence.
fn stop_cuts(text: &str) -> impl Iterator<Item = usize> {
    let mut word_start = 0;
    let mut ended = false;
    text.char_indices().filter_map(move |(at, c)| {
        if !is_space(c) {
            let cut = std::mem::take(&mut ended);
            return cut.then_some(at);
        }
        if word_start < at {
            let word = text[word_start..at].trim_end_matches(is_closer);
            ended = word.ends_with(is_terminal) && !is_abbreviation(word);
        }
        word_start = at + c.len_utf8();
        None
    })
}

/// Reports whether a word that ends with a full stop is an abbreviation: one letter, letters with
/// full stops in between, or a common one.
fn is_abbreviation(word: &str) -> bool {
    const COMMON: [&str; 20] = [
        "al", "approx", "bzw", "ca", "cf", "dr", "ed", "fig", "jr", "mr", "mrs", "ms", "no", "nr",
        "prof", "sr", "st", "usw", "vol", "vs",
    ];
    let Some(stem) = word.strip_suffix('.') else { return false };
    let stem = stem.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_letter = stem.chars().count() == 1 && stem.contains(char::is_alphabetic);
    let is_dotted = stem.contains('.') && stem.split('.').all(|part| part.chars().count() == 1);
    is_letter || is_dotted || COMMON.iter().any(|common| stem.eq_ignore_ascii_case(common))
}

/// Reports whether a sentence may end with `c`.
fn is_terminal(c: char) -> bool {
    matches!(
        c,
        '.' | '!'
            | '?'
            | '…'
            | '。'
            | '．'
            | '！'
            | '？'
            | '｡'
            | '؟'
            | '۔'
            | '।'
            | '॥'
            | '։'
            | '።'
            | '။'
    )
}

/// Reports whether `c` may follow the end of a sentence and still belong to it.
fn is_closer(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | ')'
            | ']'
            | '}'
            | '*'
            | '_'
            | '`'
            | '”'
            | '’'
            | '»'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
    )
}

/// Splits `text` into pieces for which the sentence segmentation takes linear time: lines, and
/// parts of long lines.
fn segments(text: &str) -> impl Iterator<Item = &str> {
    let mut bytes = 0;
    text.split_inclusive(move |c: char| {
        bytes += c.len_utf8();
        let is_end =
            c == '\n' || bytes >= SEGMENT_BYTES_MAX || bytes >= SEGMENT_BYTES_MAX / 2 && c == ' ';
        if is_end {
            bytes = 0;
        }
        is_end
    })
}

/// Cuts before every word that follows white space.
fn word_cuts(text: &str) -> impl Iterator<Item = usize> {
    let mut after_space = false;
    text.char_indices().filter_map(move |(at, c)| {
        let space = is_space(c);
        let cut = after_space && !space;
        after_space = space;
        cut.then_some(at)
    })
}

/// Cuts before every character but the first.
fn char_cuts(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(at, _)| at).skip(1)
}

/// Pairs consecutive pieces of a text with their offsets.
fn with_offsets<'a>(
    pieces: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = (usize, &'a str)> {
    let mut next = 0;
    pieces.map(move |piece| {
        let at = next;
        next += piece.len();
        (at, piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which parts the cuts of a grain make of a text.
    fn check(grain: Grain, text: &str, expected: &[&str]) {
        let cuts: Vec<_> = grain.cuts(text).chain([text.len()]).collect();
        let starts = std::iter::once(&0).chain(&cuts);
        let parts: Vec<_> = starts.zip(&cuts).map(|(start, end)| &text[*start..*end]).collect();
        assert_eq!(parts, expected, "{grain:?}");
    }

    #[test]
    fn groups_end_after_blank_lines() {
        let check = |text, expected: &[&str]| check(Grain::Group, text, expected);
        check("", &[""]);
        check("a\nb\n", &["a\nb\n"]);
        check("a\nb\n\nc\n", &["a\nb\n\n", "c\n"]);
        check("a\n \t\n\n  b", &["a\n \t\n\n", "  b"]);
        check("\n\na", &["\n\n", "a"]);
        // A part that is only a closing bracket says nothing.
        check("a {\n\n}\n", &["a {\n\n}\n"]);
    }

    #[test]
    fn long_lines_are_paragraphs() {
        let line = |bytes: usize| "x".repeat(bytes - 1) + "\n";
        let check = |lines: &[&str], expected: &[&str]| {
            check(Grain::Paragraph, &lines.concat(), expected);
        };
        let (wrapped, long) = (line(200), line(201));
        check(&[&wrapped, "a"], &[&(wrapped.clone() + "a")]);
        check(&[&long, "a"], &[&long, "a"]);
        check(&["a\n", &long, &long, "b\n", "c"], &[&("a\n".to_owned() + &long), &long, "b\nc"]);
    }

    #[test]
    fn lines_keep_what_closes_them() {
        let check = |text, expected: &[&str]| check(Grain::Line, text, expected);
        check("a", &["a"]);
        check("a\nb", &["a\n", "b"]);
        check("a\r\n\nb\n", &["a\r\n", "\n", "b\n"]);
        check("a {\nb\n}\n", &["a {\n", "b\n}\n"]);
        check("```\na\n```\n\n", &["```\n", "a\n```\n", "\n"]);
        check("}\n", &["}\n"]);
    }

    #[test]
    fn sentences_end_where_they_are_closed() {
        let check = |text, expected: &[&str]| check(Grain::Sentence, text, expected);
        check("One", &["One"]);
        check("One. Two! Three?", &["One. ", "Two! ", "Three?"]);
        // White space after a sentence is its own.
        check("One.\n\n  Two.", &["One.\n\n", "  Two."]);
        // A line end in the middle of one ends nothing.
        check("One line\ngoes on. Next", &["One line\ngoes on. ", "Next"]);
        check("He said \"stop.\" She (did.) Then", &["He said \"stop.\" ", "She (did.) ", "Then"]);
        check("Pi is 3.14, e.g. here. Yes", &["Pi is 3.14, e.g. here. ", "Yes"]);
        check("一。二！三", &["一。", "二！", "三"]);
        check("Wait…\nThen", &["Wait…\n", "Then"]);
    }

    #[test]
    fn full_stops_end_sentences_of_small_letters() {
        let check = |text, expected: &[&str]| check(Grain::Stop, text, expected);
        check("so it is. and then? yes! ok", &["so it is. ", "and then? ", "yes! ", "ok"]);
        check(
            "he said \"stop.\" then (went.)\nhome",
            &["he said \"stop.\" ", "then (went.)\n", "home"],
        );
        check(
            "see e.g. this, p. 4, i.e. 3.14 of dr. no... then",
            &["see e.g. this, p. 4, i.e. 3.14 of dr. no... ", "then"],
        );
        check("wait…  then。 end", &["wait…  ", "then。 ", "end"]);
        check("no end", &["no end"]);
    }

    #[test]
    fn words_begin_after_what_parts_them() {
        let check = |text, expected: &[&str]| check(Grain::Word, text, expected);
        check("a  b\tc\nd", &["a  ", "b\t", "c\n", "d"]);
        check("  a ", &["  ", "a "]);
        check("a\u{a0}b\u{3000}c", &["a\u{a0}", "b\u{3000}", "c"]);
        // A tokeniser drops control characters, so that these are one word.
        check("a\u{85}b", &["a\u{85}b"]);
    }

    #[test]
    fn windows_and_characters_are_whole() {
        let (sixteen, one) = ("é".repeat(16), "é");
        check(Grain::Window, &sixteen, &[&sixteen]);
        check(Grain::Window, &"é".repeat(33), &[&sixteen, &sixteen, one]);
        check(Grain::Char, "aé中", &["a", "é", "中"]);
        check(Grain::Char, "", &[""]);
    }
}
