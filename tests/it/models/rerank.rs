//! `[search.rerank.http]`: a reranker behind a server that fails in every way a server can. What
//! fails is a warning, and the order of the search stays.

use std::fs;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::json_reply;
use crate::support::{Place, SETTINGS, program};
use crate::wait::output_of;
use crate::web::server::{Asked, Reply, Server};

const KEY: &str = "hush-4711-secret";
const COUNT: usize = 8;

/// An answer.
#[derive(Clone, Debug)]
enum Answer {
    /// The right one: a text with `word7` scores 7.
    Right,
    /// The right one, changed.
    Changed(fn(&mut Value)),
    Other(Reply),
}

type Script = dyn Fn(usize) -> Answer + Send + Sync;

/// A reranker on loopback, whose requests are recorded.
struct Reranker {
    server: Server,
    requests: Arc<Mutex<Vec<(Asked, Value)>>>,
    script: Arc<Mutex<Box<Script>>>,
}

impl Reranker {
    fn start() -> Self {
        let server = Server::start();
        let requests: Arc<Mutex<Vec<(Asked, Value)>>> = Arc::default();
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(|_| Answer::Right)));
        let (known, decide) = (Arc::clone(&requests), Arc::clone(&script));
        server.handle(move |asked, _| {
            let body: Value = serde_json::from_slice(&asked.body).ok()?;
            let number = {
                let mut known = known.lock().unwrap();
                known.push((asked.clone(), body.clone()));
                known.len() - 1
            };
            let mut right = right(&body);
            Some(match decide.lock().unwrap()(number) {
                Answer::Right => json_reply(200, &right),
                Answer::Changed(change) => {
                    change(&mut right);
                    json_reply(200, &right)
                }
                Answer::Other(reply) => reply,
            })
        });
        Self { server, requests, script }
    }

    /// Answers as `script` says from now on; it gets the number of requests since then.
    fn answer(&self, script: impl Fn(usize) -> Answer + Send + Sync + 'static) {
        self.take();
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn take(&self) -> Vec<(Asked, Value)> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

fn texts(body: &Value) -> Vec<String> {
    let texts = if body["texts"].is_null() { &body["documents"] } else { &body["texts"] };
    serde_json::from_value(texts.clone()).unwrap()
}

/// The best is last in the list, as its order does not matter.
fn right(body: &Value) -> Value {
    let score = |text: &str| {
        let number = text.split("word").nth(1).unwrap();
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        number[..digits].parse::<f64>().unwrap()
    };
    let scores = texts(body).iter().map(|text| score(text)).enumerate().collect::<Vec<_>>();
    let name = if body["texts"].is_null() { "relevance_score" } else { "score" };
    let mut list: Vec<_> =
        scores.iter().map(|(index, score)| json!({ "index": index, name: score })).collect();
    list.sort_by(|a, b| a[name].as_f64().unwrap().total_cmp(&b[name].as_f64().unwrap()));
    if body["texts"].is_null() { json!({ "results": list }) } else { list.into() }
}

/// A knowledge base of eight documents that a search for "harbour" finds in order.
fn place(reranker: &Reranker, keys: &str) -> Place {
    let place = Place::new();
    configure(&place, &reranker.server.url(""), keys);
    for number in 0..COUNT {
        let text = format!("# Pier {number}\n\nThe harbour of word{number} is open.\n");
        place.write(&format!("{number}.md"), text);
    }
    ran(&place, 0, &["ingest", "--trust", "-q"]);
    place
}

fn configure(place: &Place, url: &str, keys: &str) {
    let (of_rerank, of_server) = keys.split_once("--").unwrap_or(("", keys));
    place.configure(&format!(
        "{SETTINGS}[search.rerank]\n{of_rerank}\n[search.rerank.http]\nurl = '{url}'\nmodel = 'test'\n{of_server}\n"
    ));
}

/// Runs the program, which must exit with `code`; returns its stdout and stderr.
fn ran(place: &Place, code: i32, arguments: &[&str]) -> (String, String) {
    let mut command = program();
    command.args(arguments).current_dir(place.path("")).env("TEST_KEY", KEY);
    command.env("XDG_STATE_HOME", place.path("state")).env("XDG_CACHE_HOME", place.path("caches"));
    command.env_remove("KBINGEST_TRUST");
    let Output { status, stdout, stderr } = output_of(&mut command, "kbingest");
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(status.code(), Some(code), "{arguments:?}: {stderr}");
    (stdout, stderr)
}

fn searched(place: &Place, more: &[&str]) -> Value {
    let all = ["search", "kb.toml", "harbour", "--trust", "--json", "--mode", "text", "-k", "20"];
    let (stdout, _) = ran(place, 0, &[&all, more].concat());
    serde_json::from_str(&stdout).unwrap()
}

fn uris(report: &Value) -> Vec<&str> {
    report["hits"].as_array().unwrap().iter().map(|hit| hit["uri"].as_str().unwrap()).collect()
}

const UPWARDS: [&str; COUNT] = ["0.md", "1.md", "2.md", "3.md", "4.md", "5.md", "6.md", "7.md"];
const DOWNWARDS: [&str; COUNT] = ["7.md", "6.md", "5.md", "4.md", "3.md", "2.md", "1.md", "0.md"];
/// Scores are not kept, so that each search asks again.
const FORGETFUL: &str = "[embed]\ncache = ''";

fn forget(place: &Place) {
    place.reconfigure("[embed.hash]", &format!("{FORGETFUL}\n[embed.hash]"));
}

#[test]
fn the_best_are_reordered() {
    for (api, path, field, limit) in [
        ("jina", "/v1/rerank", "documents", json!({ "top_n": 8, "return_documents": false })),
        ("cohere", "/v2/rerank", "documents", json!({ "top_n": 8 })),
        ("voyage", "/v1/rerank", "documents", json!({ "top_k": 8 })),
        ("tei", "/rerank", "texts", json!({ "truncate": true })),
    ] {
        let reranker = Reranker::start();
        let place = place(&reranker, &format!("api = '{api}'\nrequest_fields = {{ user = 'x' }}"));
        let report = searched(&place, &[]);
        assert_eq!(uris(&report), DOWNWARDS, "{api}");
        assert_eq!((&report["reranked"], &report["warnings"]), (&json!(true), &json!([])));
        assert_eq!(report["hits"][0]["rerank_score"], 7.0);
        let [(asked, body)] = &reranker.take()[..] else { panic!("{api}: one request") };
        assert_eq!(asked.path, path);
        let mut sent = vec!["Pier 0\n# Pier 0\n\nThe harbour of word0 is open.".to_owned(); COUNT];
        for (number, text) in sent.iter_mut().enumerate() {
            *text = text.replace('0', &number.to_string());
        }
        let mut found = texts(body);
        found.iter_mut().for_each(|text| *text = text.trim_end().to_owned());
        assert_eq!(found, sent);
        let mut expected = json!({ "model": "test", "query": "harbour", "user": "x" });
        expected[field] = body[field].clone();
        expected.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
        assert_eq!(body, &expected);
        assert!(!asked.headers.contains_key("authorization"));

        let kept = searched(&place, &["--no-rerank"]);
        assert_eq!(uris(&kept), UPWARDS);
        assert_eq!(
            (&kept["reranked"], &kept["hits"][0]["rerank_score"]),
            (&json!(false), &Value::Null)
        );
        assert!(reranker.take().is_empty());
    }
}

#[test]
fn only_the_candidates_are_read_and_the_best_of_them_is_shown() {
    let reranker = Reranker::start();
    let place = place(&reranker, "candidates = 3--");
    let order = ["2.md", "1.md", "0.md", "3.md", "4.md", "5.md", "6.md", "7.md"];
    assert_eq!(uris(&searched(&place, &[])), order);
    assert_eq!(texts(&reranker.take()[0].1).len(), 3);
    let (stdout, stderr) =
        ran(&place, 0, &["search", "harbour", "--trust", "-k", "1", "--mode", "text"]);
    assert!(stdout.contains("docs:2.md") && stdout.contains("reranked 2.000"), "{stdout}");
    assert_eq!(stderr, "");
}

#[test]
fn documents_that_a_run_replaces_meanwhile_are_found_as_they_were() {
    let reranker = Reranker::start();
    let place = place(&reranker, "");
    let folder = place.path("");
    reranker.answer(move |_| {
        for number in 0..COUNT {
            let text = format!("# Pier {number}\n\nThe quay of word{number} is closed.\n");
            fs::write(folder.join(format!("docs/{number}.md")), text).unwrap();
        }
        let mut ingest = program();
        ingest.args(["ingest", "--trust", "-q"]).current_dir(&folder);
        ingest.env("XDG_STATE_HOME", folder.join("state"));
        ingest.env("XDG_CACHE_HOME", folder.join("caches"));
        let output = output_of(&mut ingest, "kbingest");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        Answer::Right
    });
    let report = searched(&place, &[]);
    assert_eq!(uris(&report), DOWNWARDS);
    assert!(report["hits"][0]["text"].as_str().unwrap().contains("The harbour of word7"));
    assert!(uris(&searched(&place, &[])).is_empty());
}

fn status(status: u16, message: &str) -> Answer {
    Answer::Other(json_reply(status, &json!({ "error": { "message": message } })))
}

type Faults = Vec<(Answer, &'static str)>;

/// Refusals, silence, and bodies that are no answer, each with words of its warning.
fn broken_answers() -> Faults {
    let other = |body: &str| Answer::Other(Reply::new(200, "application/json", body));
    let half = Reply { length: Some(10_000), ..json_reply(200, &json!({ "results": [] })) };
    let silent = Reply { is_silent: true, ..Reply::new(200, "text/plain", "") };
    let endless =
        Reply { is_endless: true, ..Reply::new(200, "application/json", " ".repeat(1 << 20)) };
    vec![
        (status(500, "oops"), "is unavailable: "),
        (status(503, "loading"), "HTTP 503: loading"),
        (status(429, "slow down"), "HTTP 429: slow down"),
        (Answer::Other(Reply::new(429, "text/plain", "").with("Retry-After", "100")), "HTTP 429"),
        (status(401, "who?"), "name the environment variable with its key as `key_env`"),
        (status(402, "pay"), "the quota is used up"),
        (status(404, "none"), "HTTP 404: none; check `url`, `api` and `model`"),
        (status(400, "no"), "refuses: "),
        (Answer::Other(silent), "no complete answer after"),
        (Answer::Other(half), "is unavailable"),
        (Answer::Other(endless), "its answer ends early"),
        (other("{\"results\": [{\"index\": 0, \"relevance"), "its answer ends early"),
        (other("<h1>Hello</h1>"), "its answer is not JSON"),
        (other("{}"), "its answer has no list of results"),
        (other("{\"error\": {\"message\": \"busy\", \"code\": 529}}"), "HTTP 529: busy"),
        (
            other(&format!("{{\"results\": [{}]}}", "{\"index\": 0, \"relevance_score\": NaN}")),
            "is not JSON",
        ),
    ]
}

/// Answers with the right form and wrong scores.
fn wrong_scores() -> Faults {
    vec![
        (
            Answer::Changed(|body| drop(body["results"].as_array_mut().unwrap().pop())),
            "its answer has 7 scores for 8 texts",
        ),
        (
            Answer::Changed(|body| {
                let list = body["results"].as_array_mut().unwrap();
                list.push(json!({ "index": 8, "relevance_score": 1 }));
            }),
            "its answer has 9 scores for 8 texts",
        ),
        (Answer::Changed(|body| body["results"][3]["index"] = json!(8)), "an index that is none"),
        (Answer::Changed(|body| body["results"][3]["index"] = json!(-1)), "an index that is none"),
        (
            Answer::Changed(|body| {
                body["results"][0]["index"] = body["results"][1]["index"].clone()
            }),
            "its answer has an index twice",
        ),
        (
            Answer::Changed(|body| body["results"][5]["relevance_score"] = Value::Null),
            "its answer has a score that is no number",
        ),
        (
            Answer::Changed(|body| body["results"][5]["relevance_score"] = json!(1e300)),
            "its answer has a score that is no number",
        ),
    ]
}

#[test]
fn what_fails_is_a_warning_and_the_order_stays() {
    let reranker = Reranker::start();
    let place = place(&reranker, "timeout = 1--");
    forget(&place);
    let elsewhere = Server::start();
    let redirect = Reply { status: 307, ..Reply::redirect(&elsewhere.url("/v1/rerank")) };
    let redirected = (Answer::Other(redirect), "it redirects to http://127.0.0.1");
    let faults = [vec![redirected], broken_answers(), wrong_scores()].concat();
    for (answer, said) in faults {
        let fault = answer.clone();
        reranker.answer(move |_| fault.clone());
        let since = Instant::now();
        let report = searched(&place, &[]);
        assert!(since.elapsed() < Duration::from_secs(20), "{said}");
        assert_eq!(uris(&report), UPWARDS, "{said}");
        let warning = report["warning"].as_str().unwrap();
        assert!(
            warning.starts_with("reranker test ") && warning.contains(said),
            "{said}: {warning}"
        );
        assert!(warning.ends_with(": the order of the search stays"), "{warning}");
        assert_eq!((&report["reranked"], &report["warnings"]), (&json!(false), &json!([warning])));
        assert!(reranker.take().len() <= 4, "{said}");
        assert_eq!(elsewhere.count(), 0);
    }
    let (stdout, stderr) =
        ran(&place, 0, &["search", "harbour", "--trust", "--mode", "text", "-k", "1"]);
    assert!(stdout.contains("docs:0.md"), "{stdout}");
    assert!(stderr.starts_with("warning: reranker test refuses: "), "{stderr}");
    // A server that does not exist.
    configure(&place, "http://127.0.0.1:9", "");
    assert_eq!(uris(&searched(&place, &[])), UPWARDS);
}

#[test]
fn what_passes_is_tried_again_and_too_many_texts_are_halved() {
    let reranker = Reranker::start();
    let place = place(&reranker, "");
    forget(&place);
    let reset = Reply::new(429, "text/plain", "").with("Retry-After", "0");
    for fault in [status(500, "oops"), status(503, "loading"), Answer::Other(reset)] {
        reranker.answer(move |number| if number == 0 { fault.clone() } else { Answer::Right });
        assert_eq!(uris(&searched(&place, &[])), DOWNWARDS);
        assert_eq!(reranker.take().len(), 2);
    }
    reranker.answer(|number| if number == 0 { status(413, "too many") } else { Answer::Right });
    assert_eq!(uris(&searched(&place, &[])), DOWNWARDS);
    let sent: Vec<_> = reranker.take().iter().map(|(_, body)| texts(body).len()).collect();
    assert_eq!(sent, [8, 4, 4]);
}

#[test]
fn no_pair_is_paid_for_twice() {
    let reranker = Reranker::start();
    let place = place(&reranker, "max_batch_texts = 3");
    // The second of three requests fails: what the first one answered is kept.
    reranker.answer(|number| if number == 1 { status(401, "no") } else { Answer::Right });
    assert_eq!(searched(&place, &[])["reranked"], false);
    reranker.answer(|_| Answer::Right);
    assert_eq!(uris(&searched(&place, &[])), DOWNWARDS);
    let sent: Vec<_> = reranker.take().iter().flat_map(|(_, body)| texts(body)).collect();
    assert_eq!(sent.len(), 5, "{sent:?}");
    assert_eq!(uris(&searched(&place, &[])), DOWNWARDS);
    assert!(reranker.take().is_empty(), "all scores are kept");
    // Only what is new is sent.
    place.write("8.md", "# Pier 8\n\nThe harbour of word8 is open.\n");
    ran(&place, 0, &["ingest", "--trust", "-q"]);
    assert_eq!(uris(&searched(&place, &[]))[0], "8.md");
    assert_eq!(texts(&reranker.take()[0].1).len(), 1);
    let stats = ran(&place, 0, &["cache", "stats", "--json"]).0;
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["statistics"]["vectors"], 9, "{stats}");
    // Another model, the same model in another revision: another score.
    place.reconfigure("model = 'test'", "model = 'test'\nrevision = '2'");
    searched(&place, &[]);
    assert_eq!(reranker.take().len(), 3);
    // A folder that nobody may write to, a cache that is none.
    fs::write(place.path("cache"), "notes of somebody else, more than a header ".repeat(9))
        .unwrap();
    place.reconfigure("[embed.hash]", "[embed]\ncache = 'cache'\n[embed.hash]");
    assert_eq!(searched(&place, &[])["reranked"], true);
}

#[test]
fn a_key_goes_to_the_server_and_nowhere_else() {
    let reranker = Reranker::start();
    let place = place(&reranker, "key_env = 'TEST_KEY'\nheaders = ['X-Team=TEST_KEY']");
    forget(&place);
    let said = format!("no key {KEY} at https:{}me:{KEY}@example.org/", "//");
    for answer in [status(401, &said), status(500, &said), Answer::Right] {
        reranker.answer(move |_| answer.clone());
        let all = ["search", "harbour", "--trust", "-vv"];
        for arguments in [&all[..], &[&all[..], &["--json"]].concat()] {
            let (stdout, stderr) = ran(&place, 0, arguments);
            assert!(!stdout.contains(KEY) && !stderr.contains(KEY), "{stdout}{stderr}");
        }
    }
    for name in ["kb.kb", "kb.kb.vectors", "kb.kb.vectors-wal"] {
        let bytes = fs::read(place.path(name)).unwrap_or_default();
        assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{name}");
    }
    let (asked, _) = &reranker.take()[0];
    assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(asked.headers["x-team"], KEY);
    place.reconfigure("'TEST_KEY'", "'NO_SUCH_KEY'");
    let warning = searched(&place, &[])["warning"].to_string();
    assert!(warning.contains("the environment variable NO_SUCH_KEY is not set"), "{warning}");
}

/// A kb.toml of somebody else sends nothing, and neither does a knowledge base.
#[test]
fn nothing_is_sent_that_was_not_allowed() {
    let reranker = Reranker::start();
    let place = place(&reranker, "key_env = 'TEST_KEY'");
    for arguments in [&["search", "harbour"][..], &["search", "harbour", "--mode", "text"]] {
        let (_, stderr) = ran(&place, 2, arguments);
        for asks in [
            "[search.rerank.http]: sends queries, and the texts found, to ",
            "[search.rerank.http]: connects to a host that may not be public",
            "[search.rerank.http]: sends the environment variable TEST_KEY in the header Authorization",
        ] {
            assert!(stderr.contains(asks), "{stderr}");
        }
    }
    ran(&place, 0, &["search", "harbour", "--no-rerank"]);
    let (stdout, _) = ran(&place, 0, &["search", "kb.kb", "harbour", "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["reranked"], &report["warning"]), (&json!(false), &Value::Null));
    assert_eq!(reranker.server.count(), 0);
    ran(&place, 0, &["search", "harbour", "--trust"]);
    assert_eq!(reranker.server.count(), 1);
}

#[test]
fn an_evaluation_compares_the_orders() {
    let reranker = Reranker::start();
    let place = place(&reranker, "");
    let query = json!({ "id": "1", "query": "harbour", "relevant": [{ "path": "7.md" }] });
    fs::write(place.path("q.jsonl"), format!("{query}\n")).unwrap();
    let eval = |code: i32, more: &[&str]| {
        let all = ["eval", "q.jsonl", "--trust", "--mode", "text"];
        ran(&place, code, &[&all, more].concat())
    };
    let (stdout, _) = eval(0, &["--json", "--min", "text+rerank:mrr@10=1"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let mrr: Vec<_> = report["modes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mode| (mode["mode"].as_str().unwrap(), mode["metrics"]["mrr@10"].as_f64().unwrap()))
        .collect();
    assert_eq!(mrr, [("text", 0.125), ("text+rerank", 1.0)]);
    let difference = &report["differences"][0];
    assert_eq!(
        (&difference["of"], &difference["against"]),
        (&json!("text"), &json!("text+rerank"))
    );
    let (table, _) = eval(0, &[]);
    assert!(table.contains("     text  text+rerank\n"), "{table}");
    // What users see can be held to a minimum; what is measured without a model is no less.
    eval(3, &["--min", "mrr@10=0.9"]);
    reranker.take();
    assert!(!eval(0, &["--no-rerank"]).0.contains("rerank"));
    fs::remove_file(place.path("kb.kb.vectors")).unwrap();
    reranker.answer(|_| status(503, "down"));
    assert!(eval(30, &[]).1.contains("reranker test is unavailable"));
    reranker.answer(|_| status(401, "no"));
    assert!(eval(31, &[]).1.contains("reranker test refuses"));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let reranker = Reranker::start();
    let place = place(&reranker, "");
    let said = |settings: &str| {
        place.configure(&format!("{SETTINGS}{settings}\n"));
        ran(&place, 2, &["search", "harbour", "--trust"]).1
    };
    let http = "[search.rerank.http]\nmodel = 'm'\nurl = 'http:";
    for (settings, expected) in [
        ("[search.rerank]".to_owned(), "rerank needs a model"),
        (format!("{http}//a'\n[search.rerank.onnx]\nmodel = 'x'"), "exclude each other"),
        (format!("{http}//a'\n[search.rerank]\ncandidates = 0"), "search.rerank.candidates: "),
        (format!("{http}//a'\n[search.rerank]\ntimeout = 0"), "search.rerank.timeout: "),
        (format!("{http}//me:x@a'"), "a password does not belong in this file"),
        (format!("{http}//a'\nkey_env = 'a key'"), "search.rerank.http.key_env: "),
        (format!("{http}//a'\nheaders = ['X: y']"), "search.rerank.http.headers: "),
        (format!("{http}//a'\nmax_batch_texts = 1001"), "it must be 0 to 1000"),
        ("[search.rerank.http]\nurl = 'a'\nmodel = ''".to_owned(), "write it whole"),
        ("[search.rerank.onnx]\nmodel = ''".to_owned(), "search.rerank.onnx.model: "),
    ] {
        let stderr = said(&settings);
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_program_without_transformers_says_so() {
    let reranker = Reranker::start();
    let place = place(&reranker, "");
    place.configure(&format!("{SETTINGS}[search.rerank.onnx]\nmodel = 'models/x'\n"));
    let report = searched(&place, &[]);
    assert_eq!(uris(&report), UPWARDS);
    let warning = report["warning"].as_str().unwrap();
    assert!(warning.contains("built without the feature \"onnx\""), "{warning}");
    let settings = SETTINGS.replace("max_tokens = 32", "tokenizer = 't.json'");
    place.configure(&settings);
    let (_, stderr) = ran(&place, 31, &["ingest"]);
    assert!(stderr.contains("t.json: this program was built without the feature"), "{stderr}");
}
