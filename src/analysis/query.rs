//! Parses what a person types: words, `"phrases"`, `prefix*`, `-not` and `field:value`.
//!
//! Every text is a valid query: anything that is not syntax counts as words. Words are optional;
//! phrases and fields are required. A query of nothing but exclusions is searched for as words.

use std::collections::BTreeMap;

use super::compounds::{for_each_token, is_spaceless};
use super::language::{IndexLanguages, Language};

/// Limit on the words of a query that are looked up.
const WORDS_MAX: usize = 64;

/// A parsed query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedQuery {
    /// Optional words; they include stop words only if there is nothing else.
    pub words: Vec<Word>,
    /// Clauses that must match.
    pub required: Vec<Clause>,
    /// Clauses that must not match.
    pub excluded: Vec<Clause>,
    /// Sources to search, any of them; empty: all.
    pub sources: Vec<String>,
    /// Sources to exclude.
    pub excluded_sources: Vec<String>,
}

/// A word, with the tokens it may have in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Tokens of the word, or of the parts of a name; for each, its forms in the languages of the
    /// index.
    pub parts: Vec<Vec<String>>,
    /// Tokens of a whole name.
    pub wholes: Vec<String>,
    /// Whether tokens that begin with its forms match too.
    pub is_prefix: bool,
}

/// A column of the index that a query may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `title:`
    Title,
    /// `heading:`
    Heading,
    /// `path:`, the URI inside the source
    Path,
    /// `language:`, its code
    Language,
}

/// A condition on a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The column; `None` means any column with text.
    pub field: Option<Field>,
    /// Matches if any of these does.
    pub forms: Vec<Sequence>,
}

/// Consecutive tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// At least one.
    pub tokens: Vec<String>,
    /// Whether tokens that begin with the last one match too.
    pub is_prefix: bool,
}

impl ParsedQuery {
    /// Parses `query` for an index with texts in `languages`.
    ///
    /// Its words are analysed in its own language; if that cannot be detected, in each of the
    /// `common` ones.
    pub fn parse(query: &str, languages: &IndexLanguages) -> Self {
        let own = Language::of_query(query, &languages.all);
        let common =
            if languages.common.is_empty() { &[Language::English][..] } else { &languages.common };
        let languages = own.as_ref().map_or(common, std::slice::from_ref);
        let own = languages[0];
        let mut parsed = Self::default();
        let mut words: Vec<(bool, Word)> = Vec::new();
        for item in &items(query) {
            if let Some(ItemField::Source) = item.field {
                let sources = if item.is_excluded {
                    &mut parsed.excluded_sources
                } else {
                    &mut parsed.sources
                };
                sources.push(item.text.to_owned());
                continue;
            }
            let column = match item.field {
                Some(ItemField::Column(field)) => Some(field),
                _ => None,
            };
            if item.is_excluded || item.is_phrase || column.is_some() {
                let forms = forms(item, column, languages);
                let clauses =
                    if item.is_excluded { &mut parsed.excluded } else { &mut parsed.required };
                if !forms.is_empty() {
                    clauses.push(Clause { field: column, forms });
                }
            } else {
                words.extend(words_of(item, languages, own));
            }
        }
        let has_content = words.iter().any(|(is_stop, _)| !is_stop) || !parsed.required.is_empty();
        for (is_stop, word) in words {
            let is_dropped = is_stop && has_content;
            if !is_dropped && !parsed.words.contains(&word) {
                parsed.words.push(word);
            }
        }
        parsed.words.truncate(WORDS_MAX);
        parsed
    }

    /// Reports whether the query requires a phrase, title or heading.
    pub fn names_text(&self) -> bool {
        let is_text =
            |clause: &Clause| !matches!(clause.field, Some(Field::Path | Field::Language));
        self.required.iter().any(is_text)
    }

    /// Reports whether the query looks for `token` in a text.
    pub fn asks_for(&self, token: &str) -> bool {
        let is_form = |form: &String, is_prefix: bool| {
            token == form || is_prefix && token.starts_with(form.as_str())
        };
        let of_word = |word: &Word| {
            let forms = word.wholes.iter().chain(word.parts.iter().flatten());
            forms.into_iter().any(|form| is_form(form, word.is_prefix))
        };
        let of_clause = |clause: &Clause| {
            let is_text = !matches!(clause.field, Some(Field::Path | Field::Language));
            let mut tokens = clause.forms.iter().flat_map(|form| &form.tokens);
            is_text && tokens.any(|form| token == form)
        };
        self.words.iter().any(of_word) || self.required.iter().any(of_clause)
    }
}

/// Returns what `query` means, for an embedder: its words as typed, without exclusions and syntax.
pub fn meaning(query: &str) -> String {
    let is_meant = |item: &Item<'_>| {
        !item.is_excluded
            && matches!(item.field, None | Some(ItemField::Column(Field::Title | Field::Heading)))
    };
    let texts: Vec<_> =
        items(query).iter().filter(|item| is_meant(item)).map(|item| item.text).collect();
    texts.join(" ")
}

