//! Noise: bytes of a text that are no words, and so are neither counted, embedded nor indexed:
//! data, drawings, colours of terminals, and the marks of site generators around text.
//!
//! The saved text keeps them. Each is detected by its own beginning, whatever the kind of text, so
//! that a part of a text that begins outside of noise has the same noise as the whole.

mod bytes;
mod data;
mod values;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem;

/// Beginnings of noise but escape sequences and data without a mark.
const MARKS: [&str; 13] = [
    "data:",
    "<svg",
    "{{<",
    "{{%",
    ":::",
    "!!! ",
    "??? ",
    "???+",
    "> [!",
    "eyJ",
    "-----BEGIN ",
    "begin ",
    "\"mappings\"",
];

static MARK: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(MARKS);
    builder.expect("a few short patterns are within all limits")
});

/// Limit on the bytes of a drawing.
const DRAWING_BYTES_MAX: usize = 256 << 10;

/// Limit on the bytes of a mark or an escape sequence.
const MARK_BYTES_MAX: usize = 512;

const ESCAPE: u8 = 0x1b;

/// What noise is, which decides what is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing: it may be inside a word.
    Colour,
    /// A space.
    Control,
    /// Nothing in the words, `…` in what is shown.
    Data,
    /// A space in the words; it is not shown.
    Tag,
    /// A space in the words; it is shown.
    Mark,
}

/// Bytes that are no words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noise {
    /// Their place in the text.
    pub span: Range<usize>,
    /// The drawing or mark that they are a part of; no part of it is detected alone.
    whole: Range<usize>,
    /// Bytes of noise before it.
    before: usize,
    kind: Kind,
}

/// Returns all noise of a text, in order.
pub fn of(text: &str) -> Vec<Noise> {
    find(text, 0..text.len())
}

/// Returns the noise that begins in `within`, in order.
pub fn find(text: &str, within: Range<usize>) -> Vec<Noise> {
    let mut found = Found { text, noise: Vec::new(), drawing_end: 0 };
    let mut at = within.start;
    let part = &text[..within.end];
    let next_escape = |at: usize| memchr::memchr(ESCAPE, &part.as_bytes()[at..]).map(|it| at + it);
    let next_mark = |at: usize| MARK.find(&part[at..]).map(|it| at + it.start());
    let next_run = |at: usize| data::next(text.as_bytes(), at..within.end);
    let (mut escape, mut mark, mut run) = (next_escape(at), next_mark(at), next_run(at));
    loop {
        let starts = [escape, mark, run.as_ref().map(|run| run.start)];
        let Some(start) = starts.into_iter().flatten().min() else { break };
        let end = match (&run, escape) {
            (_, Some(escape)) if escape == start => found.escape(start),
            (Some(run), _) if run.start == start => found.add(run.clone(), Kind::Data),
            _ if mark == Some(start) => found.mark(start),
            _ => start,
        };
        at = text.ceil_char_boundary(end.max(start + 1)).min(within.end);
        if escape.is_some_and(|it| it < at) {
            escape = next_escape(at);
        }
        if mark.is_some_and(|it| it < at) {
            mark = next_mark(at);
        }
        if run.as_ref().is_some_and(|it| it.start < at) {
            run = next_run(at);
        }
    }
    let mut before = 0;
    for one in &mut found.noise {
        one.before = before;
        before += one.span.len();
    }
    found.noise
}

/// Returns the bytes of `span` that are noise.
pub fn bytes_within(noise: &[Noise], span: Range<usize>) -> usize {
    let [first, .., last] = within(noise, span.clone()) else {
        let one = within(noise, span.clone()).first();
        return one.map_or(0, |it| it.span.end.min(span.end) - it.span.start.max(span.start));
    };
    let all = last.before + last.span.len() - first.before;
    let outside =
        span.start.saturating_sub(first.span.start) + last.span.end.saturating_sub(span.end);
    all - outside
}

