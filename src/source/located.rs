//! A value of kb.toml with its position there, for error messages.

use std::ops::{Deref, Range};

use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// A value and the bytes of kb.toml that it was read from; a value of code has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located<T> {
    value: T,
    span: Range<usize>,
}

impl<T> Located<T> {
    /// Returns the value.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// Returns its bytes in kb.toml; `0..0` if it does not come from there.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl<T> Located<T> {
    /// Replaces the value; it keeps its place in kb.toml.
    pub(crate) fn replace(&mut self, value: T) {
        self.value = value;
    }
}

impl<T> From<T> for Located<T> {
    fn from(value: T) -> Self {
        Self { value, span: 0..0 }
    }
}

impl From<&str> for Located<String> {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}
