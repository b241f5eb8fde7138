//! What messages of all programs have in common: sender, recipients and attachments.

use std::fmt::Write;

use super::text::without_encoded;
use crate::extractor::ExtractInner;
use crate::writer::escaped;
use crate::{MediaType, title};

/// Limit on nested messages, by forwarding.
pub(super) const DEPTH_MAX: usize = 3;

/// Limit on the attachments of a message.
pub(super) const ATTACHMENTS_MAX: usize = 100;

/// Returns how the text shows somebody who has a name.
pub(super) fn display_name(name: &str, address: &str) -> String {
    format!("{address} ({name})")
}

/// Writes sender and recipients of a message: mail is searched for by people as much as by subject.
pub(super) fn write_head(fields: &[(&str, Option<String>)], text: &mut String) {
    let rendered = fields.iter().filter_map(|(name, value)| {
        let value = value.as_deref().and_then(title::clean)?;
        Some(format!("**{name}:** {}", escaped(&value)))
    });
    let rendered: Vec<_> = rendered.collect();
    if !rendered.is_empty() {
        separate(text);
        let _ = writeln!(text, "{}", rendered.join("  \n"));
    }
}

/// Writes the text of an attached file under its name, if it has any.
pub(super) fn write_file(
    extract: ExtractInner,
    name: &str,
    bytes: Vec<u8>,
    level: usize,
    text: &mut String,
) {
    let Ok(extracted) = extract(name, bytes) else { return };
    let is_markdown = extracted.media_type == MediaType::Markdown;
    let content = if is_markdown { extracted.text } else { without_encoded(&extracted.text) };
    let content = content.trim_matches('\n');
    if content.trim().is_empty() {
        return;
    }
    separate(text);
    let marks = "#".repeat((level + 1).min(6));
    let shown = if name.is_empty() { "without a name" } else { name };
    let _ = writeln!(text, "{marks} Attachment: {}", escaped(shown));
    separate(text);
    text.push_str(content);
    text.push('\n');
}

/// Adds a blank line after existing text.
pub(super) fn separate(text: &mut String) {
    if !text.is_empty() && !text.ends_with("\n\n") {
        text.push('\n');
    }
}
