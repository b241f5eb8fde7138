//! Splits a text before it is parsed, which bounds memory: the parser needs some 64 bytes for each
//! byte that may be markup, and some texts are nothing else.

use std::ops::Range;

/// Bytes in a piece that may be markup; texts written by people stay far below.
const MARKS_MAX: usize = 3 << 20;

/// Returns the pieces that make up `text` from `base` on: nearly always one.
///
/// A piece ends before a heading, or before any line if no heading comes soon enough; it ends
/// inside a line only if that line alone has too much markup.
pub(super) fn pieces(text: &str, base: usize) -> Vec<Range<usize>> {
    pieces_of(text, base, MARKS_MAX)
}

fn pieces_of(text: &str, base: usize, marks_max: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut at, mut marks) = (base, base, 0);
    if text.len() - base > marks_max {
        let mut fence = None;
        for line in text[base..].split_inclusive('\n') {
            let is_heading = line.starts_with('#') && fence.is_none();
            if marks > marks_max && is_heading || marks > 2 * marks_max {
                pieces.push(start..at);
                (start, marks) = (at, 0);
            }
            let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
            fence = match (fence, mark) {
                (None, mark) => mark,
                (Some(open), Some(mark)) if open == mark => None,
                (open, _) => open,
            };
            let line_marks = line.bytes().filter(|byte| is_mark(*byte)).count();
            if line_marks > marks_max {
                while text.len() - start > marks_max && at + line.len() - start > marks_max {
                    let end = text.floor_char_boundary(start + marks_max);
                    pieces.push(start..end);
                    start = end;
                }
                marks = 0;
            }
            marks += line_marks.min(marks_max);
            at += line.len();
        }
    }
    pieces.push(start..text.len());
    pieces
}

/// Reports whether a byte may be markup: a line end, or ASCII punctuation.
fn is_mark(byte: u8) -> bool {
    byte == b'\n' || byte.is_ascii_punctuation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_text() {
        let check = |text: &str, expected: &[&str]| {
            let pieces: Vec<_> =
                pieces_of(text, 0, 4).into_iter().map(|piece| &text[piece]).collect();
            assert_eq!(pieces, expected);
        };
        check("", &[""]);
        check("[[[[", &["[[[["]);
        check("a\nb\nc\nd\ne\n# f\ng", &["a\nb\nc\nd\ne\n", "# f\ng"]);
        check("a\nb\nc\nd\n```\n# f\n```\ng\n", &["a\nb\nc\nd\n```\n# f\n", "```\ng\n"]);
        check("a\n\n\n\n\n\n\n\n\nb\n", &["a\n\n\n\n\n\n\n\n\n", "b\n"]);
        check("[[[[[[[[[\u{e4}", &["[[[[", "[[[[", "[\u{e4}"]);
    }
}
