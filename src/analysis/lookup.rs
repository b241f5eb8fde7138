//! Words and phrases of a query as the tokens that an index may have for them.
//!
//! Tokens depend on the language of a text. A word without accents is looked up as if it had lost
//! them, too.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use super::compounds::for_each_token;
use super::language::Language;
use super::place::Place;
use super::scripts::{gram_chars, is_spaceless};
use super::{synonyms, token};

/// A word, with the tokens it may have in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Tokens of the word, or of the parts of a name; for each, its forms in the languages of the
    /// index.
    pub parts: Vec<Vec<String>>,
    /// Tokens of a whole name.
    pub wholes: Vec<String>,
    /// Tokens of its parts one after the other, if it is written in several words.
    pub divided: Vec<Vec<String>>,
    /// Its forms in texts of languages that the query is not in.
    pub foreign: Vec<(Language, Vec<String>)>,
    /// Whether tokens that begin with its forms match too.
    pub is_prefix: bool,
    /// Whether it was typed as several words, which may be words of their own.
    pub is_joined: bool,
}

/// Consecutive tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// At least one.
    pub tokens: Vec<String>,
    /// Whether tokens that begin with the last one match too.
    pub is_prefix: bool,
}

/// Returns the sequences that a phrase may have in an index, for each language that makes a
/// difference: its words, and if it is a single name, that name as one token and as its parts.
pub fn sequences(text: &str, is_prefix: bool, languages: &[Language]) -> Vec<Sequence> {
    let mut sequences: Vec<Sequence> = Vec::new();
    let mut add = |tokens: Vec<String>, is_prefix: bool| {
        let sequence = Sequence { tokens, is_prefix };
        if !sequence.tokens.is_empty() && !sequences.contains(&sequence) {
            sequences.push(sequence);
        }
    };
    for language in languages {
        let (mut read, mut beside): (Vec<(Range<usize>, String)>, Vec<_>) = Default::default();
        for_each_token(text, *language, |range, token, place| {
            let tokens = if place == Place::Text { &mut read } else { &mut beside };
            tokens.push((range, token.to_owned()));
        });
        let only = |token: &(Range<usize>, String)| vec![token.1.clone()];
        let (Some(first), Some(last)) = (read.first(), read.last()) else {
            beside.iter().for_each(|token| add(only(token), is_prefix));
            continue;
        };
        let all = first.0.start..last.0.end;
        let is_gram = text[last.0.clone()].starts_with(is_spaceless);
        let is_one = read.len() == 1;
        let wholes = beside.iter().filter(|(range, _)| is_inside(&all, range));
        let wholes: Vec<_> = wholes.map(only).collect();
        let parts: Vec<_> =
            beside.iter().filter(|(range, _)| is_one && range.len() < all.len()).cloned().collect();
        let is_short = is_gram && is_short_gram(&text[last.0.clone()]);
        // The text may continue after the phrase.
        while let [.., before, last] = read.as_slice()
            && is_gram
            && is_inside(&last.0, &before.0)
        {
            read.pop();
        }
        let is_open =
            is_prefix || is_short && read.len() == 1 && is_short_gram(&text[read[0].0.clone()]);
        add(read.into_iter().map(|(_, token)| token).collect(), is_open);
        wholes.into_iter().for_each(|whole| add(whole, is_prefix));
        if parts.len() > 1 {
            add(parts.into_iter().map(|(_, token)| token).collect(), is_prefix);
        }
    }
    sequences
}

/// Forms by the bytes of their word, so that a whole comes before its parts.
type FormsByPlace = BTreeMap<(usize, Reverse<usize>), Vec<String>>;

/// Returns the forms that each word of `text` has in `languages`.
fn forms_by_place(text: &str, languages: &[Language]) -> FormsByPlace {
    let mut forms: FormsByPlace = BTreeMap::new();
    for language in languages {
        for_each_token(text, *language, |range, token, _| {
            let surface = &text[range.clone()];
            let forms = forms.entry((range.start, Reverse(range.end))).or_default();
            let mut add = |form: String| {
                if !forms.contains(&form) {
                    forms.push(form);
                }
            };
            add(token.to_owned());
            if token::may_lack_accents(surface, *language) {
                add(token::unaccented(token));
                token::of_accented(surface, *language).into_iter().for_each(add);
            }
        });
    }
    forms
}

