//! Finds the main content of a page, and what to leave out of it.

use std::cell::LazyCell;
use std::sync::LazyLock;

use super::{Options, Selector};
use crate::dom::{NodeId, Tree};

/// Selectors of the main content, best first: what authors mark as such, then the names used by
/// generators of documentation and blogs. (mdBook, Sphinx and Docusaurus mark it.)
static CONTENT: LazyLock<Vec<Selector>> = LazyLock::new(|| {
    let selectors = [
        "[role=main]",
        "main",
        // rustdoc, MediaWiki, old Sphinx, Doxygen, texinfo, GitHub, blogs.
        "#main-content",
        "#mw-content-text",
        "div.body",
        "div.contents",
        ".markdown-body",
        ".entry-content",
        ".post-content",
        "article",
    ];
    parsed(&selectors)
});

/// Never content.
static NEVER: LazyLock<Vec<Selector>> = LazyLock::new(|| {
    let selectors = [
        "nav",
        "[role=navigation]",
        "[role=search]",
        "[hidden]",
        "[aria-hidden=true]",
        ".sr-only",
        ".visually-hidden",
        ".skip-link",
        // Permalinks and source links of Sphinx, rustdoc and mdBook; edit links of MediaWiki.
        "a.headerlink",
        "a.anchor",
        "a.anchorjs-link",
        "a.src",
        ".mw-editsection",
        ".mw-jump-link",
        ".noprint",
        // DocBook, Sphinx, Doxygen: links to previous and next pages.
        ".navheader",
        ".navfooter",
        "div.related",
        ".sphinxsidebar",
        "div.navpath",
        "[property=breadcrumb]",
        ".breadcrumb",
        ".breadcrumbs",
        // Line numbers beside code.
        ".gutter",
        ".linenos",
        ".linenodiv",
        ".lineno",
        ".src-line-numbers",
    ];
    parsed(&selectors)
});

/// Not content when it is around content that nothing marks.
static AROUND: LazyLock<Vec<Selector>> = LazyLock::new(|| {
    let selectors = [
        "body header",
        "footer",
        "aside",
        // Landmarks of the page; inside its content pages use these names for other things.
        "[role=banner]",
        "[role=contentinfo]",
        "[role=complementary]",
        "#header",
        "#footer",
        "#sidebar",
        "#navigation",
        "#nav",
        "#menu",
        ".header",
        ".footer",
        ".site-footer",
        ".site-header",
        ".sidebar",
        ".navbar",
        ".nav",
        ".menu",
        ".cookie-banner",
        ".share",
        ".social",
    ];
    parsed(&selectors)
});

/// Content found by its name alone has at least this share of the page's text.
const SHARE_MIN: usize = 3;

/// What is marked as content has at least this share of the text that is not around it, if that is
/// more than a few words.
const MARKED_SHARE_MIN: usize = 10;
const FEW_BYTES: usize = 200;

fn parsed(selectors: &[&str]) -> Vec<Selector> {
    selectors.iter().filter_map(|text| Selector::parse(text).ok()).collect()
}

/// The content of a page.
pub(super) struct Root {
    /// Elements that contain it, in order, none inside another.
    pub(super) roots: Vec<NodeId>,
    /// By node: whether it and its content are left out.
    pub(super) left_out: Vec<bool>,
}

