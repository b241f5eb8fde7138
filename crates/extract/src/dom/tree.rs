//! A page as a tree, in an arena: a parent's id is smaller than its children's.

use html5ever::LocalName;

/// Elements that are not inside of a line of text.
const BLOCKS: [&str; 22] = [
    "p",
    "div",
    "li",
    "ul",
    "ol",
    "table",
    "tr",
    "td",
    "th",
    "section",
    "article",
    "header",
    "footer",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "pre",
    "figure",
    "figcaption",
    "center",
    "hr",
];

/// Limit on the elements around a text in which its block is looked for.
const INLINE_DEPTH_MAX: usize = 32;

/// Names a node of one [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The root, the parent of `html`.
    pub const ROOT: Self = Self(0);

    /// Returns its index among all nodes, in document order.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The content of a node.
#[derive(Debug)]
pub enum Data {
    /// An element with its name in lower case, and the range of its attributes.
    Element {
        /// The name.
        name: LocalName,
        /// First attribute, and their number.
        attributes: (u32, u32),
    },
    /// Text, as a range of the tree's pool.
    Text {
        /// First byte, and one past the last.
        range: (u32, u32),
        /// First and last line of the page, from 1, with a word of it; 0 if there is none.
        lines: (u32, u32),
    },
}

/// A node with its relatives.
#[derive(Debug)]
pub struct Node {
    /// Its content.
    pub data: Data,
    parent: NodeId,
    first: Option<NodeId>,
    last: Option<NodeId>,
    next: Option<NodeId>,
}

/// A parsed page.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    attributes: Vec<(LocalName, String)>,
    pool: String,
}

impl Tree {
    pub(super) fn new() -> Self {
        let data = Data::Element { name: LocalName::from(""), attributes: (0, 0) };
        let root = Node { data, parent: NodeId::ROOT, first: None, last: None, next: None };
        Self { nodes: vec![root], attributes: Vec::new(), pool: String::new() }
    }

    /// Returns the node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Reports whether there is only the root.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Returns every node in document order.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Returns the name of an element; empty for text.
    pub fn name(&self, id: NodeId) -> &str {
        match &self.node(id).data {
            Data::Element { name, .. } => name,
            Data::Text { .. } => "",
        }
    }

    /// Returns a text node's text; empty for elements.
    pub fn own_text(&self, id: NodeId) -> &str {
        match self.node(id).data {
            Data::Text { range: (start, end), .. } => &self.pool[start as usize..end as usize],
            Data::Element { .. } => "",
        }
    }

    /// Returns the value of an attribute.
    pub fn attribute(&self, id: NodeId, wanted: &str) -> Option<&str> {
        let Data::Element { attributes: (first, count), .. } = self.node(id).data else {
            return None;
        };
        let attributes = &self.attributes[first as usize..(first + count) as usize];
        attributes.iter().find(|(name, _)| &**name == wanted).map(|(_, value)| value.as_str())
    }

    /// Reports whether an element has any attribute.
    pub fn has_attributes(&self, id: NodeId) -> bool {
        matches!(self.node(id).data, Data::Element { attributes: (_, count), .. } if count > 0)
    }

    /// Returns the words of the `class` attribute.
    pub fn classes(&self, id: NodeId) -> impl Iterator<Item = &str> {
        self.attribute(id, "class").unwrap_or_default().split_ascii_whitespace()
    }

    /// Returns the parent; the root is its own.
    pub fn parent(&self, id: NodeId) -> NodeId {
        self.node(id).parent
    }

    /// Returns the next child of the same parent.
    pub fn next(&self, id: NodeId) -> Option<NodeId> {
        self.node(id).next
    }

