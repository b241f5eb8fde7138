//! The knowledge base of a command that also takes something else: the first of two arguments.

use std::ffi::OsString;
use std::path::Path;

use crate::operations;

/// The target of a command that names none.
const DEFAULT: &str = "kb.toml";

/// Returns the target, and the last one of `arguments`, which are one or two: as two arguments,
/// clap would refuse a last one after `--`.
pub fn target_and_last(arguments: &[OsString]) -> (&Path, &OsString) {
    match arguments {
        [target, last] => (Path::new(target), last),
        [last] => (Path::new(DEFAULT), last),
        // clap accepts one or two.
        _ => unreachable!("one or two arguments"),
    }
}

/// Returns the target and the optional argument after it: one alone is the target if it is a
/// knowledge base or its name ends in `.toml`.
pub fn target_and_option(arguments: &[OsString]) -> (&Path, Option<&OsString>) {
    match arguments {
        [target, option, ..] => (Path::new(target), Some(option)),
        [one] if is_target(Path::new(one)) => (Path::new(one), None),
        [option] => (Path::new(DEFAULT), Some(option)),
        [] => (Path::new(DEFAULT), None),
    }
}

fn is_target(path: &Path) -> bool {
    let is_glob = path.to_string_lossy().contains(['*', '?', '[', '{']);
    operations::is_knowledge_base(path)
        || !is_glob && path.extension().is_some_and(|ending| ending == "toml")
}