/// Returns the part of `noise` in `span`.
pub fn within(noise: &[Noise], span: Range<usize>) -> &[Noise] {
    let first = noise.partition_point(|it| it.span.end <= span.start);
    let rest = &noise[first..];
    &rest[..rest.partition_point(|it| it.span.start < span.end)]
}

/// Reports whether a text must not be split at `offset`.
pub fn is_inside(noise: &[Noise], offset: usize) -> bool {
    let next = noise.partition_point(|it| it.whole.end <= offset);
    noise.get(next).is_some_and(|it| it.whole.start < offset)
}

/// Returns the words of `span`, of which `noise` is all the noise.
pub fn words<'a>(text: &'a str, span: Range<usize>, noise: &[Noise]) -> Cow<'a, str> {
    replaced(text, span, noise, |kind| match kind {
        Kind::Colour | Kind::Data => "",
        Kind::Control | Kind::Tag | Kind::Mark => " ",
    })
}

/// Returns `text` with `…` in place of data, to be shown.
pub fn shown(text: &str) -> Cow<'_, str> {
    let mut noise = of(text);
    noise.retain(|it| matches!(it.kind, Kind::Data | Kind::Tag));
    replaced(text, 0..text.len(), &noise, |kind| if kind == Kind::Data { "…" } else { "" })
}

/// Returns the escape sequences in `text`, which a terminal obeys instead of showing them.
pub fn escapes(text: &str) -> Vec<Noise> {
    let mut noise = of(text);
    noise.retain(|it| matches!(it.kind, Kind::Colour | Kind::Control));
    noise
}

/// Returns `text`, without its escape sequences, in pieces that are in one of `marks` or in none.
pub fn pieces<'a>(text: &'a str, marks: &[[usize; 2]]) -> Vec<(Cow<'a, str>, bool)> {
    let escapes = escapes(text);
    let words_of = |part: Range<usize>| words(text, part.clone(), within(&escapes, part));
    let mut pieces = Vec::with_capacity(2 * marks.len() + 1);
    let mut at = 0;
    for &[start, end] in marks {
        pieces.push((words_of(at..start), false));
        pieces.push((words_of(start..end), true));
        at = end;
    }
    pieces.push((words_of(at..text.len()), false));
    pieces
}

fn replaced<'a>(
    text: &'a str,
    span: Range<usize>,
    noise: &[Noise],
    replacement: impl Fn(Kind) -> &'static str,
) -> Cow<'a, str> {
    if noise.is_empty() {
        return Cow::Borrowed(&text[span]);
    }
    let mut words = String::new();
    let mut at = span.start;
    for Noise { span: one, kind, .. } in noise {
        words.push_str(&text[at..one.start.clamp(at, span.end)]);
        words.push_str(replacement(*kind));
        at = one.end.clamp(at, span.end);
    }
    words.push_str(&text[at..span.end]);
    Cow::Owned(words)
}

struct Found<'a> {
    text: &'a str,
    noise: Vec<Noise>,
    /// No drawing ends before this offset, after the last one that was found.
    drawing_end: usize,
}

