//! Formats that a program of the user converts to Markdown: the `[[extract.command]]` tables of
//! kb.toml.
//!
//! A command gets the document as a file of its own and writes Markdown to stdout. Its process
//! group is killed when it ends, when the document's time is up, or when this process ends,
//! whichever is first. Whether a kb.toml may name commands is decided when it is loaded; here they
//! are trusted.

mod config;
mod watch;
mod workspace;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobMatcher;
use kbingest_support::fingerprint::Fingerprint;
use kbingest_support::names::nfc;
use kbingest_support::stop::StopSignal;

use crate::text::markdown::Markdown;
use crate::{DocumentError, ExtractConfig, Extracted, Extractor, title};
use config::{PATH, glob};
use watch::Watch;
use workspace::Workspace;

pub use config::CommandConfig;

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
    run: Vec<OsString>,
    env: Vec<String>,
    /// Determines the text.
    pub(super) fingerprint: Fingerprint,
    /// The fingerprint as text.
    pub(super) id: String,
}

impl Commands {
    /// Prepares the commands; starts none. A glob that [`CommandConfig::validate`] refuses matches
    /// nothing.
    pub(super) fn new(config: &ExtractConfig, stop: Option<Arc<StopSignal>>) -> Self {
        let prepare = |one: &CommandConfig| {
            let fingerprint = one.fingerprint();
            Some(Command {
                matcher: glob(&one.pattern).ok()?.compile_matcher(),
                is_of_path: one.pattern.contains('/'),
                run: absolute(&one.run, config.base.as_ref()),
                env: one.env.clone(),
                id: fingerprint.to_string(),
                fingerprint,
            })
        };
        Self {
            commands: config.command.iter().filter_map(prepare).collect(),
            watch: Watch::new(config, stop),
            workspace: Workspace::new(config.workspace.clone()),
        }
    }

    /// Returns the first command that applies to `uri`.
    pub(super) fn find(&self, uri: &str) -> Option<&Command> {
        if self.commands.is_empty() {
            return None;
        }
        let uri = &*nfc(uri);
        let name = title::file_name(uri);
        self.commands
            .iter()
            .find(|one| one.matcher.is_match(if one.is_of_path { uri } else { name }))
    }

    /// Reports whether a command has this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.commands.iter().any(|one| one.id == id)
    }

    /// Returns what determines the texts of all commands; empty if there are none.
    pub(super) fn fingerprint(&self) -> String {
        let all: Vec<_> = self.commands.iter().map(|one| one.id.as_str()).collect();
        all.join(" ")
    }

    /// Extracts a document with `command`.
    pub(super) fn extract(
        &self,
        command: &Command,
        uri: &str,
        bytes: &[u8],
    ) -> Result<Extracted, DocumentError> {
        let file = self.workspace.put(uri, bytes).map_err(|error| {
            DocumentError::transient(
                uri,
                format!("cannot write it to a file for its command: {error}"),
            )
        })?;
        let arguments: Vec<_> = command.run.iter().map(|one| with_path(one, file.path())).collect();
        let output = self.watch.run(uri, &arguments, &command.env, file.folder())?;
        Markdown.extract(uri, output)
    }
}

/// A program with a `/` in its name is relative to kb.toml; others are searched for in `PATH`.
fn absolute(run: &[String], base: Option<&PathBuf>) -> Vec<OsString> {
    let mut all: Vec<_> = run.iter().map(OsString::from).collect();
    if let (Some(first), Some(program), Some(base)) = (all.first_mut(), run.first(), base)
        && program.contains('/')
    {
        *first = base.join(program).into_os_string();
    }
    all
}

/// Returns `argument` with the path of the document's file, which need not be UTF-8.
fn with_path(argument: &OsStr, path: &Path) -> OsString {
    let Some(argument) = argument.to_str() else { return argument.to_owned() };
    let mut whole = OsString::new();
    for (index, part) in argument.split(PATH).enumerate() {
        if index > 0 {
            whole.push(path);
        }
        whole.push(part);
    }
    whole
}
