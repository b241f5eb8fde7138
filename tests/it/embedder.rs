//! An embedder that fails: unavailable, refusing, panicking, wrong or slow. Vectors that it
//! returned before are kept, nothing is sent twice, and the run can be resumed.
//!
//! The embedder follows a script and otherwise returns the vectors of `[embed.hash]`, so that the
//! whole dump can be compared with that of a healthy one.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use kbingest::domain::{FailureKind, RunStatus, Stage};
use kbingest::embed::{EmbedError, Embedder, Embeddings, Hash, Limits, Model, Role};
use kbingest::operations::{self, IngestOptions, RunReport, Session, Target};
use kbingest::support::checkpoint::StopSignal;
use kbingest::support::events::{Event, EventSink};

use crate::support::{
    Place, assert_cancelled, assert_no_claims, assert_sound, markdown, read_only, rows, two_threads,
};

/// Limit on the texts of one call.
const TEXTS: usize = 4;
/// Attempts at one call before it is given up.
const ATTEMPTS: usize = 5;

/// The result of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Right,
    Unavailable(Option<Duration>),
    Refused,
    BadInput,
    Panic,
    /// This many rows more than texts.
    Rows(isize),
    /// Components of a row.
    Components(usize),
    /// The first component of every row is multiplied.
    Times(f32),
    /// All rows are zero.
    Zero,
}

/// Unavailable, and to be retried at once.
const BUSY: Answer = Answer::Unavailable(Some(Duration::ZERO));

type Script<'a> = dyn Fn(usize, &[&str]) -> Answer + Send + Sync + 'a;

/// An embedder with a script for each call, numbered from 0.
struct Scripted<'a> {
    hash: Hash,
    limits: Limits,
    script: Box<Script<'a>>,
    calls: Mutex<Vec<(Vec<String>, Answer)>>,
    /// URIs of the failures that were reported.
    failed: Mutex<Vec<String>>,
}

impl<'a> Scripted<'a> {
    /// Returns one that is called by one thread at a time, with [`TEXTS`].
    fn new(script: impl Fn(usize, &[&str]) -> Answer + Send + Sync + 'a) -> Self {
        Self {
            hash: Hash::new(64),
            limits: Limits { texts: TEXTS, in_flight: 1, ..Limits::default() },
            script: Box::new(script),
            calls: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    fn healthy() -> Self {
        Self::new(|_, _| Answer::Right)
    }

    fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    fn calls(&self) -> Vec<(Vec<String>, Answer)> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns the texts of the calls that returned vectors.
    fn embedded(&self) -> Vec<String> {
        let right = self.calls().into_iter().filter(|(_, answer)| *answer == Answer::Right);
        right.flat_map(|(texts, _)| texts).collect()
    }

    fn ingest(&self, place: &Place) -> RunReport {
        self.ingest_until(place, &Arc::default())
    }

    fn ingest_until(&self, place: &Place, stop: &Arc<StopSignal>) -> RunReport {
        self.ingest_with(place, IngestOptions { threads: 2, ..IngestOptions::default() }, stop)
    }

    fn ingest_with(
        &self,
        place: &Place,
        options: IngestOptions,
        stop: &Arc<StopSignal>,
    ) -> RunReport {
        operations::ingest(&place.config(), &options, &self.session(stop)).unwrap()
    }

    fn resume(&self, place: &Place) -> RunReport {
        let target = Target::Config(Box::new(place.config()));
        operations::resume(&target, &two_threads(), &self.session(&Arc::default())).unwrap()
    }

    fn session<'b>(&'b self, stop: &Arc<StopSignal>) -> Session<'b> {
        Session { stop: Arc::clone(stop), events: self, hook: None, embedder: Some(self) }
    }
}

impl EventSink for Scripted<'_> {
    fn emit(&self, event: &Event<'_>) {
        if let Event::Failed { failure } = event {
            self.failed.lock().unwrap().push(failure.uri.clone());
        }
    }
}

