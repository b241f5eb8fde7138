//! The file under a server: replaced, removed, and written by runs.

use std::fs;

use serde_json::json;

use super::client::Client;
use super::harbour;
use crate::support::{assert_sound, ingest, remove_kb};

#[test]
fn a_run_beside_it_is_not_blocked_and_is_seen() {
    let place = harbour();
    let mut client = Client::of(&[&place.toml()]);
    let pilot = json!({"query": "helicopter", "mode": "text"});
    assert!(client.found(&pilot).is_empty());
    for number in 0..3 {
        let name = format!("new{number}.md");
        place.write(&name, "# Helicopter\n\nThe pilot comes by helicopter.\n");
        let report = ingest(&place.config(), None);
        assert_eq!(report.exit_code, 0, "{report:?}");
        assert_sound(&place.kb());
        assert_eq!(client.found(&pilot).len(), 1);
        place.remove(&name);
        assert_eq!(ingest(&place.config(), None).exit_code, 0);
        assert!(client.found(&pilot).is_empty());
    }
}

#[test]
fn a_model_that_changed_is_noticed() {
    let place = harbour();
    let mut client = Client::of(&[&place.kb()]);
    let query = json!({"query": "ships wait for the pilot", "mode": "vector", "k": 1});
    assert_eq!(client.found(&query), ["pilots.md"]);
    place.reconfigure("dim = 64", "dim = 96");
    ingest(&place.config(), None);
    assert_eq!(client.found(&query), ["pilots.md"]);
}

#[test]
fn another_file_at_its_path_is_opened() {
    let place = harbour();
    let mut client = Client::of(&[&place.kb()]);
    let query = json!({"query": "lighthouse", "mode": "text"});
    assert!(client.found(&query).is_empty());
    place.write("light.md", "# Lighthouse\n\nThe lighthouse burns at night.\n");
    let next = place.config_into("next.kb");
    for _ in 0..3 {
        ingest(&next, None);
        fs::rename(&next.kb, place.kb()).unwrap();
        assert_eq!(client.found(&query), ["light.md"]);
        remove_kb(&next.kb);
    }
}

#[test]
fn a_file_that_is_gone_is_an_error_until_it_is_back() {
    let place = harbour();
    let mut client = Client::of(&[&place.kb()]);
    let query = json!({"query": "pilot", "k": 1});
    assert_eq!(client.found(&query), ["pilots.md"]);
    let away = place.path("away.kb");
    fs::rename(place.kb(), &away).unwrap();
    let (code, message) = client.refusal("search", &query);
    assert_eq!(code, "unavailable", "{message}");
    fs::write(place.kb(), "no knowledge base").unwrap();
    assert_eq!(client.refusal("search", &query).0, "unavailable");
    fs::rename(&away, place.kb()).unwrap();
    assert_eq!(client.found(&query), ["pilots.md"]);
}
