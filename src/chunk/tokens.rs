//! Token arithmetic: what title and heading path cost, and what they leave for the body.
//!
//! Counting is additive over white space, so every heading is counted once, however many sections
//! are below it.

use super::embedded::{PATH_SEPARATOR, begins_with_title, context_line};
use super::outline::Outline;
use super::{ChunkConfig, CountTokens};

/// Limit on the bytes per token of a body: a word of a megabyte may be a single token.
const BYTES_PER_TOKEN_MAX: usize = 64;

/// Reports whether every tokeniser separates words at `c`.
///
/// That is white space except control characters other than tab and line ends: WordPiece drops
/// those and joins the words on both sides.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() && (!c.is_control() || matches!(c, '\t' | '\n' | '\r'))
}

/// The context of a section: its heading path and the tokens left for a body.
#[derive(Clone, Debug, Default)]
pub(super) struct SectionContext {
    /// Headings joined by ` > `.
    pub path: String,
    /// Tokens of the context line.
    pub context_tokens: usize,
    /// Limit on the tokens of the body.
    pub budget: usize,
}

impl SectionContext {
    /// Reports whether a body of this size fits.
    pub fn fits(&self, tokens: usize, bytes: usize) -> bool {
        tokens <= self.budget && self.fits_bytes(bytes)
    }

    /// Reports whether a body of this many bytes may fit, so that its tokens need to be counted.
    pub fn fits_bytes(&self, bytes: usize) -> bool {
        bytes <= self.budget * BYTES_PER_TOKEN_MAX
    }
}

/// Limit on the names at the end of a heading path, in bytes; further ones are left out.
const NAMES_BYTES_MAX: usize = 160;

/// Computes the contexts of an outline's sections.
pub(super) struct SectionContexts<'a> {
    outline: &'a Outline,
    count: CountTokens<'a>,
    title: &'a str,
    max_tokens: usize,
    title_tokens: usize,
    separator_tokens: usize,
    /// Tokens of each section's heading.
    heading_tokens: Vec<usize>,
}

impl<'a> SectionContexts<'a> {
    /// Counts the title and every heading once.
    pub fn new(
        outline: &'a Outline,
        title: &'a str,
        config: &ChunkConfig,
        count: CountTokens<'a>,
    ) -> Self {
        let heading_tokens = outline.sections.iter();
        let heading_tokens =
            heading_tokens.map(|section| section.heading.as_ref().map_or(0, |it| count(&it.text)));
        Self {
            outline,
            count,
            title,
            max_tokens: config.max_tokens,
            title_tokens: count(title),
            separator_tokens: count(PATH_SEPARATOR),
            heading_tokens: heading_tokens.collect(),
        }
    }

    /// Returns the place below the heading of `section`, or below the title if there is no section.
    pub fn of(&self, section: Option<usize>) -> SectionContext {
        let sections = &self.outline.sections;
        let mut headings: Vec<(&str, usize)> =
            std::iter::successors(section, |&index| sections[index].parent)
                .filter_map(|index| {
                    let heading = sections[index].heading.as_ref()?;
                    Some((heading.text.as_str(), self.heading_tokens[index]))
                })
                .filter(|(text, _)| !text.is_empty())
                .collect();
        headings.reverse();
        let texts: Vec<&str> = headings.iter().map(|&(text, _)| text).collect();
        let path = texts.join(PATH_SEPARATOR);

        let mut parts: Vec<usize> = headings.iter().map(|&(_, tokens)| tokens).collect();
        if !self.title.is_empty() && !begins_with_title(self.title, &path) {
            parts.push(self.title_tokens);
        }
        let separators = parts.len().saturating_sub(1) * self.separator_tokens;
        let context_tokens = parts.iter().sum::<usize>() + separators;
        let budget = self.max_tokens.saturating_sub(context_tokens).max(self.max_tokens / 2);
        SectionContext { path, context_tokens, budget }
    }

    /// Returns the place of several sections: below the innermost one that is around all of them,
    /// or is the first of them, with the names of those right inside of it.
    pub fn of_several(&self, indices: &[usize]) -> SectionContext {
        let sections = &self.outline.sections;
        let chain = |index: usize| -> Vec<usize> {
            let outwards = std::iter::successors(Some(index), |&index| sections[index].parent);
            let mut chain: Vec<usize> = outwards.collect();
            chain.reverse();
            chain
        };
        let chains: Vec<Vec<usize>> = indices.iter().map(|&index| chain(index)).collect();
        let mut common = chains.first().map_or(0, Vec::len);
        for chain in &chains {
            let shared = chain.iter().zip(&chains[0]).take_while(|(a, b)| a == b).count();
            common = common.min(shared);
        }
        let around = common.checked_sub(1).map(|last| chains[0][last]);
        let mut names: Vec<&str> = Vec::new();
        for inner in chains.iter().filter_map(|chain| chain.get(common)) {
            let name = sections[*inner].heading.as_ref().map_or("", |heading| &heading.text);
            let bytes: usize = names.iter().map(|name| name.len()).sum();
            if !name.is_empty() && !names.contains(&name) && bytes + name.len() <= NAMES_BYTES_MAX {
                names.push(name);
            }
        }
        let mut place = self.of(around);
        if !names.is_empty() {
            let separator = if place.path.is_empty() { "" } else { PATH_SEPARATOR };
            place.path = [&place.path, separator, &names.join(", ")].concat();
            place.context_tokens = (self.count)(&context_line(self.title, &place.path));
            let left = self.max_tokens.saturating_sub(place.context_tokens);
            place.budget = left.max(self.max_tokens / 2);
        }
        place
    }
}
