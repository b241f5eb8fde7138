//! `[embed.http]`: a model behind a server that fails in every way a server can, through runs and
//! searches. Contents are compared with those that a healthy server results in.

mod budgets;
mod cache;
mod hub;
mod keys;
mod rerank;
mod searches;
pub mod server;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kbingest::domain::{FailureKind, Stage};
use kbingest::operations::{self, IngestOptions, RunReport, Session};
use kbingest::support::checkpoint::StopSignal;
use serde_json::{Value, json};

use crate::support::{
    Place, assert_cancelled, assert_no_claims, assert_same, assert_sound, dump, ingest, markdown,
    read_only, remove_kb, resume,
};
use crate::wait::wait_until;
use crate::web::server::Reply;
use server::{Answer, ModelServer, PROBE, json_reply, vectors};

/// Eight documents of four chunks or so.
pub fn place(model: &ModelServer, keys: &str) -> Place {
    let place = Place::in_memory();
    place.configure(&model.settings(keys));
    for number in 0..8 {
        place.write(&format!("{number}.md"), markdown(number, 4, &format!("word{number}")));
    }
    place
}

/// Returns the dump of a run with a healthy server, and the texts that it was sent.
fn healthy(model: &ModelServer, place: &Place) -> (String, Vec<String>) {
    model.answer(|_, _| Answer::Right);
    model.take();
    let config = place.config_into("healthy.kb");
    remove_kb(&config.kb);
    let report = ingest(&config, None);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    (dump(&config.kb), model.take_texts())
}

/// Fails unless the run ended with `exit_code` and an error with `message`, sound and without a
/// claim.
fn assert_failed(report: &RunReport, exit_code: u8, message: &str) {
    assert_eq!(report.exit_code, exit_code, "{message}: {report:#?}");
    let error = report.error().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains(message), "{message}: {error}");
    assert_sound(&report.knowledge_base);
    assert_no_claims(&report.knowledge_base);
}

fn error(status: u16, message: &str) -> Answer {
    Answer::Other(json_reply(status, &json!({ "error": { "message": message } })))
}

#[test]
fn every_text_is_sent_once_with_what_the_server_understands() {
    let model = ModelServer::start();
    let place =
        place(&model, "document_prefix = 'passage: '\ndocument_fields = { truncate = false }");
    place.ingest();
    let requests = model.take();
    assert!(requests[0].0.texts[0].starts_with(&format!("passage: {PROBE}")));
    for (request, _) in &requests {
        let body = &request.body;
        assert_eq!(request.asked.path, "/v1/embeddings");
        assert_eq!((&body["model"], &body["dimensions"]), (&json!("test"), &json!(server::DIM)));
        assert_eq!(
            (&body["encoding_format"], &body["truncate"]),
            (&json!("base64"), &json!(false))
        );
        assert!(request.texts.iter().all(|text| text.starts_with("passage: ")));
        assert!(request.texts.len() <= 32 && !request.asked.headers.contains_key("authorization"));
    }
    // A run that finds nothing new asks nothing.
    place.ingest();
    assert_eq!(model.count(), 0);
    place.write("9.md", markdown(9, 1, "new"));
    place.ingest();
    assert_eq!(model.take().len(), 2, "a probe and the new chunks");
    assert_eq!(healthy(&model, &place).0, place.dump());
}

/// Fields that a server does not know are left out.
#[test]
fn a_server_that_takes_no_optional_fields_is_sent_none() {
    let model = ModelServer::start();
    let place = place(&model, "");
    let expected = healthy(&model, &place).0;
    for fields in [&["dimensions"][..], &["encoding_format"], &["dimensions", "encoding_format"]] {
        model.take();
        remove_kb(&place.kb());
        model.answer(move |_, request| {
            let unknown = fields.iter().find(|field| !request.body[**field].is_null());
            unknown.map_or(Answer::Right, |field| error(400, &format!("unknown field {field}")))
        });
        place.ingest();
        assert_same(&place.dump(), &expected, "with all fields");
        let rejected = model.take().into_iter().filter(|(_, is_right)| !is_right);
        assert!(rejected.count() <= 3, "only probes are rejected");
    }
}