/// A syntactic item of the query.
#[derive(Debug)]
struct Item<'q> {
    text: &'q str,
    field: Option<ItemField>,
    is_excluded: bool,
    is_phrase: bool,
    is_prefix: bool,
}

#[derive(Clone, Copy, Debug)]
enum ItemField {
    Column(Field),
    Source,
}

const FIELDS: [(&str, ItemField); 5] = [
    ("title:", ItemField::Column(Field::Title)),
    ("heading:", ItemField::Column(Field::Heading)),
    ("path:", ItemField::Column(Field::Path)),
    ("language:", ItemField::Column(Field::Language)),
    ("source:", ItemField::Source),
];

/// Splits a query into its items; a query of nothing but exclusions becomes words.
fn items(query: &str) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let (item, after) = item(rest);
        items.push(item);
        rest = after.trim_start();
    }
    if items.iter().all(|item| item.is_excluded) {
        items.iter_mut().for_each(|item| item.is_excluded = false);
    }
    items
}

/// Reads one item; `rest` does not begin with white space.
fn item(rest: &str) -> (Item<'_>, &str) {
    let begins_word = |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || c == '"');
    let (is_excluded, unsigned) = match rest.strip_prefix('-') {
        Some(after) if begins_word(after) => (true, after),
        _ => (false, rest),
    };
    let named = FIELDS.iter().find_map(|(name, field)| {
        // `path::join` is not a field, and `title:` alone is a word.
        unsigned.strip_prefix(name).filter(|value| begins_word(value)).map(|value| (*field, value))
    });
    let (field, value) = match named {
        Some((field, value)) => (Some(field), value),
        None => (None, unsigned),
    };
    if let Some(inside) = value.strip_prefix('"')
        && let Some((phrase, after)) = inside.split_once('"')
        && !phrase.trim().is_empty()
    {
        let item = Item { text: phrase, field, is_excluded, is_phrase: true, is_prefix: false };
        return (item, after);
    }
    let end = value.find(|c: char| c.is_whitespace()).unwrap_or(value.len());
    // A quote inside begins a phrase, as in `say"hello world"`.
    let end =
        value[..end].char_indices().skip(1).find(|(_, c)| *c == '"').map_or(end, |(at, _)| at);
    let (word, after) = value.split_at(end);
    let stem = word.strip_suffix('*').filter(|stem| stem.ends_with(char::is_alphanumeric));
    let text = stem.unwrap_or(word);
    (Item { text, field, is_excluded, is_phrase: false, is_prefix: stem.is_some() }, after)
}

/// Returns the sequences an item may have in the index, one for each language that makes a
/// difference.
fn forms(item: &Item<'_>, field: Option<Field>, languages: &[Language]) -> Vec<Sequence> {
    let mut forms: Vec<Sequence> = Vec::new();
    let mut add = |tokens: Vec<String>, is_prefix: bool| {
        let form = Sequence { tokens, is_prefix };
        if !form.tokens.is_empty() && !forms.contains(&form) {
            forms.push(form);
        }
    };
    if field == Some(Field::Language) {
        add(vec![item.text.to_lowercase()], false);
        return forms;
    }
    let text =
        if field == Some(Field::Path) { item.text.replace('/', " ") } else { item.text.to_owned() };
    for language in languages {
        let mut tokens: Vec<(std::ops::Range<usize>, String)> = Vec::new();
        for_each_token(&text, *language, |range, token| tokens.push((range, token.to_owned())));
        let mut is_prefix = item.is_prefix;
        if let [.., before, last] = tokens.as_slice()
            && is_inside(&last.0, &before.0)
            && text[last.0.clone()].starts_with(is_spaceless)
        {
            // The text may continue after the phrase.
            tokens.pop();
        } else if let [only] = tokens.as_slice() {
            is_prefix |= text[only.0.clone()].starts_with(is_spaceless);
        }
        add(tokens.into_iter().map(|(_, token)| token).collect(), is_prefix);
    }
    forms
}

