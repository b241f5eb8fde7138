//! Why a request is not answered: a stable code for programs, and a message for people and models.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, chain};
use crate::kb::KbError;

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Refusal {
    /// The kind of the error; these names do not change.
    pub code: RefusalCode,
    /// What is wrong, and what to do instead.
    pub message: String,
}

/// The kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// An argument is missing, of the wrong type, or not allowed.
    BadRequest,
    /// No knowledge base has this name.
    UnknownKb,
    /// The knowledge base has no source of this name.
    UnknownSource,
    /// The source has no such document, or the server no such route.
    NotFound,
    /// The model of the vectors is unavailable.
    NoModel,
    /// The knowledge base cannot be read.
    Unavailable,
    /// An error of this program.
    Internal,
    /// A token is needed, or another one.
    Unauthorized,
    /// The request comes from a page of another origin, or under a name that is not the server's.
    Forbidden,
    /// The route has no such method.
    MethodNotAllowed,
    /// A run is at work, or is not at work any more.
    Conflict,
    /// The request is too large.
    TooLarge,
    /// The answer took too long.
    Timeout,
    /// Too many requests are at work.
    Busy,
}

impl Refusal {
    /// Refuses a request because of its arguments.
    pub fn bad_request(message: impl Display) -> Self {
        Self { code: RefusalCode::BadRequest, message: message.to_string() }
    }

    /// Reports an error of this program.
    pub fn internal(message: impl Display) -> Self {
        Self { code: RefusalCode::Internal, message: message.to_string() }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (code, hint) = match &error {
            Error::UnknownSource { known, .. } => {
                (RefusalCode::UnknownSource, format!("; its sources are {}", listed(known)))
            }
            Error::NoEmbedder { .. } | Error::Embed(_) => {
                (RefusalCode::NoModel, "; search with mode \"text\"".to_owned())
            }
            Error::Internal { .. } | Error::Threads { .. } => {
                (RefusalCode::Internal, String::new())
            }
            _ => (RefusalCode::Unavailable, String::new()),
        };
        Self { code, message: format!("{}{hint}", chain(&error)) }
    }
}

impl From<KbError> for Refusal {
    fn from(error: KbError) -> Self {
        Error::from(error).into()
    }
}

/// Returns names for a message, the first twenty of them.
pub fn listed(names: &[impl AsRef<str>]) -> String {
    const NAMES_MAX: usize = 20;
    let shown: Vec<_> =
        names.iter().take(NAMES_MAX).map(|name| format!("\"{}\"", name.as_ref())).collect();
    let rest = names.len().saturating_sub(NAMES_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
