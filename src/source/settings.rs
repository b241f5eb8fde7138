//! Settings that several kinds of sources have: their defaults, and one set of checks.
//!
//! Each table lists its keys itself: serde loses the positions of values in kb.toml, and refuses no
//! unknown key, in a struct that is flattened into another.

use std::ops::Range;

use crate::source::located::Located;

use super::{ByteSize, Problems, base_url, globs};

const MAX_FILE_SIZE_DEFAULT: ByteSize = ByteSize(10 << 20);
const MAX_DOCUMENTS_DEFAULT: u64 = 1_000_000;
const NAME_CHARS_MAX: usize = 64;

/// Returns the default of `max_file_size`.
pub(super) fn max_file_size_default() -> Located<ByteSize> {
    Located::from(MAX_FILE_SIZE_DEFAULT)
}

/// Returns the default of `max_documents`.
pub(super) fn max_documents_default() -> Located<u64> {
    Located::from(MAX_DOCUMENTS_DEFAULT)
}

/// Returns the default of a text that may be left out.
pub(super) fn empty() -> Located<String> {
    Located::from(String::new())
}

/// The checks of one table, which collect its problems in order.
pub(super) struct Checks {
    /// As in `source.git`.
    table: &'static str,
    problems: Problems,
}

impl Checks {
    /// Starts the checks of a table.
    pub(super) fn of(table: &'static str) -> Self {
        Self { table, problems: Vec::new() }
    }

    /// Returns what is wrong with the table.
    pub(super) fn into_problems(self) -> Problems {
        self.problems
    }

    /// Adds the problem of the value at `span`, if it has one.
    pub(super) fn add(&mut self, span: Range<usize>, key: &str, result: Result<(), String>) {
        if let Err(what) = result {
            self.problems.push((span, format!("{}.{key}", self.table), what));
        }
    }

    /// Checks each value of a list by `rule`.
    pub(super) fn each(
        &mut self,
        key: &str,
        values: &[Located<String>],
        rule: impl Fn(&str) -> Result<(), String>,
    ) {
        for value in values {
            self.add(value.span(), key, rule(value.get_ref()));
        }
    }

    /// Checks the name of a source. Files of ours are named after it, so it must be a single path
    /// component and not hidden.
    pub(super) fn name(&mut self, name: &Located<String>) {
        self.add(name.span(), "name", check_name(name.get_ref()));
    }

    /// Checks where the documents are for readers.
    pub(super) fn base_url(&mut self, template: &Located<String>) {
        self.add(template.span(), "base_url", base_url::check(template));
    }

    /// Checks a list of globs.
    pub(super) fn globs(&mut self, key: &str, patterns: &[Located<String>]) {
        self.each(key, patterns, |pattern| globs::glob(pattern).map(drop));
    }

    /// Checks a limit on the size of one or several files.
    pub(super) fn size(&mut self, key: &str, size: &Located<ByteSize>) {
        let is_zero = *size.get_ref() == ByteSize(0);
        let zero = "a limit of 0 skips every file; allowed is 1 byte and more";
        self.add(size.span(), key, refused_if(is_zero, zero));
    }

    /// Checks the limit on the number of documents.
    pub(super) fn max_documents(&mut self, max: &Located<u64>) {
        let is_zero = *max.get_ref() == 0;
        let zero = "a limit of 0 leaves out every document; allowed is 1 and more";
        self.add(max.span(), "max_documents", refused_if(is_zero, zero));
    }
}

fn refused_if(is_wrong: bool, what: &str) -> Result<(), String> {
    if is_wrong { Err(what.to_owned()) } else { Ok(()) }
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && name.len() <= NAME_CHARS_MAX && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "\"{name}\" is not a name; allowed are 1 to {NAME_CHARS_MAX} letters a-z and A-Z, digits, `-`, `_` and `.`, \
         the first a letter or a digit"
    ))
}
