//! Builds a tree from html5ever's tokens, by the rules for what closes what.
//!
//! After the HTML standard, section 13.2.6 "Tree construction", as far as it decides where text
//! belongs. What differs: formatting elements are not opened again after a block (repeating 20 open
//! `<b>` in every paragraph is how small pages become large trees), text between the cells of a
//! table stays there, and elements nested deeper than [`DEPTH_MAX`] become siblings.

use std::cell::RefCell;

use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::tree::{NodeId, Tree};

/// Limit on nested elements.
const DEPTH_MAX: usize = 256;

/// Elements that have no content.
const VOID: &[&str] = &[
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input",
    "keygen", "link", "meta", "param", "source", "track", "wbr",
];

/// Elements that end an open paragraph.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dd",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "li",
    "listing",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "search",
    "section",
    "summary",
    "table",
    "ul",
];

/// Elements whose boundary the end tag of another element does not cross.
const SCOPES: &[&str] =
    &["table", "td", "th", "caption", "html", "body", "template", "button", "object", "marquee"];

/// Elements whose boundary the start of the next list item does not cross.
const ITEM_SCOPES: &[&str] = &[
    "ul",
    "ol",
    "menu",
    "dir",
    "dl",
    "blockquote",
    "table",
    "td",
    "th",
    "caption",
    "tr",
    "body",
    "article",
    "section",
    "main",
    "aside",
    "template",
    "html",
    "fieldset",
    "details",
    "figure",
];

/// Parts of tables.
const TABLE_PARTS: &[&str] =
    &["caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "td", "th"];

/// Elements that belong in `head`.
const HEAD_PARTS: &[&str] =
    &["base", "link", "meta", "title", "style", "script", "noscript", "template", "bgsound"];

/// Elements that format words; blocks inside them are not closed with them.
const FORMATTING: &[&str] = &[
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "span", "strike", "strong",
    "tt", "u",
];

const HEADINGS: &[&str] = &["h1", "h2", "h3", "h4", "h5", "h6"];

/// Reports whether an element contains another language than HTML.
fn is_foreign(name: &str) -> bool {
    matches!(name, "svg" | "math")
}

pub(super) fn build(text: &str, is_xml: bool) -> Tree {
    let state = State { tree: Tree::new(), open: Vec::new(), is_xml };
    let sink = Builder { state: RefCell::new(state) };
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(text));
    // It returns at the end of each script, which a browser would run.
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
    tokenizer.sink.state.into_inner().tree
}

struct Builder {
    state: RefCell<State>,
}

struct State {
    tree: Tree,
    open: Vec<NodeId>,
    /// The page is XML.
    is_xml: bool,
}

impl TokenSink for Builder {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut state = self.state.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return state.start(tag),
            Token::TagToken(tag) => state.end(&tag.name),
            Token::CharacterTokens(text) => state.text(&text, line),
            _ => {}
        }
        TokenSinkResult::Continue
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.state.borrow().follows_xml()
    }
}

impl State {
    fn current(&self) -> NodeId {
        self.open.last().copied().unwrap_or(NodeId::ROOT)
    }

    /// Adds text that ends on this line.
    fn text(&mut self, text: &str, line: u64) {
        if self.tree.name(self.current()) == "head" && !text.trim().is_empty() {
            self.open.pop();
        }
        let parent = self.current();
        self.tree.append_text(parent, text, u32::try_from(line).unwrap_or(u32::MAX));
    }

    fn start(&mut self, tag: Tag) -> TokenSinkResult<()> {
        let name = tag.name.clone();
        if self.is_out_of_place(&name) {
            return TokenSinkResult::Continue;
        }
        self.close_for(&name);
        let parent = self.current();
        let attributes = tag.attrs.into_iter().map(|one| (one.name.local, one.value.to_string()));
        let id = self.tree.append_element(parent, tag.name, attributes);
        let is_empty = tag.self_closing && (self.follows_xml() || is_foreign(&name));
        if VOID.contains(&&*name) || is_empty || self.open.len() >= DEPTH_MAX {
            return TokenSinkResult::Continue;
        }
        self.open.push(id);
        match &*name {
            // Pictures and formulas have elements of these names.
            _ if self.is_in_foreign() => TokenSinkResult::Continue,
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            "textarea" | "title" => TokenSinkResult::RawData(RawKind::Rcdata),
            "plaintext" => TokenSinkResult::Plaintext,
            _ => TokenSinkResult::Continue,
        }
    }

