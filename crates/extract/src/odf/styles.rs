//! The styles of an OpenDocument: which lists are numbered, and which paragraphs are the title.

use std::collections::BTreeSet;

use crate::xml::{self, Element, Part};

/// The style of titles, which has this name in every program.
const TITLE: &str = "Title";

#[derive(Debug, Default)]
pub(super) struct Styles {
    /// Styles of lists and their levels, from 1, that have numbers.
    numbered: BTreeSet<(String, usize)>,
    /// Styles that are based on that of titles.
    titles: BTreeSet<String>,
    /// The list style being read.
    list: String,
}

impl Styles {
    /// Adds the styles of a part; what precedes an error is kept.
    pub(super) fn read(&mut self, text: &str) {
        let read = xml::read(text, |part| {
            if let Part::Start(element) = part {
                self.note(&element);
            }
            true
        });
        if let Err(error) = read {
            tracing::debug!(%error, "styles cannot be read");
        }
    }

    /// Adds the content of one of their elements.
    pub(super) fn note(&mut self, element: &Element<'_>) {
        match element.name.as_str() {
            "list-style" => self.list = element.attribute("name").unwrap_or_default().to_owned(),
            // A number without a format is not shown.
            "list-level-style-number" if element.attribute("num-format") != Some("") => {
                let level = element.attribute("level").and_then(|level| level.parse().ok());
                self.numbered.insert((self.list.clone(), level.unwrap_or(1)));
            }
            "style" if element.attribute("parent-style-name") == Some(TITLE) => {
                self.titles.extend(element.attribute("name").map(str::to_owned));
            }
            _ => {}
        }
    }

    pub(super) fn is_numbered(&self, list: &str, level: usize) -> bool {
        self.numbered.contains(&(list.to_owned(), level))
    }

    pub(super) fn is_title(&self, paragraph: &str) -> bool {
        paragraph == TITLE || self.titles.contains(paragraph)
    }
}