impl Embedder for Scripted<'_> {
    fn model(&self) -> &Model {
        self.hash.model()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.hash.count_tokens(text)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
        assert_eq!(role, Role::Document);
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((texts.iter().map(|&text| text.to_owned()).collect(), Answer::Panic));
            calls.len() - 1
        };
        let answer = (self.script)(number, texts);
        self.calls.lock().unwrap()[number].1 = answer;
        let (model, reason) = ("scripted".to_owned(), format!("call {number}"));
        let right = self.hash.embed(texts, role)?;
        let mut rows: Vec<Vec<f32>> = right.rows().map(<[f32]>::to_vec).collect();
        match answer {
            Answer::Right => return Ok(right),
            Answer::Unavailable(retry_after) => {
                return Err(EmbedError::Unavailable { model, reason, retry_after });
            }
            Answer::Refused => return Err(EmbedError::Refused { model, reason }),
            Answer::BadInput => return Err(EmbedError::BadInput { model, reason }),
            Answer::Panic => panic!("scripted: {reason}"),
            Answer::Rows(more) => rows.resize(rows.len().strict_add_signed(more), vec![1.0; 64]),
            Answer::Components(dim) => rows.iter_mut().for_each(|row| row.resize(dim, 1.0)),
            Answer::Times(factor) => rows.iter_mut().for_each(|row| row[0] *= factor),
            Answer::Zero => rows.iter_mut().for_each(|row| row.fill(0.0)),
        }
        Ok(Embeddings::new(rows.first().map_or(64, Vec::len), rows.concat()))
    }
}

/// Ten documents of six chunks or so, each with a word of its own.
fn place() -> Place {
    let place = Place::in_memory();
    for number in 0..10 {
        place.write(&format!("{number}.md"), markdown(number, 5, &format!("word{number}")));
    }
    place
}

/// Returns the texts that a healthy embedder is sent for `place`, sorted.
fn all_texts(place: &Place) -> Vec<String> {
    let healthy = Scripted::healthy();
    let session = healthy.session(&Arc::default());
    let config = place.config_into("healthy.kb");
    let report = operations::ingest(&config, &IngestOptions::default(), &session).unwrap();
    assert_eq!(report.exit_code, 0, "{report:#?}");
    sorted(healthy.embedded())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

fn stored(place: &Place) -> usize {
    rows(&place.kb(), "SELECT chunk_id FROM vector").len()
}

/// Fails unless the run ended with `exit_code` and an error with `message`, sound and without a
/// claim.
/// claim.
fn assert_failed(report: &RunReport, exit_code: u8, message: &str) {
    assert_eq!(report.exit_code, exit_code, "{report:#?}");
    assert_eq!(report.run.as_ref().unwrap().status, RunStatus::Failed);
    let error = report.error().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains(message), "{error}");
    assert_sound(&report.knowledge_base);
    assert_no_claims(&report.knowledge_base);
}

/// Resumes with a healthy embedder, which must be sent exactly the texts for which `before`
/// returned no vectors.
fn assert_resumes(place: &Place, before: &Scripted<'_>) {
    let kept = before.embedded();
    assert_eq!(stored(place), kept.len(), "what was returned is stored");
    let healthy = Scripted::healthy();
    let report = healthy.resume(place);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_sound(&place.kb());
    assert_eq!(sorted([kept, healthy.embedded()].concat()), all_texts(place));
    place.assert_equals_fresh_ingest();
}

#[test]
fn an_embedder_of_the_session_replaces_the_configured_one() {
    let place = place();
    let healthy = Scripted::healthy();
    assert_eq!(healthy.ingest(&place).exit_code, 0);
    assert_eq!(healthy.embedded().len(), stored(&place));
    place.assert_equals_fresh_ingest();
}

#[test]
fn a_call_is_made_again_while_the_embedder_is_unavailable() {
    let place = place();
    // Four times before each call that succeeds.
    let busy = Scripted::new(|number, _| if number % ATTEMPTS < 4 { BUSY } else { Answer::Right });
    let report = busy.ingest(&place);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(sorted(busy.embedded()), all_texts(&place));
    place.assert_equals_fresh_ingest();
}

