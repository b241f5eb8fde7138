//! Languages that texts can be analysed in.

use snowball_stemmers_rs::Algorithm;

macro_rules! languages {
    ($($(#[$doc:meta])* $name:ident $code:literal $algorithm:expr),* $(,)?) => {
        /// A language that texts can be analysed in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Language {
            $($(#[$doc])* $name,)*
        }

        impl Language {
            /// Every language.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns its code, ISO 639-1.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// Returns its stemming algorithm, if it has one.
            pub(super) fn algorithm(self) -> Option<Algorithm> {
                match self { $(Self::$name => $algorithm),* }
            }
        }
    };
}

languages! {
    /// English, also assumed for a text without evidence.
    English "en" Some(Algorithm::English),
    /// Arabic.
    Arabic "ar" Some(Algorithm::Arabic),
    /// Czech.
    Czech "cs" Some(Algorithm::Czech),
    /// Danish.
    Danish "da" Some(Algorithm::Danish),
    /// German.
    German "de" Some(Algorithm::German),
    /// Greek.
    Greek "el" Some(Algorithm::Greek),
    /// Spanish.
    Spanish "es" Some(Algorithm::Spanish),
    /// Finnish.
    Finnish "fi" Some(Algorithm::Finnish),
    /// French.
    French "fr" Some(Algorithm::French),
    /// Hindi.
    Hindi "hi" Some(Algorithm::Hindi),
    /// Hungarian.
    Hungarian "hu" Some(Algorithm::Hungarian),
    /// Italian.
    Italian "it" Some(Algorithm::Italian),
    /// Japanese: bigrams.
    Japanese "ja" None,
    /// Korean: bigrams.
    Korean "ko" None,
    /// Dutch.
    Dutch "nl" Some(Algorithm::Dutch),
    /// Norwegian.
    Norwegian "no" Some(Algorithm::Norwegian),
    /// Polish.
    Polish "pl" Some(Algorithm::Polish),
    /// Portuguese.
    Portuguese "pt" Some(Algorithm::Portuguese),
    /// Romanian.
    Romanian "ro" Some(Algorithm::Romanian),
    /// Russian.
    Russian "ru" Some(Algorithm::Russian),
    /// Swedish.
    Swedish "sv" Some(Algorithm::Swedish),
    /// Thai: trigrams.
    Thai "th" None,
    /// Turkish.
    Turkish "tr" Some(Algorithm::Turkish),
    /// Ukrainian.
    Ukrainian "uk" Some(Algorithm::Ukrainian),
    /// Vietnamese: syllables, with and without their tones.
    Vietnamese "vi" None,
    /// Chinese: bigrams.
    Chinese "zh" None,
}

/// The languages that texts of an index were analysed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexLanguages {
    /// All of them.
    pub all: Vec<Language>,
    /// Those of a considerable share of the index.
    pub common: Vec<Language>,
}

impl Language {
    /// Returns the language with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|language| language.code() == code)
    }

    /// Reports whether it is written in Latin letters.
    pub(super) fn is_latin(self) -> bool {
        use Language::*;
        !matches!(
            self,
            Arabic | Greek | Hindi | Japanese | Korean | Russian | Thai | Ukrainian | Chinese
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_fit_their_bits() {
        for language in Language::ALL {
            assert_eq!(Language::from_code(language.code()), Some(*language));
            assert_eq!(Language::ALL[*language as usize], *language);
        }
        assert!(Language::ALL.len() <= 32);
    }
}
