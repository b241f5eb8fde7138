//! Chunks of any text: in order, on character boundaries, covering it, within their budget, always
//! the same.

use std::ops::Range;

use kbingest::analysis::noise;
use kbingest::chunk::{self, ChunkConfig, ChunkInput, body_text, chunker, embedded_text, keys};
use kbingest::domain::{Chunk, MediaType};
use kbingest::support::{front_matter, line_ends};
use pulldown_cmark::{Event, Options, Parser, Tag};

/// Chunks a text with settings chosen by its first bytes.
pub fn chunker_holds(data: &[u8]) {
    let [max, overlap, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let max_tokens = 32 + usize::from(*max);
    let config =
        ChunkConfig { max_tokens, overlap_tokens: usize::from(*overlap) % (max_tokens / 2) };
    check_text(text, &config);
    let cut = || chunks("t", text, MediaType::Markdown, &config);
    assert_eq!(cut(), cut(), "cut otherwise the second time");
}

/// Counts a token for every eight ASCII characters of a word, and one for every other character.
pub fn count(text: &str) -> usize {
    let tokens_of = |word: &str| {
        let ascii = word.bytes().filter(u8::is_ascii).count();
        let others = word.chars().count() - ascii;
        ascii.div_ceil(8) + others
    };
    text.split_whitespace().map(tokens_of).sum()
}

pub fn chunks(title: &str, text: &str, media_type: MediaType, config: &ChunkConfig) -> Vec<Chunk> {
    let input = ChunkInput { title, text, noise: &noise::of(text), media_type };
    chunker(media_type).chunk(&input, config, &count)
}

/// A tokeniser for which parts of a word may have fewer tokens than the word.
fn count_squared(text: &str) -> usize {
    text.split_whitespace().map(|word| 1 + word.chars().count().pow(2) / 64).sum()
}

/// Checks every guarantee for one chunk, or for consecutive chunks.
fn check_chunks(
    title: &str,
    text: &str,
    chunks: &[Chunk],
    config: &ChunkConfig,
    count: &dyn Fn(&str) -> usize,
) {
    let (mut end, mut line) = (0, 1);
    // If no line ends with a line feed, carriage returns end them.
    let text = &line_ends::unix_throughout(text);
    let noise = &noise::of(text);
    for chunk in chunks {
        let span = chunk.span;
        assert!(span.start >= end && span.end > span.start, "out of order: {chunk:?}");
        let body = span.of(text);
        assert!(!body.trim().is_empty() && body == body.trim_end(), "not trimmed: {body:?}");
        assert!(!body.starts_with('\n'), "not trimmed: {body:?}");

        line += text[end..span.start].matches('\n').count();
        assert_eq!(chunk.lines.first, line, "first line of {body:?}");
        line += body.matches('\n').count();
        assert_eq!(chunk.lines.last, line, "last line of {body:?}");

        if let Some(prefix) = chunk.prefix {
            assert!(prefix.end <= span.start && chunk.overlap.is_none(), "{chunk:?}");
        }
        if let Some(row_head) = chunk.row_head {
            assert!(row_head.end <= span.start && chunk.overlap.is_none(), "{chunk:?}");
            assert!(!row_head.of(text).contains('\n'), "{chunk:?}");
        }
        if let Some(overlap) = chunk.overlap {
            assert_eq!(overlap.end, span.start, "{chunk:?}");
            let alone = Chunk { span: overlap, overlap: None, ..chunk.clone() };
            assert!(count(&body_text(text, noise, &alone)) <= config.overlap_tokens, "{chunk:?}");
        }
        let embedded = embedded_text(title, text, noise, chunk);
        assert_eq!(chunk.token_count, count(&embedded), "tokens of {embedded:?}");
        let mut bodyless = chunk.clone();
        bodyless.span.end = bodyless.span.start;
        (bodyless.prefix, bodyless.row_head, bodyless.overlap) = (None, None, None);
        let context = count(&embedded_text(title, text, noise, &bodyless));
        assert!(
            chunk.token_count <= config.max_tokens.max(context + config.max_tokens / 2),
            "{} tokens: {embedded:?}",
            chunk.token_count
        );
        end = span.end;
    }
    let mut distinct = keys("source", "uri", text, chunks);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), chunks.len(), "keys are not unique");
}

