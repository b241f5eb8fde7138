//! The files in its own folder that the commands of a kb.toml run: a change of one of them
//! changes what is run.
//!
//! A file may be named by any argument, as in `["sh", "tools/convert.sh"]` or `["sh", "-c",
//! "tools/convert.sh $0"]`, by the first line of another, or by a folder, as in `["python3",
//! "tools"]`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Config;
use super::requests::real;
use crate::extract::ExtractConfig;

/// Limit on the files of a folder that are read; the others count by size and time.
const FILES_MAX: usize = 2000;
/// Characters that end a word in a shell's line.
const ENDS: &[char] =
    &[' ', '\t', '\n', '"', '\'', ';', '|', '&', '(', ')', '<', '>', '`', '=', '$', '{', '}'];

/// Returns the programs of all commands.
pub(super) fn of(extract: &ExtractConfig) -> Vec<String> {
    extract.command.iter().filter_map(|command| command.run.first().cloned()).collect()
}

/// Hashes the names and contents of all files that commands run from the folder of kb.toml. A
/// missing file counts as missing, and changes the hash when it appears.
pub(super) fn hash(config: &Config, hasher: &mut blake3::Hasher) -> io::Result<()> {
    let mut paths = BTreeSet::new();
    for command in &config.extract.command {
        for (index, argument) in command.run.iter().enumerate() {
            // A program name without a slash is looked up in PATH.
            if index > 0 || argument.contains('/') {
                paths.insert(config.base.join(argument));
                paths.extend(argument.split(ENDS).map(|word| config.base.join(word)));
            }
        }
    }
    paths.retain(|path| is_inside(config, path) && !holds_documents(config, path));
    for path in paths.clone() {
        paths.extend(interpreter(&path).filter(|path| is_inside(config, path)));
    }
    for path in &paths {
        if path.is_dir() {
            let mut left = FILES_MAX;
            hash_folder(path, &mut left, hasher)?;
        } else {
            hash_file(path, hasher)?;
        }
    }
    Ok(())
}

/// Returns whether a path, links resolved, is in the folder of kb.toml and not the folder itself.
fn is_inside(config: &Config, path: &Path) -> bool {
    let is_below = |path: &Path, base: &Path| path != base && path.starts_with(base);
    let has_parents = path.components().any(|part| part == std::path::Component::ParentDir);
    !has_parents && is_below(path, &config.base) || is_below(&real(path), &real(&config.base))
}

/// Returns whether a folder contains documents or the knowledge base, which are not programs, and
/// change.
fn holds_documents(config: &Config, path: &Path) -> bool {
    let sources = &config.source.directory;
    let folders = sources.iter().map(|source| config.base.join(source.path.get_ref()));
    path.is_dir()
        && folders
            .chain([config.kb.clone()])
            .any(|folder| folder.starts_with(path) || path.starts_with(&folder))
}

/// Returns what the first line of a script names.
fn interpreter(path: &Path) -> impl Iterator<Item = PathBuf> {
    let mut line = Vec::new();
    let read = File::open(path)
        .and_then(|file| io::Read::take(BufReader::new(file), 256).read_until(b'\n', &mut line));
    let line = read.ok().map(|_| String::from_utf8_lossy(&line).into_owned()).unwrap_or_default();
    let named: Vec<_> = line
        .strip_prefix("#!")
        .map(|line| line.split_whitespace().map(PathBuf::from).collect())
        .unwrap_or_default();
    named.into_iter()
}

fn hash_file(path: &Path, hasher: &mut blake3::Hasher) -> io::Result<()> {
    hasher.update(b"\0").update(path.as_os_str().as_encoded_bytes()).update(b"\0");
    match path.metadata() {
        Ok(found) if found.is_file() => drop(hasher.update_reader(File::open(path)?)?),
        // Missing, or not a regular file, which could not be read twice.
        _ => {}
    }
    Ok(())
}

fn hash_folder(path: &Path, left: &mut usize, hasher: &mut blake3::Hasher) -> io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            hash_folder(&entry.path(), left, hasher)?;
        } else if *left > 0 {
            *left -= 1;
            hash_file(&entry.path(), hasher)?;
        } else {
            let found = entry.metadata()?;
            hasher.update(entry.file_name().as_encoded_bytes()).update(&found.len().to_le_bytes());
            hasher.update(&found.mtime_nsec().to_le_bytes()).update(&found.mtime().to_le_bytes());
        }
    }
    Ok(())
}