#[test]
fn without_a_time_to_retry_after_the_wait_is_our_own() {
    let place = place();
    let once = Scripted::new(|number, _| match number {
        0 => Answer::Unavailable(None),
        _ => Answer::Right,
    });
    assert_eq!(once.ingest(&place).exit_code, 0);
    assert_eq!(sorted(once.embedded()), all_texts(&place));
}

/// At every call in turn: the vectors of the calls before it are kept, and nothing is sent twice.
#[test]
fn whichever_call_fails_for_good_the_others_are_kept() {
    let calls = all_texts(&place()).len().div_ceil(TEXTS);
    for (answer, exit_code, message) in [
        (BUSY, 30, "embedder scripted is unavailable: call"),
        (Answer::Refused, 31, "embedder scripted refuses: call"),
        (Answer::Panic, 1, "internal error in embedder: scripted: call"),
    ] {
        for (failing, is_remote) in (0..calls).flat_map(|call| [(call, false), (call, true)]) {
            let place = place();
            let scripted =
                Scripted::new(|number, _| if number < failing { Answer::Right } else { answer });
            let limits = Limits { is_remote, ..scripted.limits };
            let scripted = scripted.with_limits(limits);
            assert_failed(&scripted.ingest(&place), exit_code, message);
            let attempts = if answer == BUSY { ATTEMPTS } else { 1 };
            assert_eq!(scripted.calls().len(), failing + attempts, "{answer:?} at {failing}");
            assert_resumes(&place, &scripted);
        }
    }
}

#[test]
fn an_answer_of_the_wrong_shape_is_refused_and_never_stored() {
    for (answer, message) in [
        (Answer::Rows(1), "its answer has 320 values, not 4 rows of 64"),
        (Answer::Rows(-1), "its answer has 192 values, not 4 rows of 64"),
        (Answer::Rows(-4), "its answer has 0 values, not 4 rows of 64"),
        (Answer::Components(63), "its answer has 63 components a row, not 64"),
        (Answer::Components(0), "its answer has 0 components a row, not 64"),
        (Answer::Times(f32::NAN), "row 0 of its answer has a component that is no number"),
        (Answer::Times(f32::INFINITY), "row 0 of its answer has a component that is no number"),
        (Answer::Zero, "row 0 of its answer is all zero"),
    ] {
        let place = place();
        let scripted = Scripted::new(|number, _| if number < 2 { Answer::Right } else { answer });
        assert_failed(
            &scripted.ingest(&place),
            31,
            &format!("embedder hash-64 refuses: {message}"),
        );
        assert_eq!(scripted.embedded().len(), 2 * TEXTS);
        assert_resumes(&place, &scripted);
    }
}

/// A later run that reuses most vectors and replaces live revisions.
#[test]
fn a_failure_in_a_later_run_keeps_what_was_live_until_it_is_resumed() {
    let place = place();
    place.ingest();
    for number in 0..10 {
        place.write(&format!("{number}.md"), markdown(number, 7, &format!("word{number}")));
    }
    let before = rows(&place.kb(), "SELECT chunk_id FROM vector");
    let live = "SELECT uri, max(end_line) FROM chunks GROUP BY uri ORDER BY uri";
    let old = rows(&place.kb(), live);
    let failing = Scripted::new(|number, _| if number < 1 { Answer::Right } else { BUSY });
    assert_failed(&failing.ingest(&place), 30, "is unavailable");
    let changed = rows(&place.kb(), live).iter().zip(&old).filter(|(new, old)| new != old).count();
    assert!((1..9).contains(&changed), "{changed} documents are replaced, the others stay");
    assert!(rows(&place.kb(), "SELECT chunk_id FROM vector").len() > before.len());
    let healthy = Scripted::healthy();
    assert_eq!(healthy.resume(&place).exit_code, 0);
    let sent = sorted([failing.embedded(), healthy.embedded()].concat());
    let mut unique = sent.clone();
    unique.dedup();
    assert_eq!(sent, unique);
    assert!(sent.len() < all_texts(&place).len());
    assert_sound(&place.kb());
    place.assert_equals_fresh_ingest();
}

