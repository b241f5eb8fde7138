//! Formats that a program of the user's turns into Markdown: the `[[extract.command]]` tables of kb.toml.
//!
//! A command gets the document as a file of its own and writes Markdown to stdout. It runs in a process
//! group that ends with it, with the document's time and with this process, whichever is first. Who may name
//! commands is decided where kb.toml is loaded; here they are trusted.

mod watch;
mod workspace;

use std::path::PathBuf;
use std::sync::Arc;

use globset::{Glob, GlobBuilder, GlobMatcher};
use serde::Deserialize;

use self::watch::Watch;
use self::workspace::Workspace;
use super::markdown::Markdown;
use super::{ExtractConfig, ExtractError, Extracted, Extractor, title};
use kbingest_support::stop::StopSignal;

/// Stands for the document's file in a command line.
const PATH: &str = "{path}";

/// How what a command wrote becomes a text; the version rises whenever that changes.
const ID: &str = "command@1";

/// One `[[extract.command]]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// Glob of the documents that it is for: of their names, or of their addresses where it has a `/`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Program and arguments; no shell is between. `{path}` stands for the document's file.
    pub run: Vec<String>,
    /// Environment variables that it gets besides PATH, HOME, LANG, LC_ALL, LC_CTYPE and TMPDIR.
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

    /// Returns what decides the text that it makes of the same bytes.
    fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for argument in &self.run {
            hasher.update(argument.as_bytes()).update(b"\0");
        }
        format!("{ID}:{}", &hasher.finalize().to_hex()[..16])
    }
}

fn glob(pattern: &str) -> Result<Glob, String> {
    if pattern.is_empty() || pattern.starts_with('/') {
        return Err(format!(
            "command.match must be a glob such as \"*.xyz\" or \"letters/**/*.xyz\", not \"{pattern}\""
        ));
    }
    GlobBuilder::new(pattern).literal_separator(true).build().map_err(|error| {
        format!("command.match \"{pattern}\" cannot be read as a glob: {}", error.kind())
    })
}

/// The commands of one kb.toml.
pub(super) struct Commands {
    commands: Vec<Command>,
    watch: Watch,
    workspace: Workspace,
}

/// One of them.
pub(super) struct Command {
    matcher: GlobMatcher,
    is_of_path: bool,
    run: Vec<String>,
    env: Vec<String>,
    /// Decides the text that comes out.
    pub(super) fingerprint: String,
}

impl Commands {
    /// Prepares them; starts none. A glob that [`CommandConfig::validate`] refuses matches nothing.
    pub(super) fn new(config: &ExtractConfig, stop: Option<Arc<StopSignal>>) -> Self {
        let prepare = |one: &CommandConfig| {
            Some(Command {
                matcher: glob(&one.pattern).ok()?.compile_matcher(),
                is_of_path: one.pattern.contains('/'),
                run: absolute(&one.run, config.base.as_ref()),
                env: one.env.clone(),
                fingerprint: one.fingerprint(),
            })
        };
        Self {
            commands: config.command.iter().filter_map(prepare).collect(),
            watch: Watch::new(config, stop),
            workspace: Workspace::new(config.workspace.clone()),
        }
    }

    /// Returns the first command that is for `uri`.
    pub(super) fn find(&self, uri: &str) -> Option<&Command> {
        let name = title::file_name(uri);
        self.commands
            .iter()
            .find(|one| one.matcher.is_match(if one.is_of_path { uri } else { name }))
    }

    /// Returns what decides the texts that come out of any of them; empty where there are none.
    pub(super) fn fingerprint(&self) -> String {
        let all: Vec<_> = self.commands.iter().map(|one| one.fingerprint.as_str()).collect();
        all.join(" ")
    }

    /// Extracts a document by `command`.
    pub(super) fn extract(
        &self,
        command: &Command,
        uri: &str,
        bytes: &[u8],
    ) -> Result<Extracted, ExtractError> {
        let file = self.workspace.put(uri, bytes).map_err(|error| ExtractError::Transient {
            uri: uri.to_owned(),
            reason: format!("cannot write it to a file for its command: {error}"),
        })?;
        let path = file.path().to_string_lossy();
        let arguments = command.run.iter().map(|one| one.replace(PATH, &path)).collect::<Vec<_>>();
        let output = self.watch.run(uri, &arguments, &command.env, file.folder())?;
        Markdown.extract(uri, output)
    }
}

/// A program with a `/` in its name stands relative to kb.toml; others are looked for in `PATH`.
fn absolute(run: &[String], base: Option<&PathBuf>) -> Vec<String> {
    let mut run = run.to_vec();
    if let (Some(program), Some(base)) = (run.first_mut(), base)
        && program.contains('/')
    {
        *program = base.join(&*program).to_string_lossy().into_owned();
    }
    run
}
