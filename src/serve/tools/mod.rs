//! What can be asked, by whichever protocol: each tool is a function from its arguments to its
//! answer, both with a JSON schema.

mod list;
mod read;
mod search;
mod status;

use std::str::FromStr;

pub use list::{ListAnswer, ListArguments, ListedSource, What, list, page};
pub use read::{ReadAnswer, ReadArguments, read, whole};
pub use search::{SearchAnswer, SearchArguments, ask, notes, query, search, take_turns};
pub use status::{KbStatus, StatusAnswer, StatusArguments, status};

use super::refusal::Refusal;
use crate::kb::{Day, Filter, UriGlob};
use crate::source::{LinkPlace, link_of_page};

/// Limit on the tokens of an answer, whatever a request asks for.
pub const TOKENS_MAX: usize = 100_000;
/// The least tokens that a request may ask for.
const TOKENS_MIN: usize = 100;

/// The parts of a filter, as a request states them.
#[derive(Default)]
struct FilterParts<'a> {
    source: Option<&'a str>,
    path: &'a [String],
    after: Option<&'a str>,
    before: Option<&'a str>,
}

impl FilterParts<'_> {
    fn filter(&self) -> Result<Filter, Refusal> {
        Ok(Filter {
            source: self.source.map(str::to_owned),
            uris: self
                .path
                .iter()
                .map(|glob| UriGlob::from_str(glob).map_err(Refusal::bad_request))
                .collect::<Result<_, _>>()?,
            metadata: Vec::new(),
            after: self.after.map(day).transpose()?,
            before: self.before.map(day).transpose()?,
        })
    }
}

fn day(text: &str) -> Result<Day, Refusal> {
    Day::from_str(text).map_err(Refusal::bad_request)
}

/// Returns the limit on an answer's tokens that a request asks for, or `default`.
fn budget(asked: Option<usize>, default: usize) -> Result<usize, Refusal> {
    match asked {
        None => Ok(default),
        Some(tokens) if (TOKENS_MIN..=TOKENS_MAX).contains(&tokens) => Ok(tokens),
        Some(tokens) => Err(Refusal::bad_request(format!(
            "max_tokens is {tokens}; it must be from {TOKENS_MIN} to {TOKENS_MAX}"
        ))),
    }
}

/// Returns the address of a document that has one of its own: a page of a web site.
pub fn url_of(uri: &str) -> Option<String> {
    link_of_page(LinkPlace { uri, lines: None, anchor: None })
}

/// Returns `false` for what is left out of an answer because it is false.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
