//! Blocks of a page: headings, paragraphs, lists, quotes, code.

use super::Options;
use super::inline::Inline;
use super::renderer::{Renderer, has_blocks};
use super::root::Root;
use crate::dom::{NodeId, Tree};
use crate::writer::{Writer, escaped};
use crate::{LineMap, TEXT_BYTES_MAX};

/// Limit on the tabs whose name is searched for.
const TABS_MAX: usize = 200;

/// Limit on the fragments kept, one per heading.
const ANCHORS_MAX: usize = 2000;

/// The converted content.
pub(super) struct Rendered {
    pub(super) markdown: String,
    pub(super) anchors: Vec<(usize, String)>,
    pub(super) lines: LineMap,
    /// The limit on the text was reached.
    pub(super) is_full: bool,
}

/// Converts the content of a page.
pub(super) fn render(tree: &Tree, root: &Root, options: &Options<'_>) -> Rendered {
    let mut renderer = Renderer {
        tree,
        left_out: &root.left_out,
        has_blocks: has_blocks(tree),
        resolve: options.resolve,
        writer: Writer::new(TEXT_BYTES_MAX),
        anchors: Vec::new(),
        tabs_left: TABS_MAX,
    };
    for &id in &root.roots {
        renderer.blocks(id);
    }
    let is_full = renderer.writer.is_full();
    let (markdown, lines) = renderer.writer.finish_with_lines();
    Rendered { anchors: renderer.anchors, markdown, lines, is_full }
}