/// Returns the bytes of `text` outside the spans as ranges.
fn uncovered(text: &str, chunks: &[Chunk]) -> Vec<Range<usize>> {
    let mut gaps = Vec::new();
    let mut end = 0;
    for chunk in chunks {
        gaps.push(end..chunk.span.start);
        end = chunk.span.end;
    }
    gaps.push(end..text.len());
    gaps.retain(|gap| !text[gap.clone()].trim_matches(is_blank).is_empty());
    gaps
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// Returns the lines of top-level headings, and the end of the front matter before them.
fn headings(text: &str) -> (usize, Vec<Range<usize>>) {
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let metadata = front_matter::find(&text[start..]);
    let base = metadata.as_ref().map_or(start, |metadata| start + metadata.end);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let (mut headings, mut depth) = (Vec::new(), 0);
    for (event, range) in Parser::new_ext(&text[base..], options).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 0 && matches!(tag, Tag::Heading { .. }) {
                    // It may begin with a line of no-break spaces, which is blank to us.
                    let lines = text[base..][range.clone()].trim_end();
                    let blank = lines.len() - lines.trim_start_matches(is_blank).len();
                    let start = base + range.start;
                    headings.push(start + blank..start + lines.len());
                }
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    (base, headings)
}

/// Checks that only front matter, and headings that the heading path of the next chunk repeats, are
/// outside of chunks, and that no chunk ends in a heading above some text.
fn check_markdown(text: &str, chunks: &[Chunk], config: &ChunkConfig) {
    let lost = chunk::uncovered(text, MediaType::Markdown, chunks);
    assert!(lost.is_empty(), "{lost:?} is in no chunk of {text:?}");
    // What else is no text is tested with examples.
    if text.contains("import ") {
        return;
    }
    // Carriage returns alone end lines, too; offsets are the same.
    let unix = &line_ends::unix(text);
    let (base, headings) = headings(unix);
    let said = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    for gap in uncovered(text, chunks).into_iter().filter(|gap| gap.end > base) {
        let gap = gap.start.max(base)..gap.end;
        let path = chunks.iter().find(|chunk| chunk.span.start >= gap.end);
        let path = path.map_or("", |chunk| chunk.heading_path.as_str());
        let mut at = gap.start;
        for heading in headings.iter().filter(|it| it.start < gap.end && it.end > gap.start) {
            let between = unix[at..heading.start.max(at)].trim_matches(is_blank);
            assert_eq!(between, "", "lost from {text:?}");
            assert!(heading.start >= gap.start, "a part of a heading is lost from {text:?}");
            let words = said(&unix[heading.clone()]);
            assert!(said(path).contains(&words), "{words:?} is not in {path:?} of {text:?}");
            at = heading.end;
        }
        let rest = unix[at.min(gap.end)..gap.end].trim_matches(is_blank);
        assert_eq!(rest, "", "lost from {text:?}");
    }
    for (index, heading) in headings.iter().enumerate() {
        let content = unix[heading.clone()].trim_end();
        let end = heading.start + content.len();
        let next = headings.get(index + 1).map_or(unix.len(), |next| next.start);
        let has_body = !unix[end..next].trim_matches(is_blank).is_empty();
        let ends = chunks.binary_search_by_key(&end, |chunk| chunk.span.end).is_ok();
        let is_long = count(content) * 4 > config.max_tokens;
        assert!(!ends || !has_body || is_long, "ends in heading {content:?}");
    }
}

/// Checks a text as every media type.
pub fn check_text(text: &str, config: &ChunkConfig) {
    for title in ["", "A title", "a.yaml", "a.toml", "a.json"] {
        for media_type in MediaType::ALL {
            let chunks = chunks(title, text, media_type, config);
            check_chunks(title, text, &chunks, config, &count);
            if media_type == MediaType::Markdown {
                check_markdown(text, &chunks, config);
            } else {
                let lost = uncovered(text, &chunks);
                assert!(lost.is_empty(), "{lost:?} of {text:?}");
            }
        }
    }
    let noise = &noise::of(text);
    let input = ChunkInput { title: "t", text, noise, media_type: MediaType::Markdown };
    let chunks = chunker(input.media_type).chunk(&input, config, &count_squared);
    check_chunks("t", text, &chunks, config, &count_squared);
}
