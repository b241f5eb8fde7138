//! The plans of every statement of a run, and of what reads its result: they are the same whatever
//! the statistics of the file say, and read no growing table from end to end.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::*;
use crate::kb::plans::{plans, scans};
use crate::kb::recorded::{RECORDED_NAME, take_recorded};
use crate::kb::{Filter, Query, SearchMode, Show};
use crate::support::checkpoint::Checkpoint;

fn settings(port: u16, max_tokens: u32) -> String {
    format!(
        "[kb]\npath = '{RECORDED_NAME}'\n[[source.directory]]\nname = 'docs'\npath = 'docs'\n\
         [[source.web]]\nname = 'site'\nstart_urls = ['http:{}127.0.0.1:{port}/']\nrequests_per_second = 100\n\
         private_hosts = ['127.0.0.1']\n[chunk]\nmax_tokens = {max_tokens}\n[embed.hash]\ndim = 16\n",
        "//"
    )
}

/// A site of a few pages that lead to each other.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            for line in lines.by_ref() {
                if line.is_ok_and(|line| line.is_empty()) {
                    break;
                }
            }
            let path = request.split(' ').nth(1).unwrap().to_owned();
            let (status, body) = match path.as_str() {
                "/" | "/1" | "/2" => (
                    "200 OK",
                    format!(
                        "<html><body><h1>{path}</h1><p>Page {path} of the ferry.</p><a href='/1'>1</a><a href='/2'>2</a><a href='/gone'>3</a></body></html>"
                    ),
                ),
                _ => ("404 Not Found", String::new()),
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}

struct Scenario {
    folder: tempfile::TempDir,
    port: u16,
}

impl Scenario {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, number: u32, words: &str) {
        let sections = (0..4).map(|section| format!("## Part {section}\n\n{words} {section}\n\n"));
        let text = format!("# Document {number}\n\n{}", sections.collect::<String>());
        std::fs::write(self.path(&format!("docs/{number}.md")), text).unwrap();
    }

    fn config(&self, max_tokens: u32) -> Config {
        let path = self.path("kb.toml");
        std::fs::write(&path, settings(self.port, max_tokens)).unwrap();
        let config = Config::load(&path).unwrap();
        Config { is_trusted: true, cache: Some(self.path("cache")), ..config }
    }

    fn ingest(&self, max_tokens: u32, options: &IngestOptions) {
        let report = ingest(&self.config(max_tokens), options, &Session::default()).unwrap();
        assert!(matches!(report.exit_code, 0 | 3), "{report:?}");
    }
}

/// Does everything that runs statements on a knowledge base.
fn run_everything(scenario: &Scenario) {
    let options = IngestOptions::default();
    for number in 0..20 {
        scenario.write(number, "The ferry crosses the harbour");
    }
    std::fs::write(scenario.path("docs/broken.md"), b"\xff\xfe\x00\x01\x02\x00\x00\xff").unwrap();
    // Stopped at some points, and resumed.
    for (checkpoint, visit) in [(Checkpoint::AfterSave, 1), (Checkpoint::BeforeBatch, 3)] {
        let visits = std::sync::atomic::AtomicU64::new(0);
        let hook = move |at: Checkpoint, stop: &StopSignal| {
            let count =
                visits.fetch_add(u64::from(at == checkpoint), std::sync::atomic::Ordering::SeqCst);
            if at == checkpoint && count + 1 == visit {
                stop.request();
            }
        };
        let session = Session { hook: Some(&hook), ..Session::default() };
        ingest(&scenario.config(64), &options, &session).unwrap();
    }
    let target = Target::Config(Box::new(scenario.config(64)));
    resume(&target, &ResumeOptions::default(), &Session::default()).unwrap();
    scenario.ingest(64, &options);
    scenario.write(3, "Another text about lanterns");
    scenario.write(4, "Another text about lanterns");
    std::fs::rename(scenario.path("docs/5.md"), scenario.path("docs/moved.md")).unwrap();
    std::fs::remove_file(scenario.path("docs/6.md")).unwrap();
    scenario.ingest(64, &options);
    // Other settings, then everything again.
    scenario.ingest(32, &IngestOptions { retry_failed: true, ..options });
    scenario.ingest(32, &IngestOptions { restart: true, ..IngestOptions::default() });
    let _ = cancel(&target, std::time::Duration::ZERO);
}

