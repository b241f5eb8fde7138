//! Inline content: words, links, code, emphasis, images.

use super::math;
use super::redirect;
use super::renderer::Renderer;
use crate::dom::NodeId;
use crate::writer::{escaped, inline_code, lowered, raised};

/// Growing inline Markdown: white space collapses to one space.
#[derive(Debug, Default)]
pub(super) struct Inline {
    pub(super) text: String,
    /// A space is due before the next word.
    space: bool,
    /// There was white space before the first word.
    indented: bool,
}

impl Inline {
    /// Reports whether it contains no word.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    fn push_text(&mut self, text: &str) {
        if text.starts_with(|c: char| c.is_whitespace()) {
            self.space = true;
            self.indented |= self.text.is_empty();
        }
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            self.push_markup(&escaped(word));
            self.space = words.peek().is_some();
        }
        if text.ends_with(|c: char| c.is_whitespace()) {
            self.space = true;
        }
    }

    /// Adds text that is already Markdown.
    fn push_markup(&mut self, markup: &str) {
        if std::mem::take(&mut self.space) && !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push(' ');
        }
        self.text.push_str(markup);
    }

    fn break_line(&mut self) {
        if !self.is_blank() {
            self.text.push_str("  \n");
        }
        self.space = false;
    }
}

impl Renderer<'_> {
    /// Adds a node and its content.
    pub(super) fn inline(&self, id: NodeId, line: &mut Inline) {
        if self.is_left_out(id) {
            return;
        }
        let tree = self.tree;
        match tree.name(id) {
            "" => line.push_text(tree.own_text(id)),
            "br" => line.break_line(),
            "img" => self.image(id, line),
            "input" if tree.attribute(id, "type") == Some("checkbox") => {
                let mark = if tree.attribute(id, "checked").is_some() { "[x]" } else { "[ ]" };
                line.push_markup(mark);
                line.space = true;
            }
            "input" => {}
            "a" => self.link(id, line),
            "code" | "kbd" | "samp" | "tt" => line.push_markup(&inline_code(&tree.line(id))),
            "b" | "strong" => self.marked(id, "**", line),
            "i" | "em" => self.marked(id, "*", line),
            "s" | "del" | "strike" => self.marked(id, "~~", line),
            "q" => {
                line.push_markup("\u{201c}");
                self.inline_children(id, line);
                line.text.push('\u{201d}');
            }
            "math" => self.math(id, line),
            "sup" => self.raised(id, line),
            "sub" => line.push_markup(&lowered(&self.inline_text(id))),
            "wbr" => {}
            name => {
                // Cells and blocks inside a line are separate words.
                let is_apart =
                    matches!(name, "td" | "th" | "li" | "p" | "div" | "dt" | "dd" | "tr");
                line.space |= is_apart;
                self.inline_children(id, line);
                line.space |= is_apart;
            }
        }
    }

    pub(super) fn inline_children(&self, id: NodeId, line: &mut Inline) {
        for child in self.tree.children(id) {
            self.inline(child, line);
        }
    }

    /// Returns the content of `id` in one piece.
    pub(super) fn inline_text(&self, id: NodeId) -> String {
        let mut line = Inline::default();
        self.inline_children(id, &mut line);
        line.text
    }

    /// Emphasis, if it covers whole words; inside a word the marks would split it.
    fn marked(&self, id: NodeId, mark: &str, line: &mut Inline) {
        let mut inner = Inline { space: line.space, ..Inline::default() };
        self.inline_children(id, &mut inner);
        line.space |= inner.indented;
        let text = inner.text.trim();
        let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_inside_word = !line.space && joins(line.text.chars().next_back())
            || !inner.space && joins(self.text_after(id));
        let is_plain = text.is_empty() || is_inside_word || text.contains(['\n', '*', '~']);
        if is_plain {
            if !text.is_empty() {
                line.push_markup(text);
            }
        } else {
            line.push_markup(&format!("{mark}{text}{mark}"));
        }
        line.space |= inner.space;
    }

    /// Returns the character right after an element.
    fn text_after(&self, id: NodeId) -> Option<char> {
        self.tree.own_text(self.tree.next(id)?).chars().next()
    }

    fn link(&self, id: NodeId, line: &mut Inline) {
        let mut inner = Inline { space: line.space, ..Inline::default() };
        self.inline_children(id, &mut inner);
        line.space |= inner.indented;
        let text = inner.text.trim();
        let href = self.tree.attribute(id, "href").unwrap_or_default().trim();
        if text.is_empty() || matches!(text, "¶" | "#" | "§" | "🔗") {
            return;
        }
        let scheme = href.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_link = !href.is_empty()
            && !href.starts_with('#')
            && !["javascript", "data"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
        if is_link && !text.contains('\n') {
            let target = redirect::target(href);
            let address = self.address(target.as_deref().unwrap_or(href));
            line.push_markup(&format!("[{text}]({address})"));
        } else {
            line.push_markup(text);
        }
        line.space |= inner.space;
    }

    fn image(&self, id: NodeId, line: &mut Inline) {
        let alt = self.tree.attribute(id, "alt").unwrap_or_default();
        let alt = alt.split_whitespace().collect::<Vec<_>>().join(" ");
        if alt.is_empty() {
            return;
        }
        let source = self.tree.attribute(id, "src").unwrap_or_default().trim();
        // A reader of the text can open neither data nor another part of a mail.
        let is_inside = ["data:", "cid:"].iter().any(|scheme| source.starts_with(scheme));
        let source = if is_inside { String::new() } else { self.address(source) };
        line.push_markup(&format!("![{}]({source})", escaped(&alt).replace(']', "\\]")));
    }

    /// Formulas as TeX if the page has it beside its MathML.
    fn math(&self, id: NodeId, line: &mut Inline) {
        let tree = self.tree;
        let is_tex = |&node: &NodeId| {
            tree.name(node) == "annotation"
                && tree.attribute(node, "encoding").is_some_and(|kind| kind.contains("tex"))
        };
        let tex = tree.descendants(id).find(is_tex).map(|node| tree.text(node));
        match tex.or_else(|| tree.attribute(id, "alttext").map(str::to_owned)) {
            Some(tex) => {
                let words: Vec<_> = tex.split_whitespace().collect();
                line.push_markup(&format!("${}$", words.join(" ")));
            }
            None => {
                let tex = math::tex(tree, id);
                if !tex.is_empty() {
                    line.push_markup(&format!("${tex}$"));
                }
            }
        }
    }

    fn raised(&self, id: NodeId, line: &mut Inline) {
        let before = line.text.chars().next_back().filter(|_| !line.space);
        line.push_markup(&raised(before, &self.inline_text(id)));
    }

    /// Returns a URL as the destination of a link.
    fn address(&self, written: &str) -> String {
        let address = match self.resolve {
            Some(resolve) => resolve(written),
            None => written.to_owned(),
        };
        let address: String =
            address.chars().filter(|c| !matches!(c, '\n' | '\r' | '\t')).collect();
        if address.contains([' ', '(', ')']) {
            format!("<{}>", address.replace('<', "%3C").replace('>', "%3E"))
        } else {
            address
        }
    }
}