/// Returns the words of an item, each with whether it is a stop word of the query's `own` language.
fn words_of(item: &Item<'_>, languages: &[Language], own: Language) -> Vec<(bool, Word)> {
    // Ordered so that a whole comes before its parts.
    let mut forms: BTreeMap<(usize, std::cmp::Reverse<usize>), Vec<String>> = BTreeMap::new();
    for language in languages {
        for_each_token(item.text, *language, |range, token| {
            let forms = forms.entry((range.start, std::cmp::Reverse(range.end))).or_default();
            if !forms.iter().any(|form| form == token) {
                forms.push(token.to_owned());
            }
        });
    }
    let ranges: Vec<_> = forms.keys().map(|(start, end)| *start..end.0).collect();
    let mut words: Vec<(std::ops::Range<usize>, bool, Word)> = Vec::new();
    for (range, forms) in ranges.iter().zip(forms.into_values()) {
        let has_parts = ranges.iter().any(|other| other != range && is_inside(other, range));
        let surface = &item.text[range.clone()];
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
                let is_one = is_gram && surface.chars().nth(1).is_none();
                let mut word = Word { is_prefix: item.is_prefix || is_one, ..Word::default() };
                if has_parts && !is_gram {
                    word.wholes = forms
                } else {
                    word.parts.push(forms)
                }
                let is_stop = !word.is_prefix && own.is_stop_word(&surface.to_lowercase());
                words.push((range.clone(), is_stop, word));
            }
        }
    }
    if item.is_prefix {
        for (range, _, word) in &mut words {
            // The prefix as typed, besides its stem: `connecti*`.
            let typed = item.text[range.clone()].to_lowercase();
            if let [forms] = word.parts.as_mut_slice()
                && typed.is_ascii()
                && !forms.contains(&typed)
            {
                forms.push(typed);
            }
        }
    }
    words.into_iter().map(|(_, is_stop, word)| (is_stop, word)).collect()
}

fn is_inside(inner: &std::ops::Range<usize>, outer: &std::ops::Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renders the query in a short form.
    fn shown(query: &str, languages: &[Language]) -> String {
        let languages = IndexLanguages { all: languages.to_vec(), common: languages.to_vec() };
        let parsed = ParsedQuery::parse(query, &languages);
        let clause = |clause: &Clause| {
            let forms: Vec<_> = clause
                .forms
                .iter()
                .map(|form| form.tokens.join("+") + if form.is_prefix { "*" } else { "" })
                .collect();
            let field = clause.field.map_or(String::new(), |field| format!("{field:?}:"));
            format!("{field}{}", forms.join("|"))
        };
        let word = |word: &Word| {
            let parts: Vec<_> = word.parts.iter().map(|forms| forms.join("|")).collect();
            let wholes: String = word.wholes.iter().map(|whole| format!("{whole}=")).collect();
            format!("{wholes}{}{}", parts.join("&"), if word.is_prefix { "*" } else { "" })
        };
        let mut all: Vec<String> = parsed.words.iter().map(word).collect();
        all.extend(parsed.required.iter().map(|one| format!("+{}", clause(one))));
        all.extend(parsed.excluded.iter().map(|one| format!("-{}", clause(one))));
        all.extend(parsed.sources.iter().map(|source| format!("+source {source}")));
        all.extend(parsed.excluded_sources.iter().map(|source| format!("-source {source}")));
        all.join(" ")
    }

    #[test]
    fn queries_are_parsed() {
        let check = |query: &str, expected: &str| {
            assert_eq!(shown(query, &[Language::English]), expected, "{query}");
        };
        check("how do I undo a release?", "undo releas");
        check("to be or not to be", "to be or not");
        check("Rust  borrow rust", "rust borrow");
        check("\"roll back\" release", "releas +roll+back");
        check("release -canary -\"slip roll\"", "releas -canari -slip+roll");
        check("-canary", "canari");
        check("--allow-deletes", "allow delet");
        check("title:backup heading:\"restore drill\"", "+Title:backup +Heading:restor+drill");
        check(
            "lag path:runbooks/replica-lag.md",
            "lag +Path:runbook+replica-lag.md+replica+lag+md",
        );
        check("lag source:handbook -source:web", "lag +source handbook -source web");
        check("release language:en", "releas +Language:en");
        check("path::join title:", "path::join=path&join titl");
        check("connecti* migrat*", "connecti* migrat*");
        check("getUserName", "getusernam=get&user&name");
        check("E0382 HTTP/2 3.11.2", "e0382 http/2=http&2 3.11.2");
        check("a\" OR title:x NEAR(*)", "near +Title:x");
        check("\"unclosed quote", "unclos quot");
        check("?! \"\" * - -- ()", "");
        check("", "");
    }

    #[test]
    fn other_scripts_and_several_languages() {
        let check = |query: &str, languages: &[Language], expected: &str| {
            assert_eq!(shown(query, languages), expected, "{query}");
        };
        use Language::{Chinese, English, German, Spanish};
        check("黑豹队", &[Chinese], "黑豹 豹队");
        check("猫", &[Chinese], "猫*");
        check("\"黑豹\"", &[Chinese], "+黑豹");
        check("organization", &[English, German], "organiz|organization");
        check("die Katze ist im Haus", &[English, German], "katz haus");
        check("¿Cuántas capturas?", &[Spanish, English], "captur");
    }

    #[test]
    fn exclusions_and_syntax_are_no_part_of_the_meaning() {
        let check = |query: &str, expected: &str| assert_eq!(meaning(query), expected);
        check("how do I undo a release?", "how do I undo a release?");
        check("\"roll back\" -canary title:release path:docs source:web", "roll back release");
        check("-canary", "canary");
        check("path:docs language:en", "");
    }
}
