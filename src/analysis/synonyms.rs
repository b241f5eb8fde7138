//! Names that are written in two ways that no rule connects: `C#` and `csharp`, `i18n` and
//! "internationalization".

use super::language::Language;
use super::token;

/// Pairs of names, each of which finds the other.
const SYNONYMS: [(&str, &str); 14] = [
    ("c#", "csharp"),
    ("f#", "fsharp"),
    ("c++", "cpp"),
    (".net", "dotnet"),
    ("i18n", "internationalization"),
    ("i18n", "internationalisation"),
    ("l10n", "localization"),
    ("l10n", "localisation"),
    ("a11y", "accessibility"),
    ("k8s", "kubernetes"),
    ("o11y", "observability"),
    ("g11n", "globalization"),
    ("p13n", "personalization"),
    ("c14n", "canonicalization"),
];

/// Returns the tokens of a name: as it is, and of a word in English.
fn tokens(name: &str) -> [String; 2] {
    [token::of_name(name), token::of_word(name, Language::English)]
}

/// Adds the other name of what has `forms`, if it has two.
pub fn add(forms: &mut Vec<String>) {
    for (one, other) in SYNONYMS {
        for (from, to) in [(one, other), (other, one)] {
            if tokens(from).iter().any(|token| forms.contains(token)) {
                for token in tokens(to) {
                    if !forms.contains(&token) {
                        forms.push(token);
                    }
                }
            }
        }
    }
}
