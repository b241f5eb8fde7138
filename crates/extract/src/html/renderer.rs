//! The state of a conversion: the text so far, and the role of each node of the page.

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
    /// How many tabs may still be searched for.
    pub(super) tabs_left: usize,
}

impl Renderer<'_> {
    /// Reports whether a node is not content.
    pub(super) fn is_left_out(&self, id: NodeId) -> bool {
        self.left_out[id.index()]
    }

    /// Reports whether `id` contains blocks.
    pub(super) fn has_blocks(&self, id: NodeId) -> bool {
        self.has_blocks[id.index()]
    }

    /// Reports whether a node is or contains a block.
    pub(super) fn is_block(&self, id: NodeId) -> bool {
        self.has_blocks(id) || is_block_name(self.tree.name(id))
    }
}

/// Reports whether elements of this name are blocks.
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

/// Returns for every node whether it contains a block.
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