#[test]
fn what_passes_is_waited_for() {
    let model = ModelServer::start();
    let place = place(&model, "timeout = 1\nmax_batch_texts = 4\nconcurrency = 2");
    let (expected, texts) = healthy(&model, &place);
    let half = Reply { length: Some(10_000), ..json_reply(200, &json!({ "data": [] })) };
    let early = Reply::new(200, "application/json", "{\"data\": [{\"embedding\": [0.5, ");
    let silent = Reply { is_silent: true, ..Reply::new(200, "text/plain", "") };
    let slow_down = |seconds: &str| Reply::new(429, "text/plain", "").with("Retry-After", seconds);
    for reply in [
        Reply::new(408, "text/plain", ""),
        Reply::new(409, "text/plain", ""),
        Reply::new(429, "text/plain", ""),
        slow_down("0"),
        slow_down("1"),
        Reply::new(500, "text/plain", "oops"),
        // Gateways send failures with status 200.
        json_reply(200, &json!({ "error": { "message": "upstream is busy", "code": 429 } })),
        Reply::new(503, "text/plain", "loading the model"),
        half,
        early,
        silent,
    ] {
        // The first probe, and two later calls.
        let fault = reply.clone();
        model.answer(move |number, _| match number {
            0 | 3 | 4 => Answer::Other(fault.clone()),
            _ => Answer::Right,
        });
        model.take();
        remove_kb(&place.kb());
        place.ingest();
        assert_same(&place.dump(), &expected, "a healthy run");
        let requests = model.take();
        assert_eq!(requests.iter().filter(|(_, is_right)| !is_right).count(), 3, "{reply:?}");
        let mut sent: Vec<_> = requests.into_iter().filter(|(_, is_right)| *is_right).collect();
        sent.retain(|(request, _)| !request.texts[0].starts_with(PROBE));
        let sent: usize = sent.iter().map(|(request, _)| request.texts.len()).sum();
        assert_eq!(sent, texts.len(), "{reply:?}");
    }
}

#[test]
fn a_server_that_asks_to_wait_is_not_asked_meanwhile() {
    let model = ModelServer::start();
    let place = place(&model, "max_batch_texts = 1\nconcurrency = 4");
    model.answer(|number, _| match number {
        5 => Answer::Other(Reply::new(429, "text/plain", "").with("Retry-After", "1")),
        _ => Answer::Right,
    });
    place.ingest();
    let at: Vec<Instant> = model.take().iter().map(|(request, _)| request.asked.at).collect();
    let longest = at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest >= Duration::from_millis(900), "{longest:?}");
}

fn not_a_number(body: &mut Value) {
    // JSON has no such number, base64 has.
    let numbers: Vec<u8> =
        std::iter::repeat_n(f32::NAN.to_le_bytes(), server::DIM).flatten().collect();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(alphabet[(bits & 63) as usize]);
    let mut text = String::new();
    for bytes in numbers.chunks(3) {
        let bits = bytes.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - bytes.len()));
        let digits = [digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)];
        text.extend(&digits[..=bytes.len()]);
        text.push_str(&"=".repeat(3 - bytes.len()));
    }
    body["data"][0]["embedding"] = text.into();
}