/// Ingests `place` with an embedder that cannot embed texts with one of `words`.
fn ingest_with_bad<'a>(
    place: &Place,
    texts: usize,
    words: &'a [&str],
) -> (Scripted<'a>, RunReport) {
    let script = |_: usize, texts: &[&str]| {
        let is_bad = |text: &&str| words.iter().any(|word| text.contains(word));
        if texts.iter().any(is_bad) { Answer::BadInput } else { Answer::Right }
    };
    let is_remote = texts == 16;
    let limits = Limits { texts, in_flight: 1, is_remote, ..Limits::default() };
    let scripted = Scripted::new(script).with_limits(limits);
    let report = scripted.ingest(place);
    assert_sound(&place.kb());
    let waiting = rows(&place.kb(), "SELECT * FROM queue WHERE state <> 'dead'");
    assert_eq!(waiting, Vec::<String>::new());
    (scripted, report)
}

#[test]
fn a_text_that_cannot_be_embedded_fails_its_document_alone() {
    let place = place();
    place
        .write("bad.md", "# Bad\n\n## One\n\nsound\n\n## Two\n\npoison\n\n## Three\n\nsound too\n");
    let texts = all_texts(&place);
    let bad = texts.iter().filter(|text| text.contains("poison")).count();
    assert_eq!(bad, 1);
    let (scripted, report) = ingest_with_bad(&place, 64, &["poison"]);
    assert_eq!(report.exit_code, 3, "{report:#?}");
    let [failure] = report.failures.as_slice() else { panic!("{:#?}", report.failures) };
    assert_eq!(
        (failure.uri.as_str(), failure.stage, failure.kind),
        ("bad.md", Stage::Embed, FailureKind::Permanent)
    );
    assert!(failure.error.starts_with("embedder scripted cannot embed this text: call"));
    assert_eq!(*scripted.failed.lock().unwrap(), ["bad.md"]);
    // Every other text is sent once with success, and the bad text is found in few calls.
    let embedded = sorted(scripted.embedded());
    let expected: Vec<_> = texts.iter().filter(|text| !text.contains("poison")).cloned().collect();
    assert_eq!(embedded, expected);
    let calls = scripted.calls().len();
    let most = texts.len().div_ceil(64) + 2 * 6;
    assert!(calls <= most, "{calls} calls, at most {most}");
    assert_eq!(rows(&place.kb(), "SELECT DISTINCT uri FROM chunks").len(), 10);
    assert_eq!(stored(&place), expected.len());

    // It remains so until it is retried on request; then only this text is sent.
    let healthy = Scripted::healthy();
    assert_eq!(healthy.ingest(&place).exit_code, 3);
    assert_eq!(healthy.calls().len(), 0);
    let options = IngestOptions { retry_failed: true, ..IngestOptions::default() };
    assert_eq!(healthy.ingest_with(&place, options, &Arc::default()).exit_code, 0);
    assert_eq!(healthy.embedded().len(), 1);
    place.assert_equals_fresh_ingest();
}

#[test]
fn every_bad_text_of_a_call_is_found_and_no_other() {
    let place = place();
    place.write("more.md", markdown(77, 3, "more"));
    let words = ["word0", "word3 ", "word9", "more"];
    let (scripted, report) = ingest_with_bad(&place, 16, &words);
    assert_eq!(report.exit_code, 3, "{report:#?}");
    let failed: Vec<_> = report.failures.iter().map(|failure| failure.uri.as_str()).collect();
    assert_eq!(failed, ["0.md", "3.md", "9.md", "more.md"]);
    let is_bad = |text: &String| words.iter().any(|word| text.contains(word));
    let texts = all_texts(&place);
    let good: Vec<_> = texts.iter().filter(|text| !is_bad(text)).cloned().collect();
    assert_eq!(sorted(scripted.embedded()), good);
    // Each is sent alone before it is given up.
    let alone = scripted.calls().into_iter().filter(|(texts, _)| texts.len() == 1);
    let alone = alone.filter(|(_, answer)| *answer == Answer::BadInput);
    let alone: Vec<_> = alone.flat_map(|(texts, _)| texts).collect();
    assert_eq!(sorted(alone), texts.into_iter().filter(|text| is_bad(text)).collect::<Vec<_>>());
}

