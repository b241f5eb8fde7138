//! What to do next after an error: the only place that names commands and flags for it.

use std::io::ErrorKind;
use std::path::Path;

use crate::config::{ConfigError, TRUST_VARIABLE};
use crate::error::Error;
use crate::kb::KbError;
use crate::source::SourceError;
use crate::support::lock::LockError;
use crate::support::process_limit;

/// Returns what to do about `error`, if there is something that helps.
pub fn hint(error: &Error) -> Option<String> {
    match error {
        Error::Usage { hint, .. } => hint.clone(),
        Error::OtherSources { .. } => Some(
            "name another knowledge base; --trust lets this one be written, and --allow-deletes deletes their documents"
                .to_owned(),
        ),
        Error::OtherConfig { config, .. } => Some(format!(
            "give each kb.toml a knowledge base of its own (`[kb]` `path`); if {} replaces the other, give --adopt once",
            config.display()
        )),
        Error::NoEmbedder { .. } => {
            Some("name its kb.toml, ingest again, or use --mode text".to_owned())
        }
        Error::UnknownSource { known, .. } => Some(format!("it has: {}", known.join(", "))),
        Error::UnknownDocument { near, .. } if !near.is_empty() => {
            Some(format!("did you mean {}?", near.join(" or ")))
        }
        Error::UnknownDocument { .. } => {
            Some("`kbingest ls` lists what there is, written SOURCE:URI".to_owned())
        }
        Error::Config(error) => of_config(error),
        Error::Kb(error) => of_kb(error).map(str::to_owned),
        Error::Lock(error) => of_lock(error).map(str::to_owned),
        Error::Source(SourceError::Full { .. }) => Some(MAKE_SPACE.to_owned()),
        Error::Threads { .. } | Error::Source(SourceError::Starved { .. }) => {
            Some(format!("{}; nothing is lost", process_limit::HINT))
        }
        _ => None,
    }
}

/// Returns how to continue a run on `target` that was interrupted.
pub fn resume(target: &Path) -> String {
    format!("nothing is lost; continue with `kbingest resume {}`", target.display())
}

/// Returns what allows a suspiciously large deletion of documents of `source`.
pub fn allow_deletes(source: &str) -> String {
    format!("`kbingest ingest --allow-deletes={source}`")
}

const MAKE_SPACE: &str =
    "make space, then continue with `kbingest ingest` or `kbingest resume`; nothing is lost";

fn of_config(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::Unreadable { source, .. } if source.kind() == ErrorKind::NotFound => {
            Some("name the kb.toml to use; kb.example.toml shows how to write one".to_owned())
        }
        ConfigError::Untrusted { path, hash, .. } => Some(format!(
            "read it; then `kbingest trust {}` allows it until it changes, --trust allows this one run, and \
             {TRUST_VARIABLE}={hash} allows it where nobody can be asked",
            path.display()
        )),
        ConfigError::Register { .. } => Some(format!(
            "--trust allows this one run; {TRUST_VARIABLE} allows the hash that `kbingest trust --show` prints"
        )),
        _ => None,
    }
}

fn of_kb(error: &KbError) -> Option<&'static str> {
    match error {
        KbError::Missing(_) => Some("`kbingest ingest kb.toml` creates it"),
        KbError::Outdated { .. } => Some("the next `kbingest ingest` brings it to that format"),
        KbError::Damaged(_) => Some(
            "`kbingest check` lists what is wrong; `kbingest check --repair`, an older copy, or an ingest into \
             another file puts it right",
        ),
        KbError::ForeignSchema { .. } => Some(
            "do not use the file if you do not know who changed it; `kbingest ingest` makes another from the \
             sources",
        ),
        KbError::Endless { .. } => {
            Some("`kbingest check` reads it without a time limit, and can be stopped")
        }
        KbError::Replaced(_) => Some(
            "leave the knowledge base in its place during a run; `kbingest ingest` brings the file that is there \
             now up to date, or creates it again",
        ),
        KbError::Full { .. } => Some(MAKE_SPACE),
        KbError::NetworkFileSystem { .. } => Some(
            "put it on a local disk and copy it when the run is done, or take the risk with --allow-network-fs",
        ),
        KbError::Denied { action: "read", .. } => {
            Some("its owner can let you read it: `chmod`, or `mode` in the [kb] table of kb.toml")
        }
        KbError::Denied { .. } => Some(
            "run the command as its owner; root can give you the file (`chown`), and its owner can share it with \
             a group (`mode = \"0660\"` in the [kb] table of kb.toml)",
        ),
        KbError::LogOfOthers(_) => Some("`kbingest status`, run once by its owner, reads the log"),
        KbError::Busy => Some("try again when the other process is done"),
        _ => None,
    }
}

fn of_lock(error: &LockError) -> Option<&'static str> {
    match error {
        LockError::Full { .. } => Some(MAKE_SPACE),
        LockError::Foreign { may_be_adopted: true, .. } => {
            Some("look at who put it there; if it is meant for you to write, give --adopt")
        }
        LockError::Denied { is_held: Some(true), .. } => Some(
            "a run of that user is active: wait for it; then give yourself the file with `sudo chown`",
        ),
        LockError::Denied { is_held: Some(false), .. } => Some(
            "give yourself the file with `sudo chown`, or remove it: nothing is in it, and no run is active",
        ),
        LockError::Denied { is_held: None, .. } => Some(
            "give yourself the file with `sudo chown`, or remove it while that user has no run: only the lock that \
             the kernel holds on it counts, nothing is in it",
        ),
        LockError::Held { .. } => Some("`kbingest status` shows it, `kbingest cancel` stops it"),
        _ => None,
    }
}