#[test]
fn what_does_not_pass_ends_the_run_and_what_came_is_kept() {
    let model = ModelServer::start();
    let place = place(&model, "max_batch_texts = 4\nconcurrency = 1");
    let (expected, texts) = healthy(&model, &place);
    let other = Answer::Other;
    for (answer, message) in [
        (
            error(401, "no such key"),
            "HTTP 401: no such key; name the environment variable with its key as `key_env`",
        ),
        (
            other(json_reply(200, &json!({ "error": { "message": "no credits", "code": 402 } }))),
            "HTTP 402: no credits; the quota is used up",
        ),
        (error(403, "not yours"), "HTTP 403: not yours"),
        (error(402, "pay"), "the quota is used up: check plan and billing"),
        (error(429, "insufficient_quota"), "the quota is used up"),
        (error(404, "no model"), "HTTP 404: no model; check `url`, `api` and `model`"),
        (other(Reply::redirect("http://localhost/x")), "it redirects to http://localhost"),
        (
            other(Reply::new(200, "text/html", "<h1>Hello</h1>")),
            "is it a server of api = \"openai\"?",
        ),
        (other(json_reply(200, &json!({ "embeddings": [] }))), "missing field `data`"),
        (
            Answer::Changed(|body| {
                body["data"].as_array_mut().unwrap().pop();
            }),
            "vectors for",
        ),
        (
            Answer::Changed(|body| {
                body["data"].as_array_mut().unwrap().push(json!({ "embedding": [1.0] }))
            }),
            "vectors for",
        ),
        (
            Answer::Changed(|body| body["data"][0]["embedding"] = json!([1.0, 2.0])),
            "its vectors have 2 components: set `dim` to that, not to 16",
        ),
        (
            Answer::Changed(|body| body["data"][0]["embedding"] = json!(vec![0.0; 16])),
            "its answer has a vector that is all zero",
        ),
        (Answer::Changed(not_a_number), "has a component that is no number"),
    ] {
        // At the probe, and after two calls.
        for failing in [0, 3] {
            let fault = answer.clone();
            model.answer(
                move |number, _| if number < failing { Answer::Right } else { fault.clone() },
            );
            model.take();
            remove_kb(&place.kb());
            let report = ingest(&place.config(), None);
            assert_failed(&report, 31, message);
            assert_eq!(model.count(), failing + 1, "{message}: no further request");
            model.answer(|_, _| Answer::Right);
            let kept = model.take().into_iter().take(failing).skip(1).flat_map(|(it, _)| it.texts);
            let kept: Vec<_> = kept.collect();
            let report = resume(&place.config(), None);
            assert_eq!(report.exit_code, 0, "{report:#?}");
            assert_same(&place.dump(), &expected, "a healthy run");
            let mut sent = [kept, model.take_texts()].concat();
            sent.sort();
            assert_eq!(sent, texts, "{message}: every text is sent once");
        }
    }
}

#[test]
fn answers_in_any_order_and_form_are_sorted() {
    let model = ModelServer::start();
    let place = place(&model, "");
    let expected = healthy(&model, &place).0;
    remove_kb(&place.kb());
    model.answer(|_, _| Answer::Changed(|body| body["data"].as_array_mut().unwrap().reverse()));
    place.ingest();
    assert_same(&place.dump(), &expected, "a healthy run");
}

#[test]
fn a_request_with_too_many_texts_is_halved() {
    let model = ModelServer::start();
    let place = place(&model, "");
    let expected = healthy(&model, &place).0;
    remove_kb(&place.kb());
    model.answer(|_, request| match request.texts.len() {
        0..=3 => Answer::Right,
        _ => error(413, "too many inputs"),
    });
    place.ingest();
    assert_same(&place.dump(), &expected, "a healthy run");
}

#[test]
fn a_text_that_is_too_long_fails_its_document_alone_or_is_shortened() {
    let model = ModelServer::start();
    let place = place(&model, "");
    let long = "pressure valve ".repeat(20);
    place.write("long.md", format!("# Long\n\n## One\n\nshort\n\n## Two\n\n{long}\n"));
    model.answer(|_, request| {
        let is_long = |text: &String| text.len() > 250;
        if request.texts.iter().any(is_long) {
            error(400, "maximum context length")
        } else {
            Answer::Right
        }
    });
    let report = ingest(&place.config(), None);
    assert_eq!(report.exit_code, 3, "{report:#?}");
    let [failure] = report.failures.as_slice() else { panic!("{:#?}", report.failures) };
    assert_eq!(
        (failure.uri.as_str(), failure.stage, failure.kind),
        ("long.md", Stage::Embed, FailureKind::Permanent)
    );
    assert!(failure.error.contains("cannot embed this text"), "{}", failure.error);
    assert!(failure.error.contains("HTTP 400: maximum context length"), "{}", failure.error);

    remove_kb(&place.kb());
    place.reconfigure("dim =", "on_too_long = 'truncate'\ndim =");
    model.take();
    place.ingest();
    let shortened = model.take_texts().into_iter().find(|text| text.contains("pressure")).unwrap();
    assert!((150..=250).contains(&shortened.len()), "{shortened}");
}