impl Found<'_> {
    fn add(&mut self, span: Range<usize>, kind: Kind) -> usize {
        let end = span.end;
        if !span.is_empty() {
            self.noise.push(Noise { whole: span.clone(), span, before: 0, kind });
        }
        end
    }

    /// Makes all noise from index `first` on parts of `whole`; returns its end.
    fn join(&mut self, first: usize, whole: Range<usize>) -> usize {
        self.noise[first..].iter_mut().for_each(|it| it.whole = whole.clone());
        whole.end
    }

    /// Adds the noise that the mark at `start` begins, if it does; returns its end.
    fn mark(&mut self, start: usize) -> usize {
        let rest = &self.text[start..];
        let end = match rest.as_bytes()[0] {
            b'd' => self.data(data::uri(self.text, start)),
            b'e' => self.data(data::web_token(self.text.as_bytes(), start)),
            b'-' => self.data(data::armoured(self.text, start)),
            b'b' => self.data(data::uuencoded(self.text, start)),
            b'"' => self.data(data::mappings(self.text.as_bytes(), start)),
            b'<' => self.drawing(start),
            b'{' => self.shortcode(start),
            b'>' => self.callout(start),
            _ => self.admonition(start),
        };
        end.unwrap_or(start)
    }

    fn data(&mut self, found: Option<Range<usize>>) -> Option<usize> {
        found.map(|span| self.add(span, Kind::Data))
    }

    /// Adds an escape sequence (ECMA-48): colours and titles, and what moves the cursor.
    fn escape(&mut self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let limit = bytes.len().min(start + MARK_BYTES_MAX);
        let rest = &bytes[start + 1..limit];
        let (length, kind) = match rest.first() {
            Some(b'[') => {
                let parameters = rest[1..].iter().take_while(|byte| (0x20..0x40).contains(*byte));
                let last = 1 + parameters.count();
                let kind = if rest.get(last) == Some(&b'm') { Kind::Colour } else { Kind::Control };
                (
                    last + usize::from(rest.get(last).is_some_and(|it| (0x40..0x7f).contains(it))),
                    kind,
                )
            }
            // A text for the terminal, such as its title or the target of a link.
            Some(b']' | b'P' | b'X' | b'^' | b'_') => {
                let end = rest.iter().position(|byte| matches!(*byte, 7 | ESCAPE | b'\n'));
                let end = end.unwrap_or(1);
                let is_closed = rest.get(end..end + 2) == Some(&b"\x1b\\"[..]);
                let closing = if is_closed { 2 } else { usize::from(rest.get(end) == Some(&7)) };
                (end + closing, Kind::Colour)
            }
            Some(0x20..0x30) => {
                let set = rest.iter().take_while(|byte| (0x20..0x30).contains(*byte)).count();
                (
                    set + usize::from(rest.get(set).is_some_and(|it| (0x30..0x7f).contains(it))),
                    Kind::Colour,
                )
            }
            Some(0x30..0x7f) => (1, Kind::Control),
            _ => (0, Kind::Colour),
        };
        self.add(start..start + 1 + length, kind)
    }

    /// Adds the tags of an `<svg>` element; its texts are words.
    fn drawing(&mut self, start: usize) -> Option<usize> {
        const END: &str = "</svg>";
        let bytes = self.text.as_bytes();
        if !matches!(bytes.get(start + 4)?, b' ' | b'\t' | b'\n' | b'\r' | b'>') {
            return None;
        }
        let limit = bytes.len().min(start + DRAWING_BYTES_MAX);
        let from = start.max(self.drawing_end);
        let Some(end) = memmem::find(bytes.get(from..limit)?, END.as_bytes()) else {
            self.drawing_end = limit.saturating_sub(END.len());
            return None;
        };
        let end = from + end + END.len();
        self.drawing_end = end;
        let first = self.noise.len();
        let mut at = start;
        while at < end {
            let inner = &self.text[at..end];
            let closing = ["style", "script"].iter().find_map(|name| {
                let is_one = inner[1..].starts_with(name);
                is_one.then(|| inner.find(&format!("</{name}>"))).flatten()
            });
            let tag = closing.unwrap_or(0);
            let tag_end = at + inner[tag..].find('>').map_or(inner.len(), |it| tag + it + 1);
            let next = self.text[tag_end..end].find('<').map_or(end, |it| tag_end + it);
            let is_blank = self.text[tag_end..next].trim().is_empty();
            self.add(at..if is_blank { next } else { tag_end }, Kind::Tag);
            at = next;
        }
        Some(self.join(first, start..end))
    }

    /// Adds a shortcode of Hugo, but its arguments that are text.
    fn shortcode(&mut self, start: usize) -> Option<usize> {
        let rest = &self.text[start..self.text.floor_char_boundary(start + MARK_BYTES_MAX)];
        let closing = if rest.starts_with("{{<") { ">}}" } else { "%}}" };
        let end = start + rest.find(closing)? + closing.len();
        let first = self.noise.len();
        let mut at = start;
        let mut quotes = self.text[start..end].match_indices('"').map(|(it, _)| start + it);
        while let (Some(open), Some(close)) = (quotes.next(), quotes.next()) {
            if self.text[open..close].contains(' ') {
                self.add(at..open + 1, Kind::Mark);
                at = close;
            }
        }
        self.add(at..end, Kind::Mark);
        Some(self.join(first, start..end))
    }

    /// Adds the type of a callout, as in `> [!note]- Title`.
    fn callout(&mut self, start: usize) -> Option<usize> {
        let bracket = start + "> ".len();
        let is_type = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '|' | ' ');
        let name = &self.text[bracket + 2..];
        let length = name.find(|c| !is_type(c)).filter(|length| (1..=40).contains(length))?;
        let after = name[length..].strip_prefix(']')?;
        let end = self.text.len() - after.len() + usize::from(after.starts_with(['+', '-']));
        if !begins_line(self.text, start) {
            return None;
        }
        let first = self.noise.len();
        self.add(bracket..end, Kind::Mark);
        Some(self.join(first, start..end))
    }

    /// Adds the mark and the type of an admonition: `:::note Title`, `!!! note "Title"`.
    fn admonition(&mut self, start: usize) -> Option<usize> {
        let rest = &self.text[start..];
        if !begins_line(self.text, start) {
            return None;
        }
        let line = rest[..rest.floor_char_boundary(MARK_BYTES_MAX)].lines().next()?;
        let mark = line.trim_start_matches([':', '!', '?', '+']);
        let name = mark.trim_start_matches([' ', '{', '.']);
        let after =
            name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c));
        let is_colons = line.starts_with(':');
        let is_type = after.is_empty()
            || is_colons && after.starts_with([' ', '[', '{', '}', '\t'])
            || !is_colons && (after.starts_with(" \"") || after.starts_with(" inline"));
        if !is_type {
            return None;
        }
        let attributes = match after.as_bytes().first() {
            Some(b'[') => 1,
            Some(b'{' | b' ') if mark.contains('}') && !mark.contains('"') => {
                after.find('}').map_or(0, |it| it + 1)
            }
            Some(b'}') => 1,
            _ => 0,
        };
        let length = line.len() - after.len() + attributes;
        Some(self.add(start..start + length, Kind::Mark))
    }
}

