//! The `[[extract.command]]` tables of kb.toml.

use globset::{Glob, GlobBuilder};
use kbingest_support::fingerprint::Fingerprint;
use kbingest_support::names::nfc;
use serde::Deserialize;

/// Stands for the document's file in a command line.
pub(super) const PATH: &str = "{path}";

/// Names how a command's output becomes a text; the version rises whenever that changes.
const ID: &str = "command@1";

/// One `[[extract.command]]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// Glob of the documents it applies to: of their names, or of their URIs if it contains a `/`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Program and arguments, run without a shell. `{path}` stands for the document's file.
    pub run: Vec<String>,
    /// Environment variables that it gets in addition to PATH, HOME, LANG, LC_ALL, LC_CTYPE and
    /// TMPDIR.
    #[serde(default)]
    pub env: Vec<String>,
}

impl CommandConfig {
    /// Checks the settings; the error says what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        glob(&self.pattern)?;
        let Some(program) = self.run.first().filter(|program| !program.is_empty()) else {
            return Err("command.run must name a program".to_owned());
        };
        if program.contains(PATH) || !self.run.iter().any(|argument| argument.contains(PATH)) {
            let run = &self.run;
            return Err(format!(
                "command.run must have {PATH} in one of its arguments, where the document's file is to stand, not {run:?}"
            ));
        }
        if self.run.iter().any(|argument| argument.contains('\0')) {
            return Err("command.run must not hold NUL characters".to_owned());
        }
        if let Some(name) = self.env.iter().find(|one| one.is_empty() || one.contains(['=', '\0']))
        {
            return Err(format!("command.env must name environment variables, not {name:?}"));
        }
        Ok(())
    }

    /// Returns what determines the text for given bytes.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        for argument in &self.run {
            hasher.update(argument.as_bytes()).update(b"\0");
        }
        Fingerprint::of_code(ID).with_hash(&hasher.finalize().to_hex()[..16])
    }
}

/// Parses a glob as in kb.toml.
pub(super) fn glob(pattern: &str) -> Result<Glob, String> {
    if pattern.is_empty() || pattern.starts_with('/') {
        return Err(format!(
            "command.match must be a glob such as \"*.xyz\" or \"letters/**/*.xyz\", not \"{pattern}\""
        ));
    }
    GlobBuilder::new(&nfc(pattern)).literal_separator(true).build().map_err(|error| {
        format!("command.match \"{pattern}\" cannot be read as a glob: {}", error.kind())
    })
}