impl Renderer<'_> {
    /// Writes the content of `id`: blocks, and paragraphs of what is between them.
    pub(super) fn blocks(&mut self, id: NodeId) {
        self.run_of(self.tree.children(id));
    }

    /// Writes neighbouring nodes.
    pub(super) fn run_of(&mut self, nodes: impl Iterator<Item = NodeId>) {
        let mut line = Inline::default();
        let mut lines: Option<(u32, u32)> = None;
        for node in nodes {
            if self.is_left_out(node) {
                continue;
            }
            if self.is_block(node) {
                self.paragraph(&mut line, &mut lines);
                self.block(node);
            } else {
                self.inline(node, &mut line);
                if let Some((first, last)) = self.tree.lines(node) {
                    lines = Some((lines.map_or(first, |lines| lines.0), last));
                }
            }
        }
        self.paragraph(&mut line, &mut lines);
    }

    fn paragraph(&mut self, line: &mut Inline, lines: &mut Option<(u32, u32)>) {
        let line = std::mem::take(line);
        if let Some(lines) = lines.take() {
            self.writer.at(lines);
        }
        self.writer.paragraph(&line.text);
    }

    /// Sets the lines of the page that what follows comes from to those of the words of `id`.
    pub(super) fn at(&mut self, id: NodeId) {
        if let Some(lines) = self.tree.lines(id) {
            self.writer.at(lines);
        }
    }

    fn block(&mut self, id: NodeId) {
        match self.tree.name(id) {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(id),
            "pre" | "listing" | "xmp" | "plaintext" => self.code(id),
            "ul" | "menu" => self.list(id, None),
            "ol" => {
                let start = self.tree.attribute(id, "start").and_then(|text| text.parse().ok());
                self.list(id, Some(start.unwrap_or(1)));
            }
            "dl" => self.blocks(id),
            "dt" => self.term(id),
            "blockquote" => {
                self.writer.open_quote();
                self.blocks(id);
                self.writer.close();
            }
            "table" => self.table(id),
            "hr" => self.writer.rule(),
            _ if self.tree.attribute(id, "role") == Some("tabpanel") => {
                self.tab_name(id);
                self.blocks(id);
            }
            _ => self.blocks(id),
        }
    }

    /// Writes the name of the tab that shows `id`.
    fn tab_name(&mut self, id: NodeId) {
        let tree = self.tree;
        let Some(wanted) = tree.attribute(id, "aria-labelledby") else { return };
        self.tabs_left = self.tabs_left.saturating_sub(1);
        if self.tabs_left == 0 {
            return;
        }
        let is_tab = |&node: &NodeId| tree.attribute(node, "id") == Some(wanted);
        let Some(tab) = tree.all().find(is_tab) else { return };
        let name = tree.line(tab).split_whitespace().collect::<Vec<_>>().join(" ");
        if !name.is_empty() {
            self.at(tab);
            self.writer.paragraph(&format!("**{}**", escaped(&name)));
        }
    }

    fn heading(&mut self, id: NodeId) {
        let text = self.inline_text(id).replace('\n', " ");
        if text.trim().is_empty() {
            return;
        }
        let level = self.tree.name(id)[1..].parse().unwrap_or(1);
        if let Some(anchor) = self.anchor(id)
            && self.anchors.len() < ANCHORS_MAX
        {
            self.anchors.push((self.writer.next_line(), anchor));
        }
        self.at(id);
        self.writer.heading(level, &text);
    }

    /// Returns the fragment of a heading: its own id, that of an anchor in it, or that of the
    /// section it begins.
    fn anchor(&self, id: NodeId) -> Option<String> {
        let tree = self.tree;
        let id_of = |node| tree.attribute(node, "id");
        let named = |node| id_of(node).or_else(|| tree.attribute(node, "name"));
        let inside = || tree.descendants(id).take(8).find_map(named);
        let around = || {
            let mut at = id;
            // DocBook has the heading four levels into its section, in a box of titles.
            for _ in 0..5 {
                let parent = tree.parent(at);
                let mut elements = tree.children(parent).filter(|&one| !tree.name(one).is_empty());
                if elements.next() != Some(at) {
                    return None;
                }
                if let Some(found) = id_of(parent) {
                    return Some(found);
                }
                at = parent;
            }
            None
        };
        id_of(id).or_else(inside).or_else(around).map(str::to_owned)
    }

    fn term(&mut self, id: NodeId) {
        if self.has_blocks(id) {
            return self.blocks(id);
        }
        let text = self.inline_text(id);
        let text = text.trim();
        let is_plain = text.is_empty() || text.contains(['*', '`', '\n', '[']);
        self.at(id);
        self.writer.paragraph(&if is_plain { text.to_owned() } else { format!("**{text}**") });
    }

    fn list(&mut self, id: NodeId, start: Option<u64>) {
        let tree = self.tree;
        let is_item = |&node: &NodeId| tree.name(node) == "li" && !self.is_left_out(node);
        let items: Vec<_> = tree.children(id).filter(is_item).collect();
        if items.is_empty() {
            return self.blocks(id);
        }
        let is_tight = items.iter().all(|&item| self.is_tight(item));
        self.writer.open_list(is_tight);
        let mut number = start;
        for node in tree.children(id) {
            if self.is_left_out(node) || !self.is_block(node) && tree.text(node).trim().is_empty() {
                continue;
            }
            let mark = match number {
                Some(number) => format!("{number}. "),
                None => "- ".to_owned(),
            };
            self.writer.open_item(&mark);
            // A list between the items of another belongs to the item before it; this is close
            // enough.
            if tree.name(node) == "li" {
                self.blocks(node);
                number = number.map(|number| number + 1);
            } else {
                self.run_of(std::iter::once(node));
            }
            self.writer.close();
        }
        self.writer.close();
    }

    /// Reports whether an item has at most one paragraph, apart from lists that follow it.
    fn is_tight(&self, item: NodeId) -> bool {
        let tree = self.tree;
        let (mut runs, mut in_run) = (0, false);
        for node in tree.children(item).filter(|&node| !self.is_left_out(node)) {
            match tree.name(node) {
                "ul" | "ol" | "menu" => in_run = false,
                "p" | "div" if !self.has_blocks(node) => {
                    runs += 1;
                    in_run = false;
                }
                _ if self.is_block(node) => return false,
                "" if tree.own_text(node).trim().is_empty() => {}
                _ => {
                    runs += usize::from(!in_run);
                    in_run = true;
                }
            }
        }
        runs <= 1
    }

    fn code(&mut self, id: NodeId) {
        let mut text = String::new();
        self.code_text(id, &mut text);
        // The first line end after the tag is not part of it.
        let text = text.strip_prefix("\r\n").or(text.strip_prefix('\n')).unwrap_or(&text);
        self.at(id);
        let words = self.tree.lines(id);
        let blank = text.lines().take_while(|line| line.trim().is_empty()).count();
        // A line of the block is a line of the page unless a highlighter writes it otherwise.
        let lines = text.trim_end().lines().count();
        let first = words.filter(|(first, last)| (last - first) as usize + 1 + blank == lines);
        let first = first.and_then(|(first, _)| first.checked_sub(blank as u32));
        let lines = (0..).zip(text.trim_end().lines());
        let language = self.language(id);
        self.writer
            .code_lines(&language, lines.map(|(at, line)| (first.map(|first| first + at), line)));
    }

    fn code_text(&self, id: NodeId, text: &mut String) {
        for node in self.tree.children(id).filter(|&node| !self.is_left_out(node)) {
            match self.tree.name(node) {
                "" => text.push_str(self.tree.own_text(node)),
                "br" => text.push('\n'),
                name => {
                    self.code_text(node, text);
                    // Some highlighters write a block for each line.
                    if matches!(name, "div" | "p" | "li") && !text.ends_with('\n') {
                        text.push('\n');
                    }
                }
            }
        }
    }

    /// Returns the language of a block of code, from the classes of highlighters on it, in it or
    /// around it.
    fn language(&self, id: NodeId) -> String {
        let tree = self.tree;
        let inner = tree.children(id).find(|&node| tree.name(node) == "code");
        let parent = tree.parent(id);
        let places = [Some(id), inner, Some(parent), Some(tree.parent(parent))];
        let found = places.into_iter().flatten().find_map(|node| {
            let by_attribute = ["data-lang", "data-language", "lang"];
            let attribute = by_attribute.iter().find_map(|name| tree.attribute(node, name));
            let attribute = attribute.filter(|_| tree.name(node) != "html");
            attribute.or_else(|| language_of(&tree.classes(node).collect::<Vec<_>>()))
        });
        let is_name = |text: &&str| {
            text.len() <= 20
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "+#-_".contains(c))
        };
        found.filter(is_name).unwrap_or_default().to_ascii_lowercase()
    }
}

fn language_of<'a>(classes: &[&'a str]) -> Option<&'a str> {
    const PREFIXES: [&str; 4] = ["language-", "lang-", "highlight-source-", "highlight-"];
    const NO_LANGUAGES: [&str; 5] = ["default", "none", "plaintext", "text", "notranslate"];
    // Pandoc: `sourceCode rust`; rustdoc: `rust rust-example-rendered`.
    if let ["sourceCode" | "src" | "brush:", language, ..] | [language @ "rust", ..] = classes {
        return Some(language.strip_prefix("src-").unwrap_or(language));
    }
    classes
        .iter()
        .find_map(|class| PREFIXES.iter().find_map(|prefix| class.strip_prefix(prefix)))
        .filter(|language| !NO_LANGUAGES.contains(language))
}
