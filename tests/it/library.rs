//! What programs use: the names at the top of the crate, and settings that are built in code.

use kbingest::{
    ArchiveConfig, Completed, Config, ConfigError, DirectoryConfig, Error, ExitCode, GitConfig,
    IngestOptions, Query, RecordsConfig, Session, SourceConfig, WebConfig,
};

use crate::support::Place;

/// Settings that are built in code have the defaults of those in kb.toml.
#[test]
fn sources_in_code_have_the_defaults_of_a_file() {
    let text = r#"
[[directory]]
name = "a"
path = "b"
[[git]]
name = "a"
url = "b"
[[archive]]
name = "a"
path = "b"
[[records]]
name = "a"
path = "b"
id = "c"
text = ["d"]
[[web]]
name = "a"
start_urls = ["https://b.example/"]
"#;
    let file: SourceConfig = toml::from_str(text).unwrap();
    let code = SourceConfig {
        directory: vec![DirectoryConfig::new("a", "b")],
        git: vec![GitConfig::new("a", "b")],
        archive: vec![ArchiveConfig::new("a", "b")],
        records: vec![RecordsConfig::new("a", "b", "c", vec!["d".to_owned()])],
        web: vec![WebConfig::new("a", "https://b.example/")],
    };
    let without_places = |config: &SourceConfig| {
        let mut shown = format!("{config:?}");
        while let Some(start) = shown.find(", span: ") {
            let end = shown[start..].find(" }").unwrap() + start;
            shown.replace_range(start..end, "");
        }
        shown
    };
    assert_eq!(without_places(&code), without_places(&file));
}

#[test]
fn a_config_in_code_is_checked_and_ingested() {
    let place = Place::new();
    place.write("a.md", "# Ferries\n\nThey leave at high water.");
    let mut config = Config::new(place.path("code.kb"));
    config.source.directory.push(DirectoryConfig::new("docs", place.docs()));
    config.chunk.max_tokens = 1;
    let ingest =
        |config: &Config| kbingest::ingest(config, &IngestOptions::default(), &Session::default());
    let error = ingest(&config).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::Usage);
    assert!(matches!(error, Error::Config(ConfigError::Wrong { .. })), "{error:?}");
    config.chunk = Default::default();
    for new in [1, 0] {
        let report = ingest(&config).unwrap();
        assert_eq!(report.ended.unwrap(), Completed::UpToDate);
        assert_eq!(report.run.unwrap().metrics.documents_new, new);
    }
    let report = kbingest::search(&config.into(), &Query::new("high water")).unwrap();
    assert_eq!(report.hits[0].uri, "a.md");
}