    /// Reports whether a start tag has no meaning here: a second `html` or `body`, a form around
    /// the rows of a table.
    fn is_out_of_place(&self, name: &str) -> bool {
        match name {
            "html" | "body" => self.is_open(name),
            "head" => self.is_open("head") || self.is_open("body"),
            "form" => matches!(
                self.tree.name(self.current()),
                "table" | "thead" | "tbody" | "tfoot" | "tr"
            ),
            _ => false,
        }
    }

    /// Reports whether the rules of XML hold here.
    fn follows_xml(&self) -> bool {
        self.is_xml || self.is_in_foreign()
    }

    /// Reports whether a picture or a formula is open.
    fn is_in_foreign(&self) -> bool {
        self.open.iter().any(|&id| is_foreign(self.tree.name(id)))
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.iter().take(3).any(|&id| self.tree.name(id) == name)
    }

    /// Closes elements that cannot contain one called `name`.
    fn close_for(&mut self, name: &str) {
        if !HEAD_PARTS.contains(&name) && self.tree.name(self.current()) == "head" {
            self.open.pop();
        }
        if BLOCKS.contains(&name) {
            self.close(&["p"], SCOPES);
        }
        match name {
            "li" => self.close(&["li"], ITEM_SCOPES),
            "dt" | "dd" => self.close(&["dt", "dd"], ITEM_SCOPES),
            "option" => self.close(&["option"], &["select", "optgroup"]),
            "optgroup" => self.close(&["optgroup"], &["select"]),
            "rt" | "rp" => self.close(&["rt", "rp"], &["ruby"]),
            "td" | "th" => self.close(&["td", "th"], &["table", "tr"]),
            "tr" => self.close(&["tr"], &["table"]),
            "thead" | "tbody" | "tfoot" => self.close(&["thead", "tbody", "tfoot"], &["table"]),
            "caption" | "colgroup" => self.close(&["caption", "colgroup"], &["table"]),
            "a" => self.close(&["a"], SCOPES),
            "button" => self.close(&["button"], SCOPES),
            _ if HEADINGS.contains(&name) && HEADINGS.contains(&self.tree.name(self.current())) => {
                self.open.pop();
            }
            _ => {}
        }
        if TABLE_PARTS.contains(&name) && name != "caption" {
            self.close(&["caption"], &["table"]);
        }
    }

    /// Closes the innermost open element of these names, and everything inside it, unless one of
    /// `scopes` is in between.
    fn close(&mut self, names: &[&str], scopes: &[&str]) {
        for at in (0..self.open.len()).rev() {
            let name = self.tree.name(self.open[at]);
            if names.contains(&name) {
                return self.open.truncate(at);
            }
            if scopes.contains(&name) {
                return;
            }
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            // What follows still belongs to the body.
            "html" | "body" => {}
            "br" => {
                let parent = self.current();
                self.tree.append_element(parent, name.into(), std::iter::empty());
            }
            "table" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" | "caption" => {
                let scopes: &[&str] = if name == "table" { &["html"] } else { &["table"] };
                self.close(&[name], scopes);
            }
            "li" => self.close(&["li"], ITEM_SCOPES),
            _ if HEADINGS.contains(&name) => self.close(HEADINGS, SCOPES),
            _ if FORMATTING.contains(&name) => self.end_formatting(name),
            _ => self.close(&[name], SCOPES),
        }
    }

    /// Ends an element that may have begun outside the current block: the block stays open, so that
    /// its own end tag does not close an outer one.
    fn end_formatting(&mut self, name: &str) {
        let mut has_blocks = false;
        for at in (0..self.open.len()).rev() {
            let found = self.tree.name(self.open[at]);
            if found == name {
                if has_blocks {
                    self.open.remove(at);
                } else {
                    self.open.truncate(at);
                }
                return;
            }
            if SCOPES.contains(&found) {
                return;
            }
            has_blocks |= BLOCKS.contains(&found);
        }
    }
}
