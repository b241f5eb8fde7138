//! Searches with a model behind a server, which may be down.

use std::fs;

use kbingest::error::Error;
use kbingest::error::ExitCode;
use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, EvalOptions, Gate, SearchReport, Target};

use super::server::{Answer, ModelServer, PROBE};
use super::{error, other_model, place};
use crate::support::Place;

fn search(place: &Place, mode: SearchMode) -> Result<SearchReport, Error> {
    let show = Show { mode, ..Show::default() };
    let query = Query { show, ..Query::new("word3 river") };
    operations::search(&Target::from(place.config()), &query)
}

#[test]
fn queries_have_their_own_prefix_and_fields() {
    let model = ModelServer::start();
    let place = place(&model, "query_prefix = 'query: '\nquery_fields = { input_type = 'query' }");
    place.ingest();
    model.take();
    let report = search(&place, SearchMode::Hybrid).unwrap();
    assert_eq!((report.mode, report.warning), (SearchMode::Hybrid, None));
    assert!(!report.hits.is_empty());
    let requests = model.take();
    let sent: Vec<_> = requests.iter().map(|(request, _)| request.texts[0].as_str()).collect();
    assert!(sent[0].starts_with(PROBE) && sent[1..] == ["query: word3 river"], "{sent:?}");
    assert_eq!(requests[1].0.body["input_type"], "query");
}

#[test]
fn a_search_with_the_server_down_uses_words_and_says_so() {
    let model = ModelServer::start();
    let place = place(&model, "timeout = 1");
    place.ingest();
    let by_words = search(&place, SearchMode::Text).unwrap();
    fs::write(
        place.path("q.jsonl"),
        r#"{"id": "1", "query": "word3", "relevant": [{"path": "3.md"}]}"#,
    )
    .unwrap();
    let options = EvalOptions {
        queries: place.path("q.jsonl"),
        modes: Vec::new(),
        details: false,
        gate: Gate::default(),
    };
    let eval = || operations::eval(&Target::from(place.config()), &options);
    for (answer, code) in [
        (error(503, "down"), ExitCode::EmbedderUnavailable),
        (error(401, "who?"), ExitCode::EmbedderRefuses),
        (Answer::Changed(other_model), ExitCode::EmbedderRefuses),
    ] {
        model.answer(move |_, _| answer.clone());
        let report = search(&place, SearchMode::Hybrid).unwrap();
        assert_eq!(report.mode, SearchMode::Text);
        let warning = report.warning.unwrap().to_string();
        assert!(
            warning.starts_with("embedder test ") && warning.ends_with(": full-text search only"),
            "{warning}"
        );
        let uris = |report: &[kbingest::kb::Hit]| {
            report.iter().map(|hit| hit.uri.clone()).collect::<Vec<_>>()
        };
        assert_eq!(uris(&report.hits), uris(&by_words.hits));
        assert_eq!(search(&place, SearchMode::Vector).unwrap_err().exit_code(), code);
        // A measure of words only would count as one of hybrid search.
        assert_eq!(eval().unwrap_err().exit_code(), code);
    }
    model.answer(|_, _| Answer::Right);
    assert_eq!(eval().unwrap().modes.len(), 3);
}
