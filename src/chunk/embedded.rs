//! The text of a chunk: what is embedded, indexed and counted. No other module assembles it.

use std::borrow::Cow;

use crate::analysis::noise::{self, Noise};
use crate::domain::{Chunk, Span};

/// Separates the title and the headings of a heading path.
pub(super) const PATH_SEPARATOR: &str = " > ";

/// Returns the text that is embedded: the [`context_line`], a line end, then the [`body_text`].
/// `noise` is that of `text`.
pub fn embedded_text(title: &str, text: &str, noise: &[Noise], chunk: &Chunk) -> String {
    let (context, body) = (context_line(title, &chunk.heading_path), body_text(text, noise, chunk));
    let line_end = if context.is_empty() { "" } else { "\n" };
    [&*context, line_end, &*body].concat()
}

/// Returns the title and the heading path in one line, or the path alone if its first heading is
/// the title.
pub fn context_line<'a>(title: &'a str, heading_path: &'a str) -> Cow<'a, str> {
    match (title.is_empty(), heading_path.is_empty()) {
        (_, true) => Cow::Borrowed(title),
        (true, false) => Cow::Borrowed(heading_path),
        _ if begins_with_title(title, heading_path) => Cow::Borrowed(heading_path),
        _ => Cow::Owned([title, heading_path].join(PATH_SEPARATOR)),
    }
}

/// Reports whether the first heading of the path equals the title.
pub(super) fn begins_with_title(title: &str, heading_path: &str) -> bool {
    heading_path
        .strip_prefix(title)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(PATH_SEPARATOR))
}

/// Returns the chunk's own text: prefix on a line of its own, first cell of the row, overlap, span,
/// all without noise.
/// Borrowed if the chunk is only a span, and has none.
pub fn body_text<'a>(text: &'a str, noise: &[Noise], chunk: &Chunk) -> Cow<'a, str> {
    let words = |span: Span| {
        let span = span.start..span.end;
        noise::words(text, span.clone(), noise::within(noise, span))
    };
    if chunk.prefix.is_none() && chunk.row_head.is_none() && chunk.overlap.is_none() {
        return words(chunk.span);
    }
    let mut body = String::new();
    if let Some(prefix) = chunk.prefix {
        body.push_str(&words(prefix));
        body.push('\n');
    }
    if let Some(row_head) = chunk.row_head {
        body.push_str(&words(row_head));
        body.push(' ');
    }
    if let Some(overlap) = chunk.overlap {
        body.push_str(&words(overlap));
    }
    body.push_str(&words(chunk.span));
    Cow::Owned(body)
}
