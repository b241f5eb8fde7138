//! HTML as a tree: what a crawler asks of a page, and what extraction turns into Markdown.
//!
//! Tokenised by html5ever, which reads entities, raw text and broken tags as browsers do. The tree is
//! built here, by the rules of the HTML standard that matter for text: what closes what, and what cannot be
//! nested. Everything is linear in the length of the page whatever is in it: depth, attributes and
//! nesting have limits. Nothing here does I/O.

mod attributes;
mod builder;
mod facts;
mod select;
mod tree;

pub use facts::{Facts, Link, Robots};
pub use select::Selector;
pub use tree::{Children, Data, Node, NodeId, Tree};

/// Parses a page; whatever the text is, there is a tree.
pub fn parse(text: &str) -> Tree {
    builder::build(&attributes::capped(text))
}