    /// Returns the children in order.
    pub fn children(&self, id: NodeId) -> Children<'_> {
        Children { tree: self, next: self.node(id).first }
    }

    /// Returns every node below `id`, in document order.
    pub fn descendants(&self, id: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        (id.0 + 1..self.end_of(id).0).map(NodeId)
    }

    /// Returns the first node after `id` and its descendants.
    fn end_of(&self, id: NodeId) -> NodeId {
        let mut at = id;
        while let Some(last) = self.node(at).last {
            at = last;
        }
        NodeId(at.0 + 1)
    }

    /// Returns all text below `id`, unchanged.
    pub fn text(&self, id: NodeId) -> String {
        self.descendants(id).map(|node| self.own_text(node)).collect()
    }

    /// Returns all text below `id` as it reads in one line: a space for a line break and between
    /// blocks.
    pub fn line(&self, id: NodeId) -> String {
        let mut line = String::new();
        let mut last_block = None;
        for node in self.descendants(id) {
            let text = self.own_text(node);
            if self.name(node) == "br" {
                line.push(' ');
            } else if !text.is_empty() {
                let outwards = std::iter::successors(Some(node), |&at| Some(self.parent(at)));
                let inner = outwards.take_while(|&at| at != id).take(INLINE_DEPTH_MAX);
                let block = inner.into_iter().find(|&at| BLOCKS.contains(&self.name(at)));
                if last_block.replace(block).is_some_and(|last| last != block) {
                    line.push(' ');
                }
                line.push_str(text);
            }
        }
        line
    }

    /// Returns first and last line of the page, from 1, with a word below `id` or of it; `None` if
    /// there is none.
    pub fn lines(&self, id: NodeId) -> Option<(u32, u32)> {
        let of = |node: NodeId| match self.node(node).data {
            Data::Text { lines, .. } => Some(lines).filter(|lines| lines.0 > 0),
            Data::Element { .. } => None,
        };
        let lines = std::iter::once(id).chain(self.descendants(id)).filter_map(of);
        lines.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }

    /// Returns the first element of that name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.all().find(|&id| self.name(id) == name)
    }

    pub(super) fn append_element(
        &mut self,
        parent: NodeId,
        name: LocalName,
        attributes: impl Iterator<Item = (LocalName, String)>,
    ) -> NodeId {
        let first = self.attributes.len() as u32;
        self.attributes.extend(attributes);
        let count = self.attributes.len() as u32 - first;
        self.append(parent, Data::Element { name, attributes: (first, count) })
    }

    /// Adds text that ends on `line` of the page.
    pub(super) fn append_text(&mut self, parent: NodeId, text: &str, line: u32) {
        let new = word_lines(text, line);
        let start = self.pool.len() as u32;
        self.pool.push_str(text);
        let end = self.pool.len() as u32;
        // Text arrives in pieces, for example around entities.
        if let Some(last) = self.node(parent).last
            && let Data::Text { range, lines } = &mut self.nodes[last.index()].data
            && range.1 == start
        {
            range.1 = end;
            if new.0 > 0 {
                *lines = (if lines.0 > 0 { lines.0 } else { new.0 }, new.1);
            }
            return;
        }
        self.append(parent, Data::Text { range: (start, end), lines: new });
    }

    fn append(&mut self, parent: NodeId, data: Data) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { data, parent, first: None, last: None, next: None });
        match self.nodes[parent.index()].last.replace(id) {
            Some(previous) => self.nodes[previous.index()].next = Some(id),
            None => self.nodes[parent.index()].first = Some(id),
        }
        id
    }
}

/// Returns the first and last line with a word of a text that ends on `line`; 0 if it has none.
fn word_lines(text: &str, line: u32) -> (u32, u32) {
    let word = text.trim();
    if word.is_empty() {
        return (0, 0);
    }
    let feeds = |part: &str| part.bytes().filter(|&byte| byte == b'\n').count() as u32;
    let after = &text[text.trim_end().len()..];
    let last = line.saturating_sub(feeds(after)).max(1);
    (last.saturating_sub(feeds(word)).max(1), last)
}

/// The children of a node.
#[derive(Clone)]
pub struct Children<'a> {
    tree: &'a Tree,
    next: Option<NodeId>,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let id = self.next?;
        self.next = self.tree.node(id).next;
        Some(id)
    }
}