/// As if they were too long together: the embedder blames one of them wrongly.
#[test]
fn texts_that_fail_only_together_are_all_embedded() {
    let place = place();
    let script = |_: usize, texts: &[&str]| match texts.len() {
        1 => Answer::Right,
        _ => Answer::BadInput,
    };
    let scripted = Scripted::new(script);
    assert_eq!(scripted.ingest(&place).exit_code, 0);
    assert_eq!(sorted(scripted.embedded()), all_texts(&place));
    place.assert_equals_fresh_ingest();
}

#[test]
fn a_bad_text_and_a_refusal_in_one_run_lose_nothing() {
    let place = place();
    let script = |number: usize, texts: &[&str]| match number {
        15.. => Answer::Refused,
        _ if texts.iter().any(|text| text.contains("word1")) => Answer::BadInput,
        _ => Answer::Right,
    };
    let scripted = Scripted::new(script);
    let report = scripted.ingest(&place);
    assert_eq!(report.exit_code, 31, "{report:#?}");
    assert_sound(&place.kb());
    let healthy = Scripted::healthy();
    let report = healthy.resume(&place);
    assert_eq!(report.exit_code, 3, "{report:#?}");
    let options = IngestOptions { retry_failed: true, ..IngestOptions::default() };
    assert_eq!(healthy.ingest_with(&place, options, &Arc::default()).exit_code, 0);
    assert_eq!(sorted([scripted.embedded(), healthy.embedded()].concat()), all_texts(&place));
    place.assert_equals_fresh_ingest();
}

/// At every call in turn, a stop is requested during the wait for a retry, which would take an
/// hour.
#[test]
fn a_stop_ends_the_wait_for_a_retry_and_loses_nothing() {
    let calls = all_texts(&place()).len().div_ceil(TEXTS);
    for waiting in 0..calls {
        let place = place();
        let stop = Arc::new(StopSignal::default());
        let scripted = Scripted::new(|number, _| {
            if number < waiting {
                return Answer::Right;
            }
            stop.request();
            Answer::Unavailable(Some(Duration::from_secs(3600)))
        });
        let report = scripted.ingest_until(&place, &stop);
        assert_cancelled(&report, &format!("call {waiting}"));
        assert_eq!(scripted.calls().len(), waiting + 1, "none is made after the stop");
        assert_resumes(&place, &scripted);
    }
}

/// The call in progress when the stop is requested is the last one, and its vectors are kept.
#[test]
fn a_stop_during_a_call_keeps_what_it_returns() {
    let place = place();
    let stop = Arc::new(StopSignal::default());
    let scripted = Scripted::new(|number, _| {
        if number == 3 {
            stop.request();
        }
        Answer::Right
    });
    assert_cancelled(&scripted.ingest_until(&place, &stop), "the fourth call");
    assert_eq!(scripted.calls().len(), 4);
    assert_resumes(&place, &scripted);
}