/// Words reversed: another model.
fn other_model(body: &mut Value) {
    for datum in body["data"].as_array_mut().unwrap() {
        datum["embedding"].as_array_mut().unwrap().reverse();
    }
}

#[test]
fn a_server_that_changed_its_model_is_refused() {
    let model = ModelServer::start();
    let place = place(&model, "");
    place.ingest();
    let before = place.dump();
    model.answer(|_, _| Answer::Changed(other_model));
    place.write("9.md", markdown(9, 2, "new"));
    model.take();
    let report = ingest(&place.config(), None);
    assert_failed(
        &report,
        31,
        "the server has another model under this name: the vector of a fixed sentence has changed (cosine ",
    );
    assert_failed(&report, 31, "set `revision` in [embed.http] to embed everything again");
    assert_eq!(model.take().len(), 1, "no text is sent");
    assert!(before.lines().all(|line| place.dump().contains(line)), "what was there is there");

    // Vectors that differ in their last digits are of the same model.
    model.answer(|_, _| {
        Answer::Changed(|body| {
            for datum in body["data"].as_array_mut().unwrap() {
                let first = datum["embedding"][0].as_f64().unwrap();
                datum["embedding"][0] = (first + 1e-4).into();
            }
        })
    });
    assert_eq!(resume(&place.config(), None).exit_code, 0);

    model.answer(|_, _| Answer::Changed(other_model));
    place.reconfigure("dim =", "revision = '2'\ndim =");
    model.take();
    place.ingest();
    let changed = place.dump();
    assert_eq!(
        model.take_texts().len(),
        changed.matches("    chunk ").count(),
        "all are embedded again"
    );
    assert_eq!(model.count(), 0);
}

/// One of two servers has another model: nothing of it is stored.
#[test]
fn servers_of_one_model_are_compared_with_each_other() {
    let (one, other) = (ModelServer::start(), ModelServer::start());
    let endpoints = format!("endpoints = ['{}']\nmax_batch_texts = 1", other.server.url(""));
    let place = place(&one, &endpoints);
    other.answer(|_, _| Answer::Changed(other_model));
    let report = ingest(&place.config(), None);
    assert_failed(&report, 31, "the server has another model under this name");
    let is_probe = |(request, _): &(server::Request, bool)| request.texts[0].starts_with(PROBE);
    assert!([one.take(), other.take()].iter().any(|requests| requests.iter().all(is_probe)));
}

#[test]
fn calls_go_to_the_servers_that_answer() {
    let (one, other) = (ModelServer::start(), ModelServer::start());
    let endpoints =
        format!("endpoints = ['{}']\nmax_batch_texts = 1\ngive_up_after = 5", other.server.url(""));
    let place = place(&one, &endpoints);
    place.ingest();
    let (expected, both) = (place.dump(), [one.take().len(), other.take().len()]);
    assert!(both.iter().all(|count| *count >= 5), "{both:?}");
    remove_kb(&place.kb());
    one.answer(|_, _| error(503, "down"));
    place.ingest();
    assert_same(&place.dump(), &expected, "with both servers");
    assert!(one.take().len() <= 8, "a server that is down is left alone for a while");
}

#[test]
fn a_server_that_stays_down_ends_the_run_after_a_while() {
    let model = ModelServer::start();
    let place = place(&model, "max_batch_texts = 4\nconcurrency = 2\ngive_up_after = 1");
    let (expected, texts) = healthy(&model, &place);
    model.answer(|number, _| if number < 3 { Answer::Right } else { error(503, "maintenance") });
    let since = Instant::now();
    assert_failed(&ingest(&place.config(), None), 30, "HTTP 503: maintenance");
    assert!(since.elapsed() >= Duration::from_secs(1));
    let kept = model.take_texts();
    assert_eq!(kept.len(), 8);
    // A pause that is longer than our patience ends it at once.
    model
        .answer(|_, _| Answer::Other(Reply::new(429, "text/plain", "").with("Retry-After", "100")));
    assert_failed(&resume(&place.config(), None), 30, "HTTP 429");
    assert!(model.take().len() <= 2);
    model.answer(|_, _| Answer::Right);
    assert_eq!(resume(&place.config(), None).exit_code, 0);
    assert_same(&place.dump(), &expected, "a healthy run");
    let mut sent = [kept, model.take_texts()].concat();
    sent.sort();
    assert_eq!(sent, texts);
}

