//! The state of a conversion: what is written so far, and what each node of the page is to it.

use crate::dom::{NodeId, Tree};
use crate::writer::Writer;

/// The state of a conversion.
pub(super) struct Renderer<'a> {
    pub(super) tree: &'a Tree,
    pub(super) left_out: &'a [bool],
    pub(super) has_blocks: Vec<bool>,
    pub(super) resolve: Option<&'a dyn Fn(&str) -> String>,
    pub(super) writer: Writer,
    pub(super) anchors: Vec<(usize, String)>,
}

impl Renderer<'_> {
    /// Tells whether a node is no content.
    pub(super) fn is_left_out(&self, id: NodeId) -> bool {
        self.left_out[id.index()]
    }

    /// Tells whether blocks stand below `id`.
    pub(super) fn has_blocks(&self, id: NodeId) -> bool {
        self.has_blocks[id.index()]
    }

    /// Tells whether a node is a block, or has one below it.
    pub(super) fn is_block(&self, id: NodeId) -> bool {
        self.has_blocks(id) || is_block_name(self.tree.name(id))
    }
}

/// Tells whether elements of this name stand on lines of their own.
fn is_block_name(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "listing"
            | "main"
            | "menu"
            | "ol"
            | "optgroup"
            | "option"
            | "p"
            | "plaintext"
            | "pre"
            | "search"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "ul"
            | "xmp"
    )
}

/// Returns for every node whether a block stands below it.
pub(super) fn has_blocks(tree: &Tree) -> Vec<bool> {
    let mut has_blocks = vec![false; tree.len()];
    // A parent comes before its children.
    for id in tree.all().rev() {
        if has_blocks[id.index()] || is_block_name(tree.name(id)) {
            has_blocks[tree.parent(id).index()] = true;
        }
    }
    has_blocks
}
