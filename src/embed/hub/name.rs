//! The name of a model on a hub.

use std::fmt;
use std::str::FromStr;

/// What a name begins with.
const PREFIX: &str = "hf:";
/// The branch that counts if a name has none.
const MAIN: &str = "main";

/// `hf:OWNER/NAME@REVISION`; without a revision the branch `main`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubName {
    /// Who publishes it.
    pub owner: String,
    /// Its name there.
    pub name: String,
    /// A branch, tag or commit.
    pub revision: String,
}

impl HubName {
    /// Returns whether `text` is meant to be such a name.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
}

impl FromStr for HubName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(PREFIX).unwrap_or(text);
        let (path, revision) = rest.split_once('@').unwrap_or((rest, MAIN));
        let is_name = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
        };
        match path.split_once('/') {
            Some((owner, name)) if [owner, name, revision].into_iter().all(is_name) => Ok(Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
                revision: revision.to_owned(),
            }),
            _ => Err(format!("{text:?} is not the name of a model; write hf:OWNER/NAME@REVISION")),
        }
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}@{}", self.owner, self.name, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::HubName;

    #[test]
    fn names_have_an_owner_and_stay_in_their_folder() {
        let name: HubName = "hf:owner/some-model.v2@1a2b".parse().unwrap();
        assert_eq!(name.to_string(), "hf:owner/some-model.v2@1a2b");
        assert_eq!("hf:a/b".parse::<HubName>().unwrap().revision, "main");
        for wrong in [
            "hf:",
            "hf:a",
            "hf:/a",
            "hf:a/",
            "hf:../b",
            "hf:a/..",
            "hf:a/b/c",
            "hf:a/b@",
            "hf:a/b@../c",
        ] {
            assert!(wrong.parse::<HubName>().is_err(), "{wrong}");
        }
    }
}