/// Checks the result, which reads all of it.
fn check_everything(scenario: &Scenario) {
    let file = Target::File(scenario.path(RECORDED_NAME));
    for read_data in [false, true] {
        check(&file, CheckOptions { read_data, repair: false }).unwrap();
    }
}

/// Looks into the result in every way.
fn look_everywhere(target: &Target) {
    let goes_on = || Ok(std::ops::ControlFlow::Continue(()));
    list(target, &Filter::default(), &mut |_| goes_on()).unwrap();
    for unit in [ExportUnit::Documents, ExportUnit::Chunks { vectors: true }] {
        export(target, &Filter::default(), unit, &mut |_| goes_on()).unwrap();
    }
    get(target, "docs:1.md:1-3").unwrap();
    get(target, "1.md").unwrap();
    get(target, "missing.md").unwrap_err();
    similar(target, "1.md", 3).unwrap();
    runs(target, 10).unwrap();
    diff(target, None).unwrap();
    diff(target, Some(crate::domain::RunId(1))).unwrap();
    diff_since(target, target.kb()).unwrap();
    stats(target).unwrap();
    analyze(target, "\"no such phrase\" ferry", false).unwrap();
}

/// Searches the result in every way.
fn read_everything(scenario: &Scenario) {
    status(&Target::File(scenario.path(RECORDED_NAME))).unwrap();
    std::fs::write(
        scenario.path("queries.jsonl"),
        "{\"id\": 1, \"query\": \"ferry\", \"relevant\": [{\"uri\": \"1.md\"}]}\n",
    )
    .unwrap();
    let options = EvalOptions {
        queries: scenario.path("queries.jsonl"),
        modes: Vec::new(),
        details: true,
        gate: Gate::default(),
    };
    let target = Target::Config(Box::new(scenario.config(32)));
    eval(&target, &options).unwrap();
    look_everywhere(&target);
    let filters = [
        Filter::default(),
        Filter { source: Some("docs".to_owned()), ..Filter::default() },
        Filter { uris: vec!["*.md".parse().unwrap()], ..Filter::default() },
        Filter {
            metadata: vec![("kind".to_owned(), "x".to_owned())],
            after: Some("2020-01-01".parse().unwrap()),
            before: Some("2030-01-01".parse().unwrap()),
            ..Filter::default()
        },
    ];
    for mode in SearchMode::ALL {
        for filter in &filters {
            for (folds, context, explains) in [(true, 1, true), (false, 0, false)] {
                for text in [
                    "ferry",
                    "\"ferry crosses\" -lanterns",
                    "ferr*",
                    "path:3 harbour",
                    "title:document",
                    "lang:en ferry",
                    "hrabour",
                ] {
                    let show = Show { mode, folds, context, explains, ..Show::default() };
                    let query = Query { filter: filter.clone(), show, ..Query::new(text) };
                    search(&target, &query).unwrap();
                }
            }
        }
    }
}

#[test]
fn plans_are_the_same_for_every_statistic_and_scan_nothing_that_grows() {
    let scenario = Scenario { folder: tempfile::tempdir().unwrap(), port: serve() };
    std::fs::create_dir(scenario.path("docs")).unwrap();
    run_everything(&scenario);
    let of_runs = take_recorded();
    read_everything(&scenario);
    let of_readers = take_recorded();
    check_everything(&scenario);
    let of_checks = take_recorded();
    assert!(of_runs.len() > 100 && of_readers.len() > 20 && of_checks.len() > 20);
    let kb = scenario.path("plans.kb");
    std::fs::copy(scenario.path(RECORDED_NAME), &kb).unwrap();
    let all = [&of_runs, &of_readers, &of_checks].into_iter().flatten().cloned().collect();
    let [without, _] = plans(&kb, None, &all).unwrap();
    for rows in [None, Some(1), Some(1_000_000)] {
        for (plans, whose) in plans(&kb, rows, &all).unwrap().iter().zip(["a run", "a reader"]) {
            for (sql, steps) in plans {
                assert_eq!(without[sql], *steps, "{whose}, {rows:?} rows: {sql}");
            }
        }
    }
    // A check reads everything, by design.
    let expected = of_runs.union(&of_readers).cloned().collect();
    let [plans, _] = plans(&kb, None, &expected).unwrap();
    let (scanning, unused) = scans(&plans);
    assert!(scanning.is_empty(), "{} scan:\n{}", scanning.len(), scanning.join("\n"));
    assert!(unused.is_empty(), "no longer needed: {unused:?}");
}
