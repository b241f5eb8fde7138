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

/// Parses a page; any text results in a tree. One that says so is parsed as XML.
pub fn parse(text: &str) -> Tree {
    let says_xml = text.trim_start_matches('\u{feff}').starts_with("<?xml");
    builder::build(&attributes::capped(text), says_xml)
}

/// Parses a page in XML: `<a/>` is an element without content, and CDATA sections are text.
pub fn parse_xml(text: &str) -> Tree {
    builder::build(&attributes::capped(text), true)
}
