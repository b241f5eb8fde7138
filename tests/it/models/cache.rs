//! Never twice: vectors are found again by other documents, runs and knowledge bases, and a kill
//! costs at most the calls in flight.

use std::fs;
use std::process::Stdio;

use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, Target};
use serde_json::Value;

use super::server::{Answer, ModelServer};
use super::{error, healthy, place};
use crate::support::{
    Draw, Place, assert_same, assert_sound, dump, from_environment, ingest, markdown, program,
    remove_kb,
};
use crate::wait::{end_of, output_of, wait_until};

/// Ingests into `kb`; returns its dump and the number of texts that were sent.
fn ingest_into(model: &ModelServer, place: &Place, kb: &str) -> (String, usize) {
    model.take();
    let config = place.config_into(kb);
    let report = ingest(&config, None);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_sound(&config.kb);
    (dump(&config.kb), model.take_texts().len())
}

#[test]
fn vectors_are_found_across_documents_and_knowledge_bases() {
    let model = ModelServer::start();
    let place = place(&model, "");
    place.reconfigure("cache = ''", "cache = 'shared.vectors'");
    let (first, sent) = ingest_into(&model, &place, "kb.kb");
    assert!(sent > 20);
    // A copy of a text is the same text.
    let copy = fs::read(place.docs().join("3.md")).unwrap();
    place.write("copy.md", &copy);
    place.rename("5.md", "five.md");
    fs::create_dir(place.docs().join("moved")).unwrap();
    place.rename("6.md", "moved/6.md");
    assert_eq!(ingest_into(&model, &place, "kb.kb").1, 0, "renamed, moved and copied");
    place.rename("five.md", "5.md");
    place.rename("moved/6.md", "6.md");
    place.remove("copy.md");
    assert_eq!(ingest_into(&model, &place, "second.kb"), (first.clone(), 0));
    // Without a server, too.
    model.answer(|_, _| error(503, "down"));
    remove_kb(&place.kb());
    assert_eq!(ingest_into(&model, &place, "kb.kb"), (first.clone(), 0));
    assert_eq!(model.count(), 0);
    model.answer(|_, _| Answer::Right);
    // It may be deleted at any time.
    remove_kb(&place.path("shared.vectors"));
    assert_eq!(ingest_into(&model, &place, "third.kb"), (first, sent));
    // Other vectors are other vectors.
    place.reconfigure("dim =", "document_fields = { a = 1 }\ndim =");
    assert_eq!(ingest_into(&model, &place, "third.kb").1, sent);
}

#[test]
fn the_file_is_beside_the_knowledge_base_unless_none_is_wanted() {
    let model = ModelServer::start();
    let place = place(&model, "");
    place.reconfigure("cache = ''\n", "");
    let sent = ingest_into(&model, &place, "kb.kb").1;
    assert!(place.path("kb.kb.vectors").exists());
    // It is no document of a source that contains it.
    place.reconfigure("path = 'docs'", "path = '.'\nhidden = true\nexclude = ['.cache']");
    let uris = |place: &Place| place.dump().matches("document \"docs\"").count();
    place.ingest();
    assert_eq!(uris(&place), 9, "eight documents and kb.toml: {}", place.dump());
    place.reconfigure("path = '.'\nhidden = true\nexclude = ['.cache']", "path = 'docs'");
    place.reconfigure("[embed]\n", "[embed]\ncache = ''\n");
    fs::remove_file(place.path("kb.kb.vectors")).unwrap();
    assert_eq!(ingest_into(&model, &place, "none.kb").1, sent);
    assert!(!place.path("none.kb.vectors").exists());
}

#[test]
fn a_cache_that_fails_costs_no_run() {
    let model = ModelServer::start();
    let place = place(&model, "");
    place.reconfigure("cache = ''\n", "");
    let expected = healthy(&model, &place).0;
    for what in
        ["not a database at all, and longer than the header of one: ".repeat(4), String::new()]
    {
        fs::write(place.path("kb.kb.vectors"), &what).unwrap();
        remove_kb(&place.kb());
        place.ingest();
        assert_same(&place.dump(), &expected, "with a cache");
        if !what.is_empty() {
            assert_eq!(fs::read_to_string(place.path("kb.kb.vectors")).unwrap(), what);
        }
    }
}

#[test]
fn queries_are_kept_too() {
    let model = ModelServer::start();
    let place = place(&model, "");
    place.reconfigure("cache = ''\n", "");
    place.ingest();
    let search = |text: &str| {
        let query = Query {
            show: Show { mode: SearchMode::Vector, ..Show::default() },
            ..Query::new(text)
        };
        operations::search(&Target::from(place.config()), &query).map(|report| report.hits)
    };
    let before = search("word3 river").unwrap();
    model.take();
    model.answer(|_, _| error(503, "down"));
    assert_eq!(search("word3 river").unwrap(), before);
    assert_eq!(model.count(), 0);
    assert!(search("another question").is_err());
}

