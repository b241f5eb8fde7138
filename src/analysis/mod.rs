//! Text analysis: turns texts into the tokens of the full-text index, and queries into the same
//! tokens. Plain functions; nothing here does I/O.
//!
//! Words are split by Unicode rules, lower-cased, stemmed in the document's language (Snowball) and
//! folded. Scripts without spaces become overlapping bigrams or trigrams. After the words of a text
//! follow its names as a whole (`snake_case`, `std::vec::Vec`, `BB-3005`, `HTTP/2`), parts of words
//! (`getUserName`, `64KiB`), and other forms of words with accents.
//!
//! A token contains no white space and no ASCII but `a-z`, `0-9` and [`TOKEN_MARKS`], so that an
//! index that splits at everything else keeps it whole.

mod about;
mod anchors;
mod cache;
mod command_line;
mod compounds;
mod detect;
mod fold;
mod grams;
mod han;
mod known_names;
mod language;
mod lookup;
mod markup;
mod members;
mod misspelling;
mod names;
pub mod noise;
mod parts;
mod place;
mod programs;
mod query;
mod scripts;
mod signs;
mod stop_words;
mod symbols;
mod synonyms;
mod syntax;
mod token;

use std::ops::Range;

pub use about::about;
pub use anchors::{AnchorStyle, fragment_above};
pub use command_line::{has_command_line, has_option};
pub use language::{IndexLanguages, Language};
pub use lookup::{Sequence, Word, forms, sequences};
pub use misspelling::Misspelling;
pub use programs::language_words;
pub use query::{Clause, Field, ParsedQuery};
pub use syntax::{ItemField, Strictness, Syntax, filters, possible_options};

use crate::support::fingerprint::Fingerprint;

/// Increased when the same text might give other tokens; the index is then rebuilt.
const CODE_VERSION: u32 = 3;
/// Names of the analyser and its setting in fingerprints.
const NAME: &str = "words";
const LANGUAGE: &str = "language";
/// ASCII marks that a token may contain.
pub const TOKEN_MARKS: &str = "_.-/:@+#";

/// The language that is detected for each document.
pub const AUTO: &str = "auto";

/// Analyses documents in a fixed language, or in the one detected for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analyser {
    /// `None`: detected for each document.
    language: Option<Language>,
}

impl Analyser {
    /// Returns the analyser for documents in the language with this code, or [`AUTO`].
    pub fn new(language: &str) -> Self {
        Self { language: Language::from_code(language) }
    }

    /// Returns the analyser that made an index with this fingerprint, or `None` if another version
    /// of this program made it.
    pub fn for_fingerprint(fingerprint: &str) -> Option<Self> {
        let made_by: Fingerprint = fingerprint.parse().ok()?;
        let analyser = Self::new(made_by.settings.get(LANGUAGE)?);
        (analyser.fingerprint() == made_by).then_some(analyser)
    }

    /// Returns everything that decides the tokens of a text: code version and settings.
    pub fn fingerprint(&self) -> Fingerprint {
        let language = self.language.map_or(AUTO, Language::code);
        Fingerprint::new(NAME, CODE_VERSION).with(LANGUAGE, language)
    }

    /// Reports whether some version of this program may have named its analyser like this.
    pub fn is_fingerprint(text: &str) -> bool {
        let fingerprint = text.parse::<Fingerprint>();
        fingerprint.is_ok_and(|it| it.name == NAME && it.settings.get(LANGUAGE).is_some())
    }

    /// Returns the language that a document is analysed in.
    pub fn language_of(&self, text: &str) -> Language {
        self.language.unwrap_or_else(|| Language::detect(text))
    }
}

/// Calls `visit` with every token of `text`, in UTF-8 and in order; a token may be empty. `visit`
/// must not analyse a text itself.
pub fn for_each_token(text: &str, language: Language, mut visit: impl FnMut(&[u8])) {
    compounds::for_each_token_utf8(text, language, |_, token, _| visit(token));
}

