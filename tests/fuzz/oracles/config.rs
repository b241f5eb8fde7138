//! kb.toml: loaded, or refused with the place of each problem.

use kbingest::config::{Config, ConfigError};

/// Loads `data` as a kb.toml.
pub fn config_is_told(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("kb.toml");
    std::fs::write(&path, data).expect("a temporary file");
    for result in [Config::load(&path), Config::load_without_sources(&path)] {
        match result {
            Ok(config) => assert!(!config.source.tables(None).is_empty(), "{config:?}"),
            Err(ConfigError::Wrong { text, problems, .. }) => {
                assert!(!problems.is_empty());
                for problem in problems {
                    assert!(!problem.message.is_empty() && problem.span.end <= text.len());
                    let (line, column) = problem.position(&text);
                    assert!(line <= text.split('\n').count() && column > 0, "{problem:?}");
                }
            }
            Err(error @ (ConfigError::Untrusted { .. } | ConfigError::Register { .. })) => {
                panic!("nothing is run: {error}")
            }
            Err(error @ ConfigError::Unreadable { .. }) => {
                assert!(std::str::from_utf8(data).is_err(), "{error}");
            }
        }
    }
}
