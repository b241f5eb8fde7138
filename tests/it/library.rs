//! What programs use: the names at the top of the crate, and settings that are built in code.

use kbingest::embed::Hash;
use kbingest::{
    ArchiveConfig, Completed, Config, ConfigError, DirectoryConfig, Error, ExitCode, GitConfig,
    IngestOptions, Query, RecordsConfig, ResumeOptions, SearchConfig, SearchMode, Searcher,
    Session, Show, SourceConfig, Target, WebConfig,
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
    let said = error.to_string();
    assert!(said.starts_with("1 wrong setting: chunk: max_tokens must be 32"), "{said}");
    let target = Target::from(config.clone());
    let error =
        kbingest::resume(&target, &ResumeOptions::default(), &Session::default()).unwrap_err();
    assert_eq!(error.to_string(), said);
    config.chunk = Default::default();
    for new in [1, 0] {
        let report = ingest(&config).unwrap();
        assert_eq!(report.ended.unwrap(), Completed::UpToDate);
        assert_eq!(report.run.unwrap().metrics.documents_new, new);
    }
    let report = kbingest::search(&config.into(), &Query::new("high water")).unwrap();
    assert_eq!(report.hits[0].uri, "a.md");
}

/// A searcher may live for as long as a server does.
#[test]
fn a_searcher_reports_that_the_vectors_are_of_another_embedder_now() {
    let place = Place::new();
    place.write("a.md", "# Ferries\n\nThey leave at high water.");
    let (old, new) = (Hash::new(64), Hash::new(32));
    let ingest = |embedder| {
        let session = Session { embedder: Some(embedder), ..Session::default() };
        let options = IngestOptions::default();
        assert_eq!(kbingest::ingest(&place.config(), &options, &session).unwrap().exit_code, 0);
    };
    ingest(&old);
    let config = SearchConfig::default();
    let embedder = Box::new(Hash::new(64));
    let searcher = Searcher::open(&place.kb(), SearchMode::Vector, config, Some(embedder)).unwrap();
    let query =
        Query { show: Show { mode: SearchMode::Vector, ..Show::default() }, ..Query::new("water") };
    assert_eq!(searcher.search(&query).unwrap().len(), 1);
    ingest(&new);
    let error = searcher.search(&query).unwrap_err();
    assert!(matches!(error, Error::NoEmbedder { .. }), "{error:?}");
}
