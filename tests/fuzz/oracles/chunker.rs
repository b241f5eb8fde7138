//! Chunks of any text: in order, on character boundaries, covering it, within their budget, always
//! the same.

use std::ops::Range;

use kbingest::chunk::{ChunkConfig, ChunkInput, chunker, embedded_text, keys};
use kbingest::domain::{Chunk, MediaType};
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
    let input = ChunkInput { title, text, media_type };
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
        if let Some(overlap) = chunk.overlap {
            assert_eq!(overlap.end, span.start, "{chunk:?}");
            assert!(count(overlap.of(text)) <= config.overlap_tokens, "{chunk:?}");
        }
        let embedded = embedded_text(title, text, chunk);
        assert_eq!(chunk.token_count, count(&embedded), "tokens of {embedded:?}");
        let mut bodyless = chunk.clone();
        bodyless.span.end = bodyless.span.start;
        (bodyless.prefix, bodyless.overlap) = (None, None);
        let context = count(&embedded_text(title, text, &bodyless));
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

/// What the parser allows outside every chunk.
#[derive(Default, Debug)]
struct Exempt {
    /// Front matter and link definitions.
    always: Vec<Range<usize>>,
    /// Top-level headings.
    headings: Vec<Range<usize>>,
}

fn exempt(text: &str) -> Exempt {
    let mut exempt = Exempt::default();
    let mut base = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let metadata = Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let first = Parser::new_ext(&text[base..], metadata).into_offset_iter().next();
    if let Some((Event::Start(Tag::MetadataBlock(_)), range)) = first
        && range.start == 0
    {
        exempt.always.push(base..base + range.end);
        base += range.end;
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let parser = Parser::new_ext(&text[base..], options);
    let shifted = |range: Range<usize>| base + range.start..base + range.end;
    let definitions = parser.reference_definitions().iter();
    exempt.always.extend(definitions.map(|(_, definition)| shifted(definition.span.clone())));
    exempt.always.sort_unstable_by_key(|range| range.start);
    let mut depth = 0;
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 0 && matches!(tag, Tag::Heading { .. }) {
                    exempt.headings.push(shifted(range));
                }
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    exempt
}

/// Checks that only front matter, link definitions and headings without a body are outside of
/// chunks, and that no chunk ends in a heading.
fn check_markdown(text: &str, chunks: &[Chunk], config: &ChunkConfig) {
    let exempt = exempt(text);
    let in_ranges = |ranges: &[Range<usize>], at: usize| {
        let next = ranges.partition_point(|range| range.start <= at);
        next.checked_sub(1).filter(|&index| at < ranges[index].end)
    };
    let is_loose = |at: usize, c: char| is_blank(c) || in_ranges(&exempt.always, at).is_some();
    for gap in uncovered(text, chunks) {
        for (at, c) in text[gap.clone()].char_indices().map(|(at, c)| (gap.start + at, c)) {
            if is_loose(at, c) {
                continue;
            }
            let heading = in_ranges(&exempt.headings, at);
            let heading = heading.unwrap_or_else(|| panic!("lost {:?}", &text[gap.clone()]));
            let range = &exempt.headings[heading];
            let next = exempt.headings.get(heading + 1).map_or(text.len(), |next| next.start);
            let mut body = text[range.end..next].char_indices();
            assert!(
                gap.start <= range.start && body.all(|(i, c)| is_loose(range.end + i, c)),
                "heading lost, but not its body: {:?}",
                &text[range.start..next]
            );
        }
    }
    for heading in &exempt.headings {
        let content = text[heading.clone()].trim_end();
        let end = heading.start + content.len();
        let ends = chunks.binary_search_by_key(&end, |chunk| chunk.span.end).is_ok();
        assert!(!ends || count(content) * 4 > config.max_tokens, "ends in heading {content:?}");
    }
}

/// Checks a text as every media type.
pub fn check_text(text: &str, config: &ChunkConfig) {
    for title in ["", "A title"] {
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
    let input = ChunkInput { title: "t", text, media_type: MediaType::Markdown };
    let chunks = chunker(input.media_type).chunk(&input, config, &count_squared);
    check_chunks("t", text, &chunks, config, &count_squared);
}
