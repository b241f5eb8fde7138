//! Which kb.toml a knowledge base belongs to. A run deletes what its sources no longer have: with
//! the kb.toml of another knowledge base that would be every document.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::config::Config;
use crate::error::Error;
use crate::kb::Reader;

/// Returns the path of `config`'s kb.toml relative to the folder of its knowledge base, so that
/// both may be moved together; empty if the settings were made in code.
pub fn config_path(config: &Config) -> String {
    let Some(name) = config.path.file_name() else { return String::new() };
    let folder = real(config.kb.parent().unwrap_or(&config.base));
    relative(&folder, &real(&config.base)).join(name).to_string_lossy().into_owned()
}

/// Fails if another kb.toml builds the knowledge base of `config`: the last run was of that file,
/// which still exists, or may, and still names this knowledge base.
pub fn refuse_other_config(kb: &Reader, config: &Config) -> Result<(), Error> {
    let current = config_path(config);
    let Some(known) = kb.last_config_path()?.filter(|known| *known != current) else {
        return Ok(());
    };
    let known = place(&config.kb).parent().unwrap_or(&config.base).join(known);
    // Without its folder it may be on a disk that is not mounted.
    let may_exist = known.is_file() || !known.parent().is_some_and(Path::is_dir);
    let is_another = may_exist && !is_same_file(&known, &config.path);
    if current.is_empty() || !is_another {
        return Ok(());
    }
    let names_another = Config::load_without_sources(&known)
        .is_ok_and(|other| place(&other.kb) != place(&config.kb));
    if names_another {
        return Ok(());
    }
    Err(Error::OtherConfig {
        kb: config.kb.clone(),
        known: place(&known),
        config: config.path.clone(),
    })
}

/// Fails if a kb.toml that is not allowed names a knowledge base outside of its folder with none of
/// its sources: a run would delete somebody else's documents.
pub fn refuse_to_empty(kb: &Reader, config: &Config) -> Result<(), Error> {
    let held = kb.source_names()?;
    let tables = config.source.tables(None);
    let is_known = |held: &String| tables.iter().any(|(_, name, _)| name.get_ref() == held);
    if config.is_trusted || held.is_empty() || held.iter().any(is_known) || !config.kb_is_outside()
    {
        return Ok(());
    }
    Err(Error::OtherSources { config: config.path.clone(), kb: config.kb.clone(), held })
}

/// Returns the path of a file that need not exist, the links above it resolved.
fn place(file: &Path) -> PathBuf {
    match (file.parent(), file.file_name()) {
        (Some(folder), Some(name)) => real(folder).join(name),
        _ => file.to_owned(),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino()));
    matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}

fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Returns the path that leads from the folder `from` to `to`; both are absolute, without links.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_from_one_folder_to_the_other() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(expected));
        };
        check("/srv/kb", "/srv/kb", "");
        check("/srv/kb", "/srv", "..");
        check("/srv", "/srv/kb", "kb");
        check("/srv/kb/a", "/srv/etc", "../../etc");
        check("/", "/srv", "srv");
        check("/srv", "/", "..");
    }
}
