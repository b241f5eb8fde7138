//! Tokenises text, with the byte range of each token.
//!
//! Tokens are in two places. The words of a text, in the order they are read, are so close to each
//! other that a phrase is found across markup and inside of longer names. All else follows after
//! the text: destinations of links, names as a whole, parts of words. An ASCII word that no mark
//! follows, as in most prose, takes a fast path.

use std::cell::Cell;
use std::ops::Range;

use super::cache::{TokenCache, with_cache};
use super::grams::Run;
use super::known_names::{self, Tokens};
use super::language::Language;
use super::names::{self, Compound, PartKind};
use super::place::Place;
use super::scripts::{is_spaceless, is_symbol, is_word};
use super::{markup, parts, symbols, token};
use crate::support::ascii::{LANES, Lanes};

/// Turns the words of a text into tokens and passes them to `visit`.
struct Visitor<'a, V> {
    cache: &'a mut TokenCache,
    language: Language,
    visit: V,
    /// Words before this place of the text are not read in its order.
    aside_end: usize,
    buffers: Box<Buffers>,
}

/// What is allocated once for many texts.
#[derive(Default)]
struct Buffers {
    aside: Later,
    extras: Later,
    compound: Compound,
    names: NameBuffers,
    name_tokens: Tokens,
    run: Run,
}

#[derive(Default)]
struct NameBuffers {
    names: Vec<Range<usize>>,
    joined: String,
}

/// Limit on the tokens that buffers keep room for.
const BUFFERED_MAX: usize = 1 << 14;

thread_local! {
    static BUFFERS: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
}

/// Tokens that follow after the text.
#[derive(Default)]
struct Later {
    bytes: Vec<u8>,
    tokens: Vec<(Range<usize>, usize)>,
}

impl Later {
    fn push(&mut self, range: Range<usize>, token: &[u8]) {
        if !token.is_empty() {
            self.bytes.extend_from_slice(token);
            self.tokens.push((range, self.bytes.len()));
        }
    }

