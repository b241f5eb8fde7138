//! Parses what a person types into what is looked up: words are optional; phrases and fields are
//! required.

use std::collections::BTreeMap;

use super::compounds::for_each_token;
use super::language::{IndexLanguages, Language};
use super::lookup::{self, LookupLanguages, Sequence, Word};
use super::syntax::{Item, ItemField, Syntax, items};

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
    /// The query for an embedder: its words as typed, without exclusions and syntax.
    pub meaning: String,
    /// The words and parts of names as typed, by token.
    pub typed: BTreeMap<String, String>,
    /// The languages that its words are analysed in.
    pub languages: Vec<Language>,
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
    /// The condition as typed, without the sign of an exclusion.
    pub written: String,
}

impl ParsedQuery {
    /// Parses `query` for an index with texts in `languages`, as `syntax` says.
    ///
    /// Its words are looked up in its own language; if that cannot be detected, in all of them:
    /// a word must be found as it is written.
    pub fn parse(query: &str, languages: &IndexLanguages, syntax: &Syntax<'_>) -> Self {
        // `NOT` is no word of a language.
        let text = query.split_whitespace().filter(|word| *word != "NOT");
        let own = Language::of_query(&text.collect::<Vec<_>>().join(" "), &languages.all);
        let all = if languages.all.is_empty() { &[Language::English][..] } else { &languages.all };
        let common = languages.common.first().copied().unwrap_or(all[0]);
        let codes: Vec<_> = languages.all.iter().map(|language| language.code()).collect();
        let admits = |field, value: &str| match field {
            ItemField::Language => codes.contains(&value.to_lowercase().as_str()),
            field => (syntax.admits)(field, value),
        };
        let languages = own.as_ref().map_or(all, std::slice::from_ref);
        let own = own.unwrap_or(common);
        let items = items(query, own, &Syntax { admits: &admits, ..*syntax });
        let capitals = Capitals::of(query, own);
        let mut parsed =
            Self { meaning: meaning(&items), languages: languages.to_vec(), ..Self::default() };
        let mut words: Vec<(bool, Word)> = Vec::new();
        for item in &items {
            if let Some(ItemField::Source) = item.field {
                let sources = if item.is_excluded {
                    &mut parsed.excluded_sources
                } else {
                    &mut parsed.sources
                };
                sources.push(item.text.to_owned());
                continue;
            }
            let column = item.field.and_then(column);
            if item.is_excluded || item.is_phrase || column.is_some() {
                // What is certain is so in every language.
                let forms = forms(item, column, all);
                let clauses =
                    if item.is_excluded { &mut parsed.excluded } else { &mut parsed.required };
                if !forms.is_empty() {
                    clauses.push(Clause { field: column, forms, written: item.written.to_owned() });
                }
            } else {
                parsed.note_typed(item.text);
                let foreign: Vec<_> =
                    all.iter().copied().filter(|it| !languages.contains(it)).collect();
                let languages = LookupLanguages { own: languages, foreign: &foreign };
                words.extend(words_of(item, languages, own, &capitals));
            }
        }
        for (_, word) in &mut words {
            add_numbers_of_capitals(word, &parsed.typed);
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

    fn note_typed(&mut self, text: &str) {
        let typed = &mut self.typed;
        for language in &self.languages {
            for_each_token(text, *language, |range, token, _| {
                typed.entry(token.to_owned()).or_insert_with(|| text[range].to_owned());
            });
        }
    }

    /// Reports whether the query says what it excludes, and nothing else.
    pub fn only_excludes(&self) -> bool {
        let excludes = !self.excluded.is_empty() || !self.excluded_sources.is_empty();
        excludes && self.words.is_empty() && self.required.is_empty() && self.sources.is_empty()
    }

    /// Reports whether the query has signs only, which mean nothing.
    pub fn is_without_words(&self) -> bool {
        let clauses = [&self.required, &self.excluded];
        let sources = [&self.sources, &self.excluded_sources];
        self.words.is_empty()
            && clauses.iter().all(|all| all.is_empty())
            && sources.iter().all(|all| all.is_empty())
    }

    /// Replaces a misspelt word in the meaning.
    pub fn replace_meant(&mut self, typed: &str, written: &str) {
        let words = self.meaning.split(' ').map(|word| match word.strip_prefix(typed) {
            Some(rest) if !rest.starts_with(char::is_alphanumeric) => format!("{written}{rest}"),
            _ => word.to_owned(),
        });
        self.meaning = words.collect::<Vec<_>>().join(" ");
    }

    /// Returns what the query requires, as typed.
    pub fn required_as_typed(&self) -> Vec<String> {
        as_typed(&self.required, &self.sources)
    }

    /// Returns what the query excludes, as typed.
    pub fn excluded_as_typed(&self) -> Vec<String> {
        as_typed(&self.excluded, &self.excluded_sources)
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
            let foreign = word.foreign.iter().flat_map(|(_, forms)| forms);
            let forms = forms.chain(foreign).chain(word.divided.iter().flatten());
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

/// Adds the plural of an abbreviation in capitals, and the singular of its plural, which no stemmer
/// knows: `LLM` finds "LLMs", `PDFs` "PDF".
fn add_numbers_of_capitals(word: &mut Word, typed: &BTreeMap<String, String>) {
    let is_capitals = |text: &str| {
        text.len() > 1 && !text.ends_with('S') && text.bytes().all(|b| b.is_ascii_uppercase())
    };
    let surface = |forms: &[String]| forms.iter().find_map(|form| typed.get(form)).cloned();
    // `PDFs` looks like a name in camel case.
    let whole = surface(&word.wholes);
    let plural = whole.as_deref().and_then(|whole| whole.strip_suffix('s'));
    if let Some(singular) = plural.filter(|singular| is_capitals(singular)) {
        let mut forms = std::mem::take(&mut word.wholes);
        forms.push(singular.to_ascii_lowercase());
        word.parts = vec![forms];
    } else if let [forms] = word.parts.as_mut_slice()
        && word.wholes.is_empty()
        && let Some(singular) = surface(forms).filter(|surface| is_capitals(surface))
    {
        forms.push(format!("{}s", singular.to_ascii_lowercase()));
    }
}

fn column(field: ItemField) -> Option<Field> {
    match field {
        ItemField::Title => Some(Field::Title),
        ItemField::Heading => Some(Field::Heading),
        ItemField::Path => Some(Field::Path),
        ItemField::Language => Some(Field::Language),
        ItemField::Source => None,
    }
}

fn as_typed(clauses: &[Clause], sources: &[String]) -> Vec<String> {
    let clauses = clauses.iter().map(|clause| clause.written.clone());
    clauses.chain(sources.iter().map(|source| format!("source:{source}"))).collect()
}

fn meaning(items: &[Item<'_>]) -> String {
    let is_meant =
        |item: &&Item<'_>| !item.is_excluded && !item.field.is_some_and(ItemField::is_filter);
    let texts: Vec<_> = items.iter().filter(is_meant).map(|item| item.text).collect();
    texts.join(" ")
}

/// Which stop words of a query are names, by their capitals: `IT policy`, `Vitamin A`.
struct Capitals {
    /// Whether capitals distinguish words of this query.
    distinguish: bool,
}

impl Capitals {
    fn of(query: &str, own: Language) -> Self {
        // In a title, or in a query all in capitals, they mean nothing.
        let is_capital = |word: &str| {
            let mut letters = word.chars().filter(|c| c.is_alphabetic());
            letters.next().is_some_and(char::is_uppercase) && letters.all(char::is_lowercase)
        };
        let words = || query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let has_title_case = words().skip(1).any(|word| {
            word.len() > 1 && is_capital(word) && own.is_stop_word(&word.to_lowercase())
        });
        let distinguish = !has_title_case && query.chars().any(char::is_lowercase);
        Self { distinguish }
    }

    /// Reports whether a stop word of the query is a name.
    fn is_name(&self, surface: &str, is_first: bool) -> bool {
        let is_upper = surface.chars().all(char::is_uppercase);
        let is_one = surface.chars().nth(1).is_none();
        let is_operator = ["AND", "OR", "NOT", "I"].contains(&surface);
        self.distinguish && is_upper && !is_operator && !(is_one && is_first)
    }
}

/// Returns the sequences an item may have in the index.
fn forms(item: &Item<'_>, field: Option<Field>, languages: &[Language]) -> Vec<Sequence> {
    match field {
        Some(Field::Language) => {
            vec![Sequence { tokens: vec![item.text.to_lowercase()], is_prefix: false }]
        }
        Some(Field::Path) => {
            lookup::sequences(&item.text.replace('/', " "), item.is_prefix, languages)
        }
        _ => lookup::sequences(item.text, item.is_prefix, languages),
    }
}

/// Returns the words of an item, each with whether it is a stop word of the query's `own` language.
fn words_of(
    item: &Item<'_>,
    languages: LookupLanguages<'_>,
    own: Language,
    capitals: &Capitals,
) -> Vec<(bool, Word)> {
    lookup::words(item.text, item.is_prefix, languages, &|range| {
        let surface = &item.text[range.clone()];
        let is_first = item.is_first && range.start == 0;
        own.is_stop_word(&surface.to_lowercase()) && !capitals.is_name(surface, is_first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renders the query in a short form.
    fn shown(query: &str, languages: &[Language]) -> String {
        let languages = IndexLanguages { all: languages.to_vec(), common: languages.to_vec() };
        let parsed = ParsedQuery::parse(query, &languages, &Syntax::default());
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
        check("-canary", "-canari");
        check("--allow-deletes", "allowdelet=allow&delet");
        check("title:backup heading:\"restore drill\"", "+Title:backup +Heading:restor+drill");
        check("lag path:runbooks/replica-lag.md", "lag +Path:runbook+replica+lag+md");
        check("lag source:handbook -source:web", "lag +source handbook -source web");
        check("release language:en", "releas +Language:en");
        check("path::join title:", "pathjoin=path&join titl");
        check("connecti* migrat*", "connecti* migrat*");
        check("getUserName", "getusernam=get&user&name");
        check("E0382 HTTP/2 3.11.2", "e0382 http2=http&2 3.11.2=3.11");
        check("a\" OR title:x NEAR(*)", "near|nears +Title:x");
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
        check("organization", &[English, German], "organiz|organization|organization_");
        check("die Katze ist im Haus", &[English, German], "katz|katz_ haus|haus_");
        check("¿Cuántas capturas?", &[Spanish, English], "captur|captur_");
    }

    #[test]
    fn exclusions_and_syntax_are_no_part_of_the_meaning() {
        let check = |query: &str, expected: &str| {
            let languages = IndexLanguages { all: vec![Language::English], common: Vec::new() };
            let parsed = ParsedQuery::parse(query, &languages, &Syntax::default());
            assert_eq!(parsed.meaning, expected);
        };
        check("how do I undo a release?", "how do I undo a release?");
        check("\"roll back\" -canary title:release path:docs source:web", "roll back release");
        check("-canary", "");
        check("path:docs language:en", "");
        check("tar -xzf x", "tar xzf x");
    }
}
