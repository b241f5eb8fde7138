//! What a knowledge base says of itself to the programs that search it: its name, title and
//! description.

use std::path::Path;

/// Limit on the name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Limit on the title, in characters.
const TITLE_CHARS_MAX: usize = 200;
/// Limit on the description, in characters: agents read it before every conversation.
const DESCRIPTION_CHARS_MAX: usize = 2000;

/// What a knowledge base says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What programs call it; empty: the name of its file, without the ending.
    pub name: String,
    /// What people call it; empty if nothing is stated.
    pub title: String,
    /// What it contains and when to search it; empty if nothing is stated.
    pub description: String,
}

impl About {
    /// Returns what is wrong, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !self.name.chars().all(is_name) || self.name.len() > NAME_BYTES_MAX {
            return Some(format!(
                "name must consist of a-z, A-Z, 0-9, `-`, `_` and `.`, at most {NAME_BYTES_MAX} of them"
            ));
        }
        let limits = [
            ("title", &self.title, TITLE_CHARS_MAX),
            ("description", &self.description, DESCRIPTION_CHARS_MAX),
        ];
        limits.into_iter().find(|(_, text, most)| text.chars().count() > *most).map(
            |(key, text, most)| {
                format!("{key} has {} characters, at most {most} are allowed", text.chars().count())
            },
        )
    }
}

/// Returns the name of the knowledge base at `kb` if none is stated: that of its file, with a `-`
/// in place of each character that a name must not have.
pub fn name_of_file(kb: &Path) -> String {
    let stem = kb.file_stem().unwrap_or_default().to_string_lossy();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = stem.chars().take(NAME_BYTES_MAX).map(allowed).collect();
    if name.is_empty() { "kb".to_owned() } else { name }
}