/// What a server may do is limited: an answer that never ends.
#[test]
fn an_endless_answer_is_given_up() {
    let model = ModelServer::start();
    let place = place(&model, "timeout = 5\ngive_up_after = 0");
    let endless =
        Reply { is_endless: true, ..Reply::new(200, "application/json", " ".repeat(1 << 20)) };
    model.answer(move |_, _| Answer::Other(endless.clone()));
    assert_failed(&ingest(&place.config(), None), 30, "");
}

/// Time before the first call is no time without success.
#[test]
fn patience_begins_with_the_first_failure() {
    let model = ModelServer::start();
    let place = place(&model, "give_up_after = 2\nmax_batch_texts = 1\nconcurrency = 1");
    model.answer(|number, _| match number {
        5 | 20 => {
            std::thread::sleep(Duration::from_millis(2500));
            error(503, "busy")
        }
        _ => Answer::Right,
    });
    place.ingest();
}

/// The server is silent for longer than the test waits: only a stop of the request itself helps.
#[test]
fn a_stop_ends_calls_that_wait_for_an_answer() {
    let model = ModelServer::start();
    // One call at a time: the others are answered before the one that waits.
    let place = place(&model, "max_batch_texts = 4\nconcurrency = 1\ntimeout = 3600");
    let silent = Reply { is_silent: true, ..Reply::new(200, "text/plain", "") };
    model.answer(
        move |number, _| if number < 3 { Answer::Right } else { Answer::Other(silent.clone()) },
    );
    let stop = Arc::new(StopSignal::default());
    let session = Session { stop: Arc::clone(&stop), ..Session::default() };
    let config = place.config();
    let options = IngestOptions { threads: 2, ..IngestOptions::default() };
    let report = std::thread::scope(|scope| {
        let run = scope.spawn(|| operations::ingest(&config, &options, &session).unwrap());
        wait_until("a call that waits", || model.count() >= 4);
        let since = Instant::now();
        stop.request();
        let report = run.join().unwrap();
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
        report
    });
    assert_cancelled(&report, "during a call");
    let kept = model.take_texts();
    let connection = read_only(&place.kb());
    let stored: i64 =
        connection.query_row("SELECT count(*) FROM vector", [], |row| row.get(0)).unwrap();
    // An answer may have been under way.
    assert!((1..=kept.len()).contains(&(stored as usize)), "{stored} of {}", kept.len());
    model.answer(|_, _| Answer::Right);
    assert_eq!(resume(&config, None).exit_code, 0);
    assert_eq!(healthy(&model, &place).0, place.dump());
}

/// The other forms of requests and answers, each by a whole run.
#[test]
fn every_api_is_spoken() {
    let check =
        |api: &str, path: &str, texts: fn(&Value) -> Value, answer: fn(Vec<Vec<f32>>) -> Value| {
            let model = ModelServer::start();
            let place = place(&model, &format!("api = '{api}'"));
            model.server.handle(move |asked, _| {
                let body: Value = serde_json::from_slice(&asked.body).ok()?;
                let texts: Vec<String> = serde_json::from_value(texts(&body)).unwrap();
                Some(json_reply(200, &answer(vectors(&texts))))
            });
            let run = place.ingest();
            assert!(run.metrics.chunks_stored > 20);
            assert!(model.server.take_paths().iter().all(|asked| asked == path), "{api}");
        };
    check(
        "ollama",
        "/api/embed",
        |body| body["input"].clone(),
        |rows| json!({ "embeddings": rows }),
    );
    check(
        "cohere",
        "/v2/embed",
        |body| body["texts"].clone(),
        |rows| json!({ "embeddings": { "float": rows } }),
    );
    check(
        "gemini",
        "/v1beta/models/test:batchEmbedContents",
        |body| {
            let requests = body["requests"].as_array().unwrap().iter();
            requests.map(|request| request["content"]["parts"][0]["text"].clone()).collect()
        },
        |rows| json!({ "embeddings": rows.iter().map(|row| json!({ "values": row })).collect::<Vec<_>>() }),
    );
}
