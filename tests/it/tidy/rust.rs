//! Rust sources as the rules read them: the paths that a text names, and its strings.

use std::iter::Peekable;
use std::mem;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Group, Ident, Literal, Punct, Spacing, TokenStream, TokenTree};

type Tokens = Peekable<IntoIter>;

/// What a source text names and says; comments are left out.
#[derive(Default)]
pub struct Text {
    pub paths: Vec<NamedPath>,
    /// Every string literal as written, without its quotes, with the line that it begins on.
    pub strings: Vec<(usize, String)>,
}

/// A path such as `crate::kb::Reader`, in an import or anywhere else.
pub struct NamedPath {
    pub line: usize,
    pub segments: Vec<String>,
    /// The module that names it.
    pub scope: Vec<String>,
    /// The name that an import gives it; `None` outside of imports.
    pub imported_as: Option<String>,
    pub is_in_tests: bool,
}

impl NamedPath {
    /// Returns the path seen from the crate's root; `None` if it begins with another name.
    pub fn seen_from_root(&self) -> Option<Vec<String>> {
        let mut scope = self.scope.clone();
        let mut rest = self.segments.as_slice();
        if !["crate", "kbingest", "self", "super"].contains(&rest[0].as_str()) {
            return None;
        }
        while let [first, others @ ..] = rest {
            match first.as_str() {
                "crate" | "kbingest" => scope.clear(),
                "self" => {}
                "super" => drop(scope.pop()),
                _ => break,
            }
            rest = others;
        }
        Some([&scope, rest].concat())
    }
}

/// Returns the module that the file at `path` holds: `kb`, `sqlite` for `src/kb/sqlite/mod.rs`.
pub fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("src/").map_or(path, |(_, inside)| inside);
    let inside = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    inside.split('/').filter(|name| !["lib", "main"].contains(name)).map(str::to_owned).collect()
}

/// Reads the text of the file at `path`.
pub fn read(path: &str, text: &str) -> Text {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut reader = Reader { scope: module_of(path), ..Reader::default() };
    reader.read(&mut tokens.into_iter().peekable());
    reader.text
}

#[derive(Default)]
struct Reader {
    text: Text,
    scope: Vec<String>,
    is_in_import: bool,
    is_in_tests: bool,
}

impl Reader {
    fn read(&mut self, tokens: &mut Tokens) {
        let mut is_for_tests = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "mod" => {
                    self.module(mem::take(&mut is_for_tests), tokens);
                }
                // `impl Trait + use<'a>` imports nothing.
                TokenTree::Ident(word) if word == "use" => {
                    self.is_in_import = !is(tokens.peek(), '<');
                }
                TokenTree::Ident(word) => {
                    is_for_tests &= word == "pub";
                    self.path(Vec::new(), word, tokens);
                }
                TokenTree::Group(group) if begins_with(&group, "doc =") => {}
                TokenTree::Group(group) => {
                    is_for_tests |= begins_with(&group, "cfg (test)");
                    self.read(&mut group.stream().into_iter().peekable());
                }
                TokenTree::Literal(literal) => self.literal(&literal),
                // What follows in `<T>::new` and `::std::fs` is no path of ours.
                TokenTree::Punct(colon) if is_half_of_two_colons(&colon) => drop(tokens.nth(1)),
                TokenTree::Punct(end) if end.as_char() == ';' => self.is_in_import = false,
                TokenTree::Punct(_) => {}
            }
        }
    }

    /// Reads what follows `mod`.
    fn module(&mut self, is_for_tests: bool, tokens: &mut Tokens) {
        let Some(TokenTree::Ident(name)) = tokens.next() else { return };
        let Some(TokenTree::Group(body)) = tokens.peek().cloned() else { return };
        tokens.next();
        let was_in_tests = self.is_in_tests;
        self.is_in_tests |= is_for_tests;
        self.scope.push(name.to_string());
        self.read(&mut body.stream().into_iter().peekable());
        self.scope.pop();
        self.is_in_tests = was_in_tests;
    }

    /// Reads the path that continues `before` with `last`, or those of the group in braces that it
    /// ends with.
    fn path(&mut self, mut before: Vec<String>, mut last: Ident, tokens: &mut Tokens) {
        while let Some(TokenTree::Punct(colon)) = tokens.peek()
            && is_half_of_two_colons(colon)
        {
            before.push(last.to_string());
            tokens.nth(1);
            match tokens.peek().cloned() {
                Some(TokenTree::Ident(word)) => last = word,
                Some(TokenTree::Group(group)) => {
                    let mut inside = group.stream().into_iter().peekable();
                    while let Some(token) = inside.next() {
                        if let TokenTree::Ident(word) = token {
                            self.path(before.clone(), word, &mut inside);
                        }
                    }
                    return;
                }
                // A glob, or the types of a call: they are read as what follows.
                _ => return self.named(before, last.span().start().line, None),
            }
            tokens.next();
        }
        let line = last.span().start().line;
        if last != "self" || before.is_empty() {
            before.push(last.to_string());
        }
        let mut name = before.last().cloned();
        let is_as = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "as");
        if self.is_in_import && tokens.next_if(is_as).is_some() {
            name = tokens.next().map(|token| token.to_string());
        }
        self.named(before, line, name);
    }

    fn named(&mut self, segments: Vec<String>, line: usize, name: Option<String>) {
        if segments.len() > 1 {
            self.text.paths.push(NamedPath {
                line,
                segments,
                scope: self.scope.clone(),
                imported_as: name.filter(|_| self.is_in_import),
                is_in_tests: self.is_in_tests,
            });
        }
    }

    fn literal(&mut self, literal: &Literal) {
        let written = literal.to_string();
        let quoted = written.trim_start_matches(['b', 'c', 'r']).trim_matches('#');
        if let Some(text) = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            self.text.strings.push((literal.span().start().line, text.to_owned()));
        }
    }
}

fn is(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == sign)
}

fn is_half_of_two_colons(sign: &Punct) -> bool {
    sign.as_char() == ':' && sign.spacing() == Spacing::Joint
}

fn begins_with(group: &Group, start: &str) -> bool {
    group.stream().to_string().starts_with(start)
}
