//! HTML as a tree, for crawling and for extraction.
//!
//! html5ever tokenises: it reads entities, raw text and broken tags like browsers do. The tree is
//! built here, by the rules of the HTML standard that matter for text: what closes what, and what
//! cannot be nested. Everything is linear in the length of any page: depth, attributes and nesting
//! have limits. Nothing here does I/O.

mod attributes;
mod builder;
mod facts;
mod select;
mod tree;

pub use facts::{Facts, Link, Robots};
pub use select::Selector;
pub use tree::{Children, Data, Node, NodeId, Tree};

/// Parses a page; any text results in a tree.
pub fn parse(text: &str) -> Tree {
    builder::build(&attributes::capped(text))
}