fn run(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program();
    command.args(arguments).current_dir(place.path("")).env("XDG_CACHE_HOME", place.path("caches"));
    let output = output_of(&mut command, "kbingest");
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn the_cache_is_shown_and_pruned() {
    let model = ModelServer::start();
    let place = place(&model, "");
    place.reconfigure("cache = ''\n", "");
    let sent = ingest_into(&model, &place, "kb.kb").1;
    let stats = |arguments: &[&str]| -> Value {
        let (code, said) = run(&place, arguments);
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str(&said).unwrap()
    };
    let report = stats(&["cache", "stats", "--json"]);
    assert_eq!((&report["schema"], &report["deleted"]), (&1.into(), &0.into()));
    assert_eq!(report["statistics"]["vectors"], sent);
    let fingerprint = report["statistics"]["models"][0]["fingerprint"].as_str().unwrap();
    assert!(fingerprint.starts_with("http-openai@1:model=test,dim=16,"), "{fingerprint}");
    assert_eq!(stats(&["cache", "prune", "--json"])["deleted"], 0);
    assert_eq!(stats(&["cache", "prune", "--days", "0", "--json"])["deleted"], sent);
    let (code, said) = run(&place, &["cache", "stats"]);
    assert!(code == Some(0) && said.contains("0 vectors"), "{said}");
}

#[test]
fn builds_share_a_cache_at_the_same_time() {
    let model = ModelServer::start();
    let place = place(&model, "max_batch_texts = 2");
    place.reconfigure("cache = ''", "cache = 'shared.vectors'");
    let expected = healthy(&model, &place).0;
    remove_kb(&place.path("shared.vectors"));
    let settings = fs::read_to_string(place.toml()).unwrap();
    let names = ["a", "b", "c"];
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let toml = place.path(&format!("{name}.toml"));
            fs::write(&toml, settings.replace("kb.kb", &format!("{name}.kb"))).unwrap();
            let mut command = program();
            command
                .arg("ingest")
                .arg("--trust")
                .arg(toml)
                .env("XDG_CACHE_HOME", place.path("caches"));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert_eq!(end_of(&mut child, "a build").code(), Some(0));
    }
    for name in names {
        assert_same(&dump(&place.path(&format!("{name}.kb"))), &expected, name);
    }
}

/// `kill -9` again and again: what was paid for more than once was in flight then.
#[test]
fn a_kill_costs_at_most_the_calls_in_flight() {
    const CONCURRENCY: usize = 3;
    const BATCH: usize = 4;
    let kills = from_environment("KBINGEST_PAID_KILLS").unwrap_or(20) as usize;
    let model = ModelServer::start();
    let place = Place::in_memory();
    place.configure(
        &model.settings(&format!("concurrency = {CONCURRENCY}\nmax_batch_texts = {BATCH}")),
    );
    place.reconfigure("cache = ''\n", "");
    for number in 0..2 * kills.max(10) as u64 {
        place.write(&format!("{number}.md"), markdown(number, 12, &format!("word{number}")));
    }
    let (expected, mut distinct) = healthy(&model, &place);
    distinct.dedup();
    remove_kb(&place.path("healthy.kb.vectors"));
    model.take();
    let mut draw = Draw::new(20);
    let mut killed = 0;
    let mut command = program();
    command.args(["ingest", "--trust", "--quiet"]).current_dir(place.path(""));
    command.env("XDG_CACHE_HOME", place.path("caches")).stdout(Stdio::null()).stderr(Stdio::null());
    while killed < kills {
        let before = model.count();
        let until = before + 2 + draw.below(8);
        let mut child = command.spawn().unwrap();
        let mut ended = None;
        wait_until("requests", || {
            ended = child.try_wait().unwrap();
            ended.is_some() || model.count() >= until
        });
        if ended.is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    assert!(killed >= kills / 2, "only {killed} kills");
    let mut child = command.spawn().unwrap();
    assert_eq!(end_of(&mut child, "the last run").code(), Some(0));
    assert_sound(&place.kb());
    assert_same(&place.dump(), &expected, "an undisturbed run");
    let paid = model.take_texts().len();
    let most = distinct.len() + killed * CONCURRENCY * BATCH;
    println!("{killed} kills: {paid} texts paid, {} distinct", distinct.len());
    assert!(paid <= most, "{paid} texts were paid for, at most {most}");
    assert!(paid as f64 / distinct.len() as f64 <= 1.0 + CONCURRENCY as f64);
}
