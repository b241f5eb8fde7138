//! Arguments of `search`.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::permission::TrustArgs;
use crate::kb::{Day, SearchMode, UriGlob};

/// What a search ranks by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Words and meaning.
    Hybrid,
    /// Words only.
    Text,
    /// Meaning only.
    Vector,
}

impl Mode {
    /// Returns the mode of the search.
    pub fn search_mode(self) -> SearchMode {
        match self {
            Self::Hybrid => SearchMode::Hybrid,
            Self::Text => SearchMode::Text,
            Self::Vector => SearchMode::Vector,
        }
    }
}

/// Arguments of `search`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest search [OPTIONS] [KB_TOML] <QUERY>")]
pub struct SearchArgs {
    /// The optional target, and the query; the command's own text explains them. As two
    /// arguments, clap would refuse a query after `--`.
    #[arg(value_names = ["KB_TOML", "QUERY"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_query: Vec<OsString>,
    /// Number of hits.
    #[arg(short = 'k', long = "limit", value_name = "N", default_value_t = 5)]
    pub limit: usize,
    /// What hits are ranked by.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Hybrid)]
    pub mode: Mode,
    /// Only documents of this source.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only documents whose URI matches this glob, as in "operations/**"; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<UriGlob>,
    /// Only documents with this in their metadata, as in 'author=Ann Lee' or tags=boats; may be
    /// repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub meta: Vec<(String, String)>,
    /// Only documents dated this day or later in their metadata, as in 2025-01-31, 2025-01 or 2025.
    #[arg(long, value_name = "DATE")]
    pub after: Option<Day>,
    /// Only documents dated before this day in their metadata.
    #[arg(long, value_name = "DATE")]
    pub before: Option<Day>,
    /// Shows each chunk separately: merges no neighbours, omits no repeated texts.
    #[arg(long)]
    pub no_fold: bool,
    /// Searches for what is typed: corrects no misspelt word, and keeps phrases and exclusions that
    /// leave nothing.
    #[arg(long)]
    pub exact: bool,
    /// Keeps the order of the search: does not ask the reranker that kb.toml names.
    #[arg(long)]
    pub no_rerank: bool,
    /// Shows how each score is made up, and the words that matched.
    #[arg(long)]
    pub explain: bool,
    /// Neighbouring chunks shown on each side of a hit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub context: usize,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or_default();
    match (key.trim(), value.trim()) {
        ("", _) | (_, "") => Err("a key and a value are needed, as in 'author=Ann Lee'".to_owned()),
        (key, value) => Ok((key.to_owned(), value.to_owned())),
    }
}
