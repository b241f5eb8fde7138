//! Where tokens are: in a text, or after it.

/// Where a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the text, as it is read.
    Text,
    /// After the text.
    Beside,
}