    fn visit(&self, mut visit: impl FnMut(Range<usize>, &[u8], Place)) {
        let mut start = 0;
        for (range, end) in &self.tokens {
            visit(range.clone(), &self.bytes[start..*end], Place::Beside);
            start = *end;
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.tokens.clear();
    }
}

impl Buffers {
    /// Passes a token of the text to `visit` or keeps it for later, as one beside it or before
    /// `aside_end`.
    #[inline]
    fn pass(
        &mut self,
        range: Range<usize>,
        token: &[u8],
        place: Place,
        aside_end: usize,
        visit: &mut impl FnMut(Range<usize>, &[u8], Place),
    ) {
        if place == Place::Beside {
            self.extras.push(range, token);
        } else if range.start < aside_end {
            self.aside.push(range, token);
        } else if !token.is_empty() {
            visit(range, token, Place::Text);
        }
    }
}

/// Calls `visit` with every token of `text`, its bytes and its place: the words in order, then the
/// others. `visit` must not analyse a text itself.
pub fn for_each_token(
    text: &str,
    language: Language,
    mut visit: impl FnMut(Range<usize>, &str, Place),
) {
    for_each_token_utf8(text, language, |range, token, place| {
        visit(range, str::from_utf8(token).unwrap_or_default(), place);
    });
}

/// Does the same as [`for_each_token`] without checking each token for UTF-8; a caller that needs
/// text checks all of it at once, which is faster.
pub fn for_each_token_utf8(
    text: &str,
    language: Language,
    visit: impl FnMut(Range<usize>, &[u8], Place),
) {
    with_cache(|cache| {
        let mut visitor = Visitor {
            cache,
            language,
            visit,
            aside_end: 0,
            buffers: BUFFERS.take().unwrap_or_default(),
        };
        visitor.visit_text(text);
        let Visitor { mut visit, mut buffers, .. } = visitor;
        for later in [&mut buffers.aside, &mut buffers.extras] {
            later.visit(&mut visit);
            later.clear();
        }
        if buffers.aside.tokens.capacity().max(buffers.extras.tokens.capacity()) <= BUFFERED_MAX {
            BUFFERS.set(Some(buffers));
        }
    });
}

impl<V: FnMut(Range<usize>, &[u8], Place)> Visitor<'_, V> {
    fn visit_text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if matches!(byte, b' ' | b'\n') {
                at += 1;
                continue;
            }
            if byte.is_ascii() && !byte.is_ascii_alphanumeric() {
                at = self.visit_mark(text, at);
                continue;
            }
            if byte.is_ascii() {
                let word = AsciiWord::at(bytes, at);
                let is_alone = !may_continue(bytes, at..word.end);
                if is_alone && !word.is_camel {
                    self.visit_word(text, at..word.end);
                    at = word.end;
                    continue;
                }
            }
            let first = char_at(text, at);
            if is_spaceless(first) {
                at = self.visit_run(text, at);
            } else if is_word(first) {
                at = self.visit_name(text, at);
            } else {
                if is_symbol(first) {
                    let end = at + first.len_utf8();
                    self.buffers.extras.push(at..end, &bytes[at..end]);
                }
                at += first.len_utf8();
            }
        }
    }

    /// Visits what begins with the ASCII mark at `at`; returns its end.
    fn visit_mark(&mut self, text: &str, at: usize) -> usize {
        let bytes = text.as_bytes();
        let mark = bytes[at];
        match mark {
            b',' | b'`' | b'"' | b')' | b'(' | b'#' => return at + 1,
            b'[' | b']' | b'<' => {
                if let Some(end) = markup::aside_end(text, at) {
                    self.aside_end = self.aside_end.max(end);
                    return at + 1;
                }
            }
            b'&' => {
                if let Some((character, length)) = markup::entity(&text[at..]) {
                    let divided = markup::divided(text, at).filter(|_| character != ' ');
                    return divided
                        .map_or(at + length, |divided| self.visit_divided(text, &divided));
                }
            }
            b'.' => {
                if let Some(end) = symbols::dotted_end(bytes, at) {
                    self.buffers.extras.push(at..end, token::of_name(&text[at..end]).as_bytes());
                    return at + 1;
                }
            }
            _ => {}
        }
        if !symbols::is_operator(mark) {
            return at + 1;
        }
        let Some(end) = symbols::operator_end(bytes, at) else { return at + 1 };
        self.buffers.extras.push(at..end, symbols::token(&text[at..end]).as_bytes());
        end
    }

    /// Emits a token of the text, or of what is beside it.
    fn emit(&mut self, range: Range<usize>, token: &[u8]) {
        self.buffers.pass(range, token, Place::Text, self.aside_end, &mut self.visit);
    }

    #[inline(always)]
    fn visit_word(&mut self, text: &str, range: Range<usize>) {
        let (token, has_others) = self.cache.token(text, range.clone(), self.language);
        if range.start < self.aside_end {
            self.buffers.aside.push(range.clone(), token);
        } else if !token.is_empty() {
            (self.visit)(range.clone(), token, Place::Text);
        }
        if has_others {
            self.visit_others(text, range);
        }
    }

    /// Visits what a word is also searched for as.
    fn visit_others(&mut self, text: &str, range: Range<usize>) {
        for (part, token) in self.cache.others(&text[range.clone()], self.language).iter() {
            let part = range.start + part.start..range.start + part.end;
            self.buffers.extras.push(part, token.as_bytes());
        }
    }

    fn visit_run(&mut self, text: &str, start: usize) -> usize {
        let mut run = std::mem::take(&mut self.buffers.run);
        let end = run.read(text, start);
        run.for_each_gram(|range, gram| self.emit(range, gram.as_bytes()));
        self.buffers.run = run;
        end
    }

    /// Visits the name, or the word that markup divides, at `start`; returns its end.
    fn visit_name(&mut self, text: &str, start: usize) -> usize {
        let known = known_names::key(text, start);
        if let Some(key) = known
            && let Some(end) = self.visit_known(key, start)
        {
            return end;
        }
        let mut compound = std::mem::take(&mut self.buffers.compound);
        compound.read(text, start);
        let end = compound.end();
        let divided = markup::may_divide(&text.as_bytes()[end..])
            .then(|| markup::divided(text, compound.parts[compound.parts.len() - 1].range.start))
            .flatten();
        if divided.is_some() {
            compound.parts.pop();
        }
        // What follows such a word decides where it ends.
        let key = known.filter(|_| !symbols::ends_with_operator(&text[start..end]));
        if !compound.parts.is_empty() {
            self.visit_compound(&compound, text, key);
        }
        self.buffers.compound = compound;
        match divided {
            Some(divided) => self.visit_divided(text, &divided),
            None => symbols::operator_name_end(text, start..end).map_or(end, |name_end| {
                let name = &text[start..name_end];
                self.buffers.extras.push(start..name_end, symbols::token(name).as_bytes());
                name_end
            }),
        }
    }

    /// Visits the name at `start` if its tokens are cached; returns its end.
    fn visit_known(&mut self, key: &[u8], start: usize) -> Option<usize> {
        let Self { cache, language, visit, aside_end, buffers } = self;
        let name = cache.names.get(key, *language)?;
        name.for_each(start, |range, token, place| {
            buffers.pass(range, token, place, *aside_end, visit)
        });
        Some(start + name.len())
    }

    /// Visits the tokens of a name, and caches them under `key`.
    fn visit_compound(&mut self, compound: &Compound, text: &str, key: Option<&[u8]>) {
        let Self { cache, language, visit, aside_end, buffers } = self;
        let mut names = std::mem::take(&mut buffers.names);
        let mut reader = NameReader { cache, language: *language, buffers: &mut names };
        match key {
            None => reader.read(compound, text, &mut |range, token, place| {
                buffers.pass(range, token, place, *aside_end, visit);
            }),
            Some(key) => {
                let start = compound.parts[0].range.start;
                let mut tokens = std::mem::take(&mut buffers.name_tokens);
                tokens.clear();
                reader.read(compound, text, &mut |range: Range<usize>, token, place| {
                    tokens.push(range.start - start..range.end - start, token, place);
                });
                tokens.for_each(start, |range, token, place| {
                    buffers.pass(range, token, place, *aside_end, visit)
                });
                cache.names.insert(key, *language, compound.end() - start, &tokens);
                buffers.name_tokens = tokens;
            }
        }
        buffers.names = names;
    }

    /// Visits a word that markup divides, and its pieces beside it; returns its end.
    fn visit_divided(&mut self, text: &str, divided: &markup::Divided) -> usize {
        let token = token::of_word(&divided.word, self.language);
        self.emit(divided.range.clone(), token.as_bytes());
        for (_, token) in self.cache.others(&divided.word, self.language).iter() {
            self.buffers.extras.push(divided.range.clone(), token.as_bytes());
        }
        if divided.pieces.len() > 1 {
            for piece in &divided.pieces {
                let token = token::of_word(&text[piece.clone()], self.language);
                self.buffers.extras.push(piece.clone(), token.as_bytes());
            }
        }
        divided.range.end
    }
}