/// Returns the tokens of `text`, separated by single spaces.
pub fn tokens(text: &str, language: Language) -> String {
    let mut tokens = Vec::with_capacity(text.len() + text.len() / 8);
    for_each_token(text, language, |token| {
        tokens.extend_from_slice(token);
        tokens.push(b' ');
    });
    tokens.pop();
    String::from_utf8(tokens).expect("a token is whole characters")
}

/// Returns the byte ranges of `text` whose token in any of `languages` `is_wanted`, in order and
/// without overlap.
pub fn matches(
    text: &str,
    languages: &[Language],
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for language in languages {
        compounds::for_each_token(text, *language, |range, token, _| {
            if is_wanted(token) {
                found.push(range);
            }
        });
    }
    found.sort_unstable_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            // Bigrams overlap, and parts are inside their whole.
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::lookup::LookupLanguages;
    use super::*;

    #[test]
    fn tokens_of_texts() {
        let check = |language, text: &str, expected: &str| {
            assert_eq!(tokens(text, language), expected, "{text}");
        };
        let en = |text: &str, expected: &str| check(Language::English, text, expected);
        en("The Connections are connected.", "the connect are connect");
        en("café naïve Ærø", "cafe naiv aero");
        en("don't John's", "don john");
        en("getUserName x", "getusernam x get user name");
        en("HTTPServer XMLHttpRequest", "httpserver xmlhttprequest http server xml http request");
        en("snake_case_name x", "snake case name x snakecasename");
        en("std::vec::Vec", "std vec vec stdvecvec");
        en("foo.bar() kb.toml", "foo bar kb toml foobar kbtoml");
        en("E0382, 3.11.2 and HTTP/2!", "e0382 3.11.2 and http 2 3.11 http2");
        en("BB-3005 state-of-the-art", "bb 3005 state of the art bb3005 stateoftheart");
        en("C++ and C# or F#.", "c++ and c# or f#");
        en("--allow-deletes -k __init__ a.", "allow delet k init a allowdelet");
        en("mail me@example.org", "mail me exampl org meexampleorg exampleorg");
        en("end.Next and/or", "end next and or endnext");
        en("\u{ff28}\u{ff34}\u{ff2d}\u{ff2c} ½", "html 1⁄2");
        en("", "");
        check(Language::German, "Häuser Straße GRÖSSE", "haus strass gross");
        check(Language::Russian, "Сколько очков", "скольк очк");
        check(Language::Chinese, "黑豹队 Panthers 猫", "黑豹 豹队 队 panther 猫");
        check(Language::Japanese, "コーヒー", "こー ーひ ひー ー");
        check(Language::Thai, "ภาษา", "ภาษ าษา ษา า");
    }

    #[test]
    fn words_are_written_in_several_ways() {
        let check = |language, one: &str, other: &str| {
            let words = lookup::words(
                one,
                false,
                LookupLanguages { own: &[language], foreign: &[] },
                &|_| false,
            );
            let query = ParsedQuery {
                words: words.into_iter().map(|(_, word)| word).collect(),
                ..ParsedQuery::default()
            };
            let tokens = tokens(other, language);
            assert!(tokens.split(' ').any(|token| query.asks_for(token)), "{other}: {tokens}");
        };
        let en = |one: &str, other: &str| check(Language::English, one, other);
        en("utf8", "UTF-8");
        en("sha256", "SHA-256");
        en("nodejs", "Node.js");
        en("wifi", "Wi-Fi");
        en("64KiB", "64 KiB");
        en("1,234,567", "1234567");
        en("1'234'567", "1_234_567");
        en("python3", "python 3");
        en("email", "e-mail");
        en("emails", "e-mail");
        en("3.11", "3.11.2");
        en("1.2.3", "v1.2.3");
        en("project\u{2011}list", "project-list");
        en("unbelievable", "un**believ**able");
        en("unbelievable", "**un**believable");
        en("café", "caf&eacute;");
        en("école", "&Eacute;cole");
        en("user_id", "user\\_id");
        en("H2O", "H<sub>2</sub>O");
        en("width", "width*height*depth");
        en("operator<<", "std::operator<<(a, b)");
        en("=>", "use `=>` here");
        en("§", "see § 5");
        en("🚀", "launch 🚀!");
        en(".env", "edit .env");
        check(Language::French, "securite", "sécurité");
        check(Language::Portuguese, "informacao", "informação");
        check(Language::Portuguese, "informacao", "informações");
        check(Language::Spanish, "informacion", "informaciones");
        check(Language::German, "Ueberweisung", "Überweisung");
        check(Language::Arabic, "مدرسه", "مدرسة");
        check(Language::Hindi, "किताबें", "किताब");
        check(Language::Japanese, "ガイド", "ｶﾞｲﾄﾞ");
        check(Language::Japanese, "ガイド", "カ\u{3099}イト\u{3099}");
        check(Language::Japanese, "りんご", "リンゴ");
        check(Language::Korean, "한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}");
        check(Language::Vietnamese, "viet", "việt");
        check(Language::Thai, "น้ำ", "น\u{e49}\u{e4d}\u{e32}");
        check(Language::Thai, "น\u{e49}\u{e4d}\u{e32}", "น้ำ");
        check(Language::Arabic, "می\u{200c}خواهم", "میخواهم");
    }

    #[test]
    fn names_are_not_found_by_a_letter_of_them() {
        let c = tokens("C", Language::English);
        for other in ["C++ x", "C# x", "c++"] {
            assert!(tokens(other, Language::English).split(' ').all(|token| token != c));
        }
    }

    #[test]
    fn a_phrase_is_what_is_read() {
        let check = |text: &str, phrase: &str| {
            let tokens = tokens(text, Language::English);
            assert!(format!(" {tokens} ").contains(&format!(" {phrase} ")), "{text}: {tokens}");
        };
        check("[release notes](https://example.org/rn) page", "releas note page");
        check("[release notes][rn] page", "releas note page");
        check("release[^1] notes", "releas note");
        check("a <b>bold</b> word", "a bold word");
        check("call `push_back` now", "call push back now");
        check("the getUserName call", "the getusernam call");
        check("[a](https://docs.microsoft.com/en-us \"Title\") b", "doc microsoft com en us");
        check("python 3.11.2 is", "python 3.11.2 is");
        check("AT&amp;T", "at t");
    }

    #[test]
    fn long_words_are_truncated_and_never_lost() {
        let long = "x".repeat(500);
        assert_eq!(tokens(&long, Language::English), "x".repeat(64));
        let word = "é".repeat(100);
        assert_eq!(tokens(&word, Language::English).len(), 64);
    }

    #[test]
    fn fingerprints_name_their_analyser() {
        let check = |language: &str| {
            let analyser = Analyser::new(language);
            let fingerprint = analyser.fingerprint().to_string();
            assert_eq!(Analyser::for_fingerprint(&fingerprint), Some(analyser));
        };
        check("auto");
        check("de");
        assert_eq!(Analyser::for_fingerprint("words@0:language=de"), None);
        assert_eq!(Analyser::for_fingerprint(""), None);
    }

    #[test]
    fn matches_are_ranges_of_the_text() {
        let wanted = |token: &str| ["connect", "黑豹", "豹队", "user"].contains(&token);
        let find = |text| {
            let found = matches(text, &[Language::English, Language::Chinese], wanted);
            found.into_iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        assert_eq!(find("Connections are connected."), [(0, 11), (16, 25)]);
        assert_eq!(find("是黑豹队的"), [(3, 12)]);
        assert_eq!(find("getUserName"), [(3, 7)]);
    }
}