/// Reports whether only blanks and marks of quotes are before `at` on its line.
fn begins_line(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t', '>']);
    before.is_empty() || before.ends_with(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> String {
        words(text, 0..text.len(), &find(text, 0..text.len())).into_owned()
    }

    fn base64(bytes: usize) -> String {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..bytes).map(|at| char::from(digits[at * at % 61 % 64])).collect()
    }

    #[test]
    fn colours_and_titles_of_terminals_are_no_words() {
        let check = |text: &str, expected: &str| assert_eq!(words_of(text), expected, "{text:?}");
        check("\u{1b}[31mfail\u{1b}[1med\u{1b}[0m: x", "failed: x");
        check("\u{1b}[38;5;196ma\u{1b}[mb", "ab");
        check("a\u{1b}[2Kb\u{1b}[10;2Hc", "a b c");
        check("\u{1b}]0;a title\u{7}b", "b");
        check("\u{1b}]8;;file:a\u{1b}\\link\u{1b}]8;;\u{1b}\\ b", "link b");
        check("\u{1b}(Ba\u{1b}=b", "a b");
        check("a\u{1b}\nb\u{1b}[31\nc\u{1b}]x\nd\u{1b}", "a\nb \nc\nd");
        check("é\u{1b}é\u{1b}[é", "éé é");
    }

    #[test]
    fn data_is_no_word() {
        let check = |text: &str, expected: &str| assert_eq!(words_of(text), expected);
        let data = base64(400);
        check(&format!("a ![x](data:image/png;base64,{data}) b"), "a ![x]() b");
        check(&format!("url(\"data:image/svg+xml,%3Csvg{}\") b", "%20x".repeat(30)), "url(\"\") b");
        check(
            &format!("url('data:image/svg+xml;utf8,<svg {}></svg>') b", "a=\"b\" ".repeat(30)),
            "url('') b",
        );
        check(&format!("\"image/png\": \"{data}\", b"), "\"image/png\": \"\", b");
        let wrapped = data.as_bytes()[..380].chunks(76).map(|it| std::str::from_utf8(it).unwrap());
        let wrapped: Vec<&str> = wrapped.collect();
        check(&format!("a\n{}\nb", wrapped.join("\n")), "a\n\nb");
        check(&format!("hash {} b", "0123456789abcdef".repeat(20)), "hash  b");
        // Long words are words.
        for word in ["averylongword".repeat(40), "/usr/lib/x86".repeat(30), base64(120)] {
            check(&word, &word);
        }
        check("metadata: a, data: b, c", "metadata: a, data: b, c");
        check("data:text/plain,short", "data:text/plain,short");
        assert_eq!(shown(&format!("a {data}\u{1b}[1m :::note")), "a …\u{1b}[1m :::note");
    }

    #[test]
    fn drawings_have_only_their_texts() {
        let check = |text: &str, expected: &str| {
            let words = words_of(text);
            assert_eq!(words.split_whitespace().collect::<Vec<_>>().join(" "), expected);
        };
        check(
            "a <svg viewBox='0 0'><title>Pump</title><style>p{x}</style><path d='M0'/></svg> b",
            "a Pump b",
        );
        check("<svg never ended", "<svg never ended");
        check("<svgs></svg>", "<svgs></svg>");
    }

    #[test]
    fn marks_around_text_are_no_words() {
        let check = |text: &str, expected: &str| assert_eq!(words_of(text), expected, "{text:?}");
        check(":::note Read this\ntext\n:::\n", "  Read this\ntext\n \n");
        check(":::tip[Read this]\n", " Read this]\n");
        check("::: {.callout-note}\ntext", " \ntext");
        check(":::{note} Read", "  Read");
        check("!!! note \"Read this\"\n    text", "  \"Read this\"\n    text");
        check("!!! Do not touch", "!!! Do not touch");
        check("a ::: b", "a ::: b");
        check("> [!warning]- Read this\n> text", ">   Read this\n> text");
        check("a > [!b]", "a > [!b]");
        check("{{< figure src=\"a.png\" caption=\"A tall pump\" >}} b", " A tall pump  b");
        check("{{% note %}}Read{{% /note %}}", " Read ");
        check("{{< never", "{{< never");
    }

    #[test]
    fn a_part_has_the_noise_of_the_whole() {
        let data = base64(400);
        let text =
            format!("a \u{1b}[1m{data}\n:::note b\n<svg ><b></svg> c {{{{< d >}}}} > [!e] data:x");
        let all = find(&text, 0..text.len());
        for start in (0..text.len()).filter(|&at| text.is_char_boundary(at)) {
            if is_inside(&all, start) {
                continue;
            }
            let spans = |noise: &[Noise]| {
                noise.iter().map(|it| (it.span.clone(), it.kind)).collect::<Vec<_>>()
            };
            let part = spans(within(&all, start..text.len()));
            assert_eq!(spans(&find(&text, start..text.len())), part, "from {start}");
            let bytes: usize =
                all.iter().map(|it| it.span.end.saturating_sub(it.span.start.max(start))).sum();
            assert_eq!(bytes_within(&all, start..text.len()), bytes, "from {start}");
        }
    }
}