/// Finds the main content.
pub(super) fn find(tree: &Tree, options: &Options<'_>) -> Root {
    let body = tree.find("body").unwrap_or(NodeId::ROOT);
    let wanted: &[Selector] = if options.content.is_empty() { &CONTENT } else { options.content };
    let plain = LazyCell::new(|| plain_bytes(tree));
    // A header with a good part of the text is no frame of it; a list of links is.
    let holds_text = |id: NodeId| {
        let in_all = plain[body.index()];
        in_all > 0 && plain[id.index()] * SHARE_MIN >= in_all
    };
    let left_out = |around: bool| -> Vec<bool> {
        // Most elements have no attributes, and most selectors require some.
        let matches = |selectors: &[Selector], id| {
            let has_attributes = tree.has_attributes(id);
            selectors.iter().any(|s| (has_attributes || s.is_bare()) && s.matches(tree, id))
        };
        tree.all()
            .map(|id| {
                let name = tree.name(id);
                !name.is_empty()
                    && (has_no_text(name)
                        || matches(&NEVER, id) && !is_tab_panel(tree, id)
                        || matches(options.leave_out, id)
                        || is_invisible(tree, id)
                        || around
                            && matches(&AROUND, id)
                            && !is_inside_article(tree, id)
                            && !holds_text(id))
            })
            .collect()
    };
    let inner = left_out(false);
    if options.is_whole {
        return Root { roots: vec![body], left_out: inner };
    }
    let total = text_bytes(tree, &inner, &[body]);
    for (index, selector) in wanted.iter().enumerate() {
        let roots = outermost(tree, tree.all().filter(|&id| selector.matches(tree, id)));
        let bytes = text_bytes(tree, &inner, &roots);
        // What the author marks is trusted; a name such as `article` may be that of a teaser.
        let is_marked = index < 2 || !options.content.is_empty();
        let is_sliver = || {
            options.content.is_empty()
                && bytes * MARKED_SHARE_MIN < total
                && bytes + FEW_BYTES < total
                && bytes * MARKED_SHARE_MIN < text_bytes(tree, &left_out(true), &[body])
        };
        if bytes > 0 && (is_marked && !is_sliver() || bytes * SHARE_MIN >= total) {
            return Root { roots, left_out: inner };
        }
    }
    let mut outer = left_out(true);
    // Pictures above the first heading are logos and banners.
    let first = tree.all().find(|&id| matches!(tree.name(id), "h1" | "h2"));
    for id in tree.all().take_while(|&id| first.is_some_and(|first| id < first)) {
        outer[id.index()] |= tree.name(id) == "img";
    }
    // A page that is only a header is kept.
    let left_out = if text_bytes(tree, &outer, &[body]) == 0 { inner } else { outer };
    Root { roots: vec![body], left_out }
}

/// Reports whether the content of an element is never text of the page.
fn has_no_text(name: &str) -> bool {
    matches!(
        name,
        "head"
            | "script"
            | "style"
            | "template"
            | "noscript"
            | "iframe"
            | "object"
            | "embed"
            | "svg"
            | "canvas"
            | "video"
            | "audio"
            | "select"
            | "datalist"
            | "button"
            | "textarea"
            | "dialog"
            | "frameset"
            | "noframes"
            | "noembed"
    )
}

fn is_invisible(tree: &Tree, id: NodeId) -> bool {
    tree.attribute(id, "style").is_some_and(|style| {
        let style = style.to_ascii_lowercase();
        style.contains("display:none") || style.contains("display: none")
    })
}

/// Reports whether an element is what a tab shows: hidden until its tab is chosen.
fn is_tab_panel(tree: &Tree, id: NodeId) -> bool {
    tree.attribute(id, "role") == Some("tabpanel")
}

fn is_inside_article(tree: &Tree, id: NodeId) -> bool {
    let mut at = id;
    while at != NodeId::ROOT {
        at = tree.parent(at);
        if matches!(tree.name(at), "article" | "main" | "section") {
            return true;
        }
    }
    false
}

/// Removes elements inside an earlier one.
fn outermost(tree: &Tree, found: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
    let mut roots = Vec::new();
    let mut end = 0;
    for id in found {
        if id.index() >= end {
            end = tree.descendants(id).last().map_or(id.index(), NodeId::index) + 1;
            roots.push(id);
        }
    }
    roots
}

/// Returns the number of bytes of words.
fn text_bytes(tree: &Tree, left_out: &[bool], roots: &[NodeId]) -> usize {
    let mut bytes = 0;
    for &root in roots {
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if !left_out[id.index()] {
                bytes += tree.own_text(id).split_whitespace().map(str::len).sum::<usize>();
                stack.extend(tree.children(id));
            }
        }
    }
    bytes
}

/// Returns for each node the bytes of words in it outside of links.
fn plain_bytes(tree: &Tree) -> Vec<usize> {
    let mut bytes = vec![0; tree.len()];
    // A parent comes before its children.
    for id in tree.all().rev() {
        if matches!(tree.name(id), "a" | "script" | "style") {
            bytes[id.index()] = 0;
        }
        bytes[id.index()] += tree.own_text(id).split_whitespace().map(str::len).sum::<usize>();
        if id != NodeId::ROOT {
            bytes[tree.parent(id).index()] += bytes[id.index()];
        }
    }
    bytes
}
