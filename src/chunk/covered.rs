//! What of a text is in no chunk: nothing, but front matter and headings that heading paths repeat.

use super::mdx;
use super::outline::byte_order_mark;
use crate::domain::{Chunk, MediaType, Span};
use crate::support::{front_matter, line_ends};

/// Returns the lines of `text`, or parts of them, that are in no chunk, although they are neither
/// blank, nor front matter, nor statements of MDX, nor headings in the heading path of a chunk.
///
/// A document that is only front matter has it in a chunk.
pub fn uncovered(text: &str, media_type: MediaType, chunks: &[Chunk]) -> Vec<Span> {
    let text = &line_ends::unix(text);
    let is_markdown = media_type == MediaType::Markdown;
    let base = byte_order_mark(text);
    let metadata = front_matter::find(&text[base..]).filter(|_| is_markdown);
    let start = match &metadata {
        Some(metadata) if !chunks.is_empty() => base + metadata.end,
        _ => base,
    };
    let unread = metadata.iter().flat_map(|metadata| &metadata.unread);
    let mut uncovered: Vec<Span> = unread
        .map(|lines| Span::new(base + lines.start, base + lines.end))
        .filter(|lines| !chunks.iter().any(|chunk| contains(chunk.span, trimmed(text, *lines))))
        .collect();
    let mut end = start;
    for (index, chunk) in chunks.iter().enumerate() {
        add(
            text,
            is_markdown,
            Span::new(end, chunk.span.start.max(end)),
            &chunks[index..],
            &mut uncovered,
        );
        end = chunk.span.end.max(end);
    }
    add(text, is_markdown, Span::new(end, text.len().max(end)), &[], &mut uncovered);
    uncovered
}

/// Adds the lines of `gap` that are not in the heading path of the next chunk.
fn add(text: &str, is_markdown: bool, gap: Span, next: &[Chunk], uncovered: &mut Vec<Span>) {
    let path = next.first().map_or("", |chunk| chunk.heading_path.as_str());
    let (mut start, mut statements_end) = (gap.start, gap.start);
    for line in gap.of(text).split_inclusive('\n') {
        let line_start = start;
        start += line.len();
        if is_markdown && line_start >= statements_end {
            statements_end = line_start + mdx::statements(&text[line_start..gap.end]);
        }
        if start <= statements_end {
            continue;
        }
        let words = said(line);
        let is_blank = line.trim().is_empty();
        let in_path = || words.is_empty() && !path.is_empty() || said(path).contains(&words);
        if !is_blank && (next.is_empty() || !in_path()) {
            uncovered.push(Span::new(line_start, start));
        }
    }
}

/// Returns the letters and digits of `text`.
fn said(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn trimmed(text: &str, span: Span) -> Span {
    let words = span.of(text);
    let start = span.start + (words.len() - words.trim_start().len());
    Span::new(start, start + words.trim().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{ChunkConfig, ChunkInput, chunker};

    #[test]
    fn lost_text_is_reported() {
        let text = "---\na: b\nloose\n---\n# Head\n\n## Sub\n\nOne two.\n\n## Next\n\nThree.\n";
        let media_type = MediaType::Markdown;
        let input = ChunkInput { title: "", text, noise: &[], media_type };
        // So that nothing shares a chunk.
        let count = |text: &str| text.split_whitespace().count() * 8;
        let config = ChunkConfig { max_tokens: 64, overlap_tokens: 0 };
        let chunks = chunker(media_type).chunk(&input, &config, &count);
        let lost = |chunks: &[Chunk], media_type| -> Vec<String> {
            let lost = uncovered(text, media_type, chunks);
            lost.iter().map(|span| span.of(text).trim_end().to_owned()).collect()
        };
        assert_eq!(lost(&chunks, media_type), [""; 0]);
        assert_eq!(lost(&chunks[1..], media_type), ["loose"]);
        let mut less = chunks.clone();
        less[1].span.end -= 2;
        assert_eq!(lost(&less, media_type), ["o."]);
        less[1].heading_path = "Sub".to_owned();
        assert_eq!(lost(&less[..2], media_type), ["# Head", "o.", "## Next", "Three."]);
        assert_eq!(lost(&[], MediaType::Source).len(), 9);
    }
}