/// Adds the forms that the only part of a word, at `place`, has in languages it is not in.
fn add_foreign(
    word: &mut Word,
    place: &(usize, Reverse<usize>),
    foreign: &[(Language, FormsByPlace)],
) {
    let is_plain = word.wholes.is_empty() && !word.is_prefix;
    let ([own], true) = (word.parts.as_slice(), is_plain) else { return };
    for (language, forms) in foreign {
        let others = forms.get(place).into_iter().flatten();
        let others: Vec<_> = others.filter(|form| !own.contains(form)).cloned().collect();
        if !others.is_empty() {
            word.foreign.push((*language, others));
        }
    }
}

/// The languages that words are analysed in.
#[derive(Clone, Copy)]
pub struct LookupLanguages<'a> {
    /// Texts of any language are searched for what words are in these.
    pub own: &'a [Language],
    /// Other languages of the index; texts in these are searched for what words are in them.
    pub foreign: &'a [Language],
}

/// Returns the words of `text`, each with whether `is_stop` says so of its bytes.
pub fn words(
    text: &str,
    is_prefix: bool,
    languages: LookupLanguages<'_>,
    is_stop: &dyn Fn(&Range<usize>) -> bool,
) -> Vec<(bool, Word)> {
    let forms = forms_by_place(text, languages.own);
    let in_foreign = |language: &Language| (*language, forms_by_place(text, &[*language]));
    let foreign: Vec<_> = languages.foreign.iter().map(in_foreign).collect();
    let ranges: Vec<_> = forms.keys().map(|(start, end)| *start..end.0).collect();
    let mut words: Vec<(Range<usize>, bool, Word)> = Vec::new();
    for (range, forms) in ranges.iter().zip(forms.into_values()) {
        let has_parts = ranges.iter().any(|other| other != range && is_inside(other, range));
        let surface = &text[range.clone()];
        let is_gram = surface.starts_with(is_spaceless);
        match words.last_mut() {
            Some((whole, ..)) if is_gram && is_inside(range, whole) => {}
            Some((whole, _, word)) if !is_gram && is_inside(range, whole) => {
                if has_parts {
                    word.wholes.extend(forms)
                } else {
                    word.parts.push(forms)
                }
            }
            _ => {
                let is_short = is_gram && is_short_gram(surface);
                let mut word = Word { is_prefix: is_prefix || is_short, ..Word::default() };
                if has_parts && !is_gram {
                    word.wholes = forms
                } else {
                    word.parts.push(forms)
                }
                let is_stop = !word.is_prefix && is_stop(range);
                words.push((range.clone(), is_stop, word));
            }
        }
    }
    if is_prefix {
        for (range, _, word) in &mut words {
            // The prefix as typed, besides its stem: `connecti*`.
            let typed = text[range.clone()].to_lowercase();
            if let [forms] = word.parts.as_mut_slice()
                && typed.is_ascii()
                && !forms.contains(&typed)
            {
                forms.push(typed);
            }
        }
    }
    for (range, _, word) in &mut words {
        add_foreign(word, &(range.start, Reverse(range.end)), &foreign);
        match word.parts.as_mut_slice() {
            [forms] if word.wholes.is_empty() => synonyms::add(forms),
            _ => synonyms::add(&mut word.wholes),
        }
    }
    words.into_iter().map(|(_, is_stop, word)| (is_stop, word)).collect()
}

/// Returns the tokens that a word may have in texts of `languages`.
pub fn forms(word: &str, languages: &[Language]) -> Vec<String> {
    let languages = LookupLanguages { own: languages, foreign: &[] };
    let words = words(word, false, languages, &|_| false);
    words.into_iter().flat_map(|(_, word)| word.parts).flatten().collect()
}

/// Reports whether `gram` has fewer characters than those inside of a text.
fn is_short_gram(gram: &str) -> bool {
    let first = gram.chars().next().unwrap_or_default();
    gram.chars().nth(gram_chars(first) - 1).is_none()
}

fn is_inside(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