/// Reads the tokens of names.
struct NameReader<'a> {
    cache: &'a mut TokenCache,
    language: Language,
    buffers: &'a mut NameBuffers,
}

impl NameReader<'_> {
    /// Passes the tokens of a name to `visit`.
    fn read(
        &mut self,
        compound: &Compound,
        text: &str,
        visit: &mut impl FnMut(Range<usize>, &[u8], Place),
    ) {
        let NameBuffers { names, joined } = &mut *self.buffers;
        compound.names(text, names);
        for name in names.drain(..) {
            names::join(&text[name.clone()], joined);
            // Identifiers are typed as they are; words may have other endings.
            if compound.is_of_words() && !joined.bytes().any(|byte| byte.is_ascii_digit()) {
                let (token, _) = self.cache.token(joined, 0..joined.len(), self.language);
                visit(name, token, Place::Beside);
            } else {
                visit(name, joined.as_bytes(), Place::Beside);
            }
        }
        let is_elided = compound.is_elided();
        for part in &compound.parts {
            let range = part.range.clone();
            let word = &text[range.clone()];
            match part.kind {
                PartKind::Word if is_elided && word.chars().nth(1).is_none() => {}
                PartKind::Word => {
                    self.read_word(text, range.clone(), visit);
                    self.read_humps(text, range, visit);
                }
                PartKind::Number => {
                    visit(range.clone(), names::number(word).as_bytes(), Place::Text);
                    for part in parts::divided(text, range) {
                        let token = if text.as_bytes()[part.start].is_ascii_alphabetic() {
                            token::of_word(&text[part.clone()], self.language)
                        } else {
                            token::of_name(&text[part.clone()])
                        };
                        visit(part, token.as_bytes(), Place::Beside);
                    }
                }
                PartKind::Marked => self.read_marked(text, range, visit),
            }
        }
    }

    fn read_word(
        &mut self,
        text: &str,
        range: Range<usize>,
        visit: &mut impl FnMut(Range<usize>, &[u8], Place),
    ) {
        let (token, has_others) = self.cache.token(text, range.clone(), self.language);
        visit(range.clone(), token, Place::Text);
        if has_others {
            for (part, token) in self.cache.others(&text[range.clone()], self.language).iter() {
                let part = range.start + part.start..range.start + part.end;
                visit(part, token.as_bytes(), Place::Beside);
            }
        }
    }

    /// Reads a word with the marks that belong to it. One letter is another name without them:
    /// `C++` is not found by `C`.
    fn read_marked(
        &mut self,
        text: &str,
        range: Range<usize>,
        visit: &mut impl FnMut(Range<usize>, &[u8], Place),
    ) {
        let token = token::of_name(&text[range.clone()]);
        let letters = token.trim_end_matches(['+', '#']).len();
        if letters == 1 {
            visit(range, token.as_bytes(), Place::Text);
        } else {
            self.read_word(text, range.start..range.start + letters, visit);
            visit(range, token.as_bytes(), Place::Beside);
        }
    }

    /// Reads the parts of a camel case word.
    fn read_humps(
        &mut self,
        text: &str,
        range: Range<usize>,
        visit: &mut impl FnMut(Range<usize>, &[u8], Place),
    ) {
        let word = &text[range.clone()];
        if word.is_ascii() && !AsciiWord::at(word.as_bytes(), 0).is_camel {
            return;
        }
        for hump in parts::humps(text, range) {
            let (token, _) = self.cache.token(text, hump.clone(), self.language);
            visit(hump, token, Place::Beside);
        }
    }
}