/// Lets one call wait for another; fails instead of waiting forever.
#[derive(Default)]
struct Meeting {
    arrived: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    fn arrive(&self) {
        *self.arrived.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    fn wait_for(&self, count: usize) {
        let arrived = self.arrived.lock().unwrap();
        let long = Duration::from_secs(60);
        let is_early = |arrived: &mut usize| *arrived < count;
        let (arrived, _) = self.changed.wait_timeout_while(arrived, long, is_early).unwrap();
        assert!(*arrived >= count, "the other call never came");
    }
}

#[test]
fn a_slow_call_is_kept_though_another_one_is_refused_meanwhile() {
    let place = place();
    let (both, refused) = (Meeting::default(), Meeting::default());
    let scripted = Scripted::new(|number, _| {
        both.arrive();
        both.wait_for(2);
        match number {
            0 => {
                refused.wait_for(1);
                Answer::Right
            }
            _ => {
                refused.arrive();
                Answer::Refused
            }
        }
    })
    .with_limits(Limits { texts: TEXTS, in_flight: 2, ..Limits::default() });
    assert_failed(&scripted.ingest(&place), 31, "refuses");
    assert_eq!(scripted.embedded().len(), TEXTS);
    assert_resumes(&place, &scripted);
}

#[test]
fn no_more_calls_are_under_way_than_the_embedder_takes() {
    let place = place();
    for in_flight in [1, 2, 3] {
        let (together, under_way) = (Meeting::default(), Mutex::new((0, 0)));
        let scripted = Scripted::new(|_, _| {
            {
                let mut counts = under_way.lock().unwrap();
                counts.0 += 1;
                counts.1 = counts.0.max(counts.1);
            }
            together.arrive();
            together.wait_for(in_flight);
            under_way.lock().unwrap().0 -= 1;
            Answer::Right
        })
        .with_limits(Limits { texts: TEXTS, in_flight, ..Limits::default() });
        let options = IngestOptions { threads: 4, restart: true, ..IngestOptions::default() };
        let config = place.config_into(&format!("{in_flight}.kb"));
        let report = operations::ingest(&config, &options, &scripted.session(&Arc::default()));
        assert_eq!(report.unwrap().exit_code, 0);
        assert_eq!(*under_way.lock().unwrap(), (0, in_flight));
    }
}

#[test]
fn calls_are_within_the_limits_of_the_embedder() {
    let place = place();
    let all = all_texts(&place);
    let hash = Hash::new(64);
    let tokens = |texts: &[String]| texts.iter().map(|text| hash.count_tokens(text)).sum::<usize>();
    let longest = all.iter().map(|text| hash.count_tokens(text)).max().unwrap();
    for limits in [
        Limits { texts: 1, tokens: usize::MAX, in_flight: 1, ..Limits::default() },
        Limits { texts: 7, tokens: usize::MAX, in_flight: 2, ..Limits::default() },
        Limits { texts: usize::MAX, tokens: 3 * longest, in_flight: 1, ..Limits::default() },
        Limits { texts: 4, tokens: 2 * longest, in_flight: usize::MAX, ..Limits::default() },
        // A limit that every text exceeds, and one that none does.
        Limits { texts: 4, tokens: 1, in_flight: 1, ..Limits::default() },
        Limits { texts: 0, tokens: 0, in_flight: 0, ..Limits::default() },
    ] {
        let scripted = Scripted::healthy().with_limits(limits);
        let config = place.config_into("limited.kb");
        crate::support::remove_kb(&config.kb);
        let session = scripted.session(&Arc::default());
        let report = operations::ingest(&config, &IngestOptions::default(), &session).unwrap();
        assert_eq!(report.exit_code, 0);
        for (texts, _) in scripted.calls() {
            assert!(texts.len() <= limits.texts.max(1), "{limits:?}: {texts:#?}");
            let is_within = tokens(&texts) <= limits.tokens || texts.len() == 1;
            assert!(is_within, "{limits:?}: {texts:#?}");
        }
        assert_eq!(sorted(scripted.embedded()), all);
    }
}

/// Rows need not have unit length, and are stored as if they had.
#[test]
fn rows_of_any_length_are_scaled() {
    let place = place();
    let script = |_: usize, _: &[&str]| Answer::Times(4.0);
    assert_eq!(Scripted::new(script).ingest(&place).exit_code, 0);
    let connection = read_only(&place.kb());
    let mut statement = connection.prepare("SELECT scale, embedding FROM vector").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for row in rows {
        let (scale, bytes): ([u8; 4], Vec<u8>) = row.unwrap();
        let scale = f32::from_le_bytes(scale);
        let square: f32 =
            bytes.iter().map(|&byte| (f32::from(byte.cast_signed()) * scale).powi(2)).sum();
        assert!((square - 1.0).abs() < 0.05, "{square}");
    }
}