/// Reports whether what follows the ASCII `word` may continue a name.
fn may_continue(bytes: &[u8], word: Range<usize>) -> bool {
    let rest = &bytes[word.end..];
    let begins_word = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
    };
    match rest.first() {
        Some(b' ' | b'\n') => false,
        Some(b'.' | b'-' | b'/' | b'@' | b'\'') => begins_word(rest.get(1)),
        Some(b',') => bytes[word.end - 1].is_ascii_digit() && begins_word(rest.get(1)),
        Some(b':') => rest.get(1) == Some(&b':'),
        Some(b'+') if rest.get(1) == Some(&b'+') => true,
        Some(b'_' | b'#' | b'\\') => true,
        Some(b'*' | b'~' | b'&' | b'<') if markup::may_divide(rest) => true,
        Some(byte) => !byte.is_ascii() || symbols::is_operator_word(&bytes[word]),
        None => false,
    }
}

fn char_at(text: &str, at: usize) -> char {
    text[at..].chars().next().unwrap_or('\0')
}

struct AsciiWord {
    end: usize,
    /// Whether a capital follows a small letter, or a small letter follows two capitals.
    is_camel: bool,
}

impl AsciiWord {
    fn at(bytes: &[u8], start: usize) -> Self {
        let mut end = start;
        let mut has_capital = false;
        loop {
            let lanes = Lanes::at(bytes, end);
            let length = lanes.word_len();
            // A capital at the start does not count.
            has_capital |= lanes.has_capital(usize::from(end == start), length);
            end += length;
            if length < LANES {
                break;
            }
        }
        Self { end, is_camel: has_capital && parts::is_camel(&bytes[start..end]) }
    }
}
