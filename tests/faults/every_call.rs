//! Every call of libc that touches our files: the process dies before it or half way through it, or
//! the call fails, once or permanently. In every case the knowledge base is sound, the exit code
//! and the message are correct, and the next run has the result of an undisturbed run.
//!
//! Calls are numbered; threads may swap neighbours between runs, which is harmless here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use kbingest::kb::Reader;
use kbingest::operations::{self, CheckOptions, Target};

use crate::shim::{self, Counts, Ended, Fault, Plan};
use crate::support::{Place, SETTINGS, dump, markdown, remove_kb, rows};

/// Calls tried per fault, once and permanently each, unless `KBINGEST_FAULTS` says otherwise.
const SAMPLES: u64 = 12;
/// Limit on the findings described; more would have the same cause.
const FINDINGS_MAX: usize = 25;

/// A run that is disturbed again and again.
struct Scenario {
    place: Place,
    /// Its initial state.
    base: Option<PathBuf>,
    /// Its result.
    expected: String,
    counts: Counts,
}

impl Scenario {
    fn fresh() -> Self {
        Self::record(small_corpus(), None)
    }

    fn incremental() -> Self {
        let place = small_corpus();
        assert_eq!(shim::run("ingest", &place.toml(), &place.kb()).code(), Some(0));
        let base = place.path("base");
        fs::copy(place.kb(), &base).unwrap();
        place.write("1.md", markdown(1, 4, "edited"));
        place.write("new.md", markdown(50, 3, "new"));
        place.remove("2.md");
        place.rename("3.md", "moved.md");
        Self::record(place, Some(base))
    }

    fn record(place: Place, base: Option<PathBuf>) -> Self {
        let counts = Counts { changes: 0, opens: 0, reads: 0 };
        let mut scenario = Self { place, base, expected: String::new(), counts };
        scenario.reset();
        let (toml, kb) = (scenario.place.toml(), scenario.kb());
        scenario.counts = shim::record("ingest", &toml, &kb, None);
        scenario.expected = dump(&kb);
        scenario
    }

    fn kb(&self) -> PathBuf {
        self.place.kb()
    }

    fn reset(&self) {
        remove_kb(&self.kb());
        let _ = fs::remove_file(self.place.path("kb.kb-journal"));
        if let Some(base) = &self.base {
            fs::copy(base, self.kb()).unwrap();
        }
    }

    /// Disturbs one run; returns whether the fault occurred, or what was wrong.
    fn disturb(&self, plan: Plan) -> Result<bool, String> {
        self.reset();
        let (toml, kb) = (self.place.toml(), self.kb());
        let ended = shim::run_with(plan, "ingest", &toml, &kb);
        let described = |what: String| format!("{plan:?}: {what}\n  {ended:?}");
        self.judge(plan, &ended).map_err(described)?;
        assert_sound_or_absent(&kb).map_err(described)?;
        self.recover(plan).map_err(described)?;
        Ok(ended.fired.is_some())
    }

    /// Returns what is wrong with how the process ended.
    fn judge(&self, plan: Plan, ended: &Ended) -> Result<(), String> {
        if ended.stderr.contains("panicked") {
            return Err("it panicked".to_owned());
        }
        let code = ended.code();
        if code == Some(0) {
            // SQLite ignores some errors if nothing depends on the call; a fault that hit nothing
            // may be ignored too.
            return same(&self.kb(), &self.expected, "after exit code 0");
        }
        let Some(fired) = ended.fired.as_deref() else {
            return Err("it failed without a fault".to_owned());
        };
        let kb = self.kb().display().to_string();
        let says = |word: &str| {
            let line = || format!("the message does not say {word:?}");
            if ended.stderr.contains(word) { Ok(()) } else { Err(line()) }
        };
        match plan.fault {
            Fault::Kill | Fault::Torn if ended.was_killed() => Ok(()),
            Fault::Bus if code == Some(40) => {
                says("shared memory")?;
                says("resume")
            }
            // If SQLite cannot create a file it tries to read it, and reports the error of that: by
            // the time we check, there is space again.
            Fault::Enospc | Fault::Edquot
                if code == Some(41) && !plan.for_good && fired.starts_with("create kb.kb-") =>
            {
                Ok(())
            }
            Fault::Enospc | Fault::Edquot if code == Some(40) => {
                says(&kb)?;
                says("bytes free")?;
                says("resume")
            }
            Fault::Eio | Fault::Emfile | Fault::Erofs | Fault::ReadEio if code == Some(41) => {
                says(&kb)
            }
            _ => Err("the exit code is wrong".to_owned()),
        }
    }

    /// Continues undisturbed, with `resume` if the number is odd, and compares.
    fn recover(&self, plan: Plan) -> Result<(), String> {
        let (toml, kb) = (self.place.toml(), self.kb());
        if plan.at % 2 == 1 && has_run(&kb) {
            let was_unfinished = has_unfinished_run(&kb);
            let ended = shim::run("resume", &toml, &kb);
            if ended.code() != Some(0) {
                return Err(format!("resume failed: {ended:?}"));
            }
            if was_unfinished {
                same(&kb, &self.expected, "after resume")?;
            }
        }
        let ended = shim::run("ingest", &toml, &kb);
        if ended.code() != Some(0) {
            return Err(format!("the next ingest failed: {ended:?}"));
        }
        assert_sound_or_absent(&kb)?;
        same(&kb, &self.expected, "after the next ingest")?;
        let queue = rows(&kb, "SELECT * FROM queue");
        if queue.is_empty() { Ok(()) } else { Err(format!("left in the queue: {queue:?}")) }
    }

    /// Tries every fault at evenly spread calls, and fails with everything that was wrong.
    fn sweep(&self, name: &str) {
        let (since, samples) = (Instant::now(), shim::samples(SAMPLES));
        let (mut runs, mut fired, mut findings) = (0, 0, Vec::new());
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            for for_good in [false, true] {
                if for_good && fault.is_last() {
                    continue;
                }
                let shift = index as u64 + u64::from(for_good) * 3;
                for at in shim::spread(self.counts.of(fault), samples, shift) {
                    runs += 1;
                    match self.disturb(Plan { fault, at, for_good }) {
                        Ok(has_fired) => fired += u32::from(has_fired),
                        Err(finding) => findings.push(finding),
                    }
                }
            }
        }
        let seconds = since.elapsed().as_secs();
        println!("{name}: {:?}, {runs} runs, {fired} faults, {seconds} s", self.counts);
        let described = findings.iter().take(FINDINGS_MAX).map(String::as_str).collect::<Vec<_>>();
        assert!(findings.is_empty(), "{} of {runs}:\n{}", findings.len(), described.join("\n"));
        assert!(fired * 2 > runs, "only {fired} of {runs} faults came to pass");
    }
}

/// A few documents: each call matters, not the number of documents.
fn small_corpus() -> Place {
    let place = Place::new();
    place.configure(&SETTINGS.replace("dim = 64", "dim = 16"));
    for number in 0..5 {
        place.write(&format!("{number}.md"), markdown(number, 3, "common"));
    }
    place
}

fn same(kb: &Path, expected: &str, when: &str) -> Result<(), String> {
    let kb = Reader::open(kb).map_err(|error| format!("{when}: {error}"))?;
    let actual = kb.maintenance().dump().map_err(|error| format!("{when}: {error}"))?;
    let differs = || {
        let pairs =
            actual.lines().map(Some).chain([None]).zip(expected.lines().map(Some).chain([None]));
        pairs.into_iter().find(|(actual, expected)| actual != expected)
    };
    if actual == expected { Ok(()) } else { Err(format!("differs {when}: {:?}", differs())) }
}

/// A fault before the file is a knowledge base leaves no file, or an empty one.
fn assert_sound_or_absent(kb: &Path) -> Result<(), String> {
    if !is_knowledge_base(kb) {
        return Ok(());
    }
    let options = CheckOptions { read_data: true, repair: false };
    match operations::check(&Target::File(kb.to_owned()), options) {
        Ok(report) if report.findings.is_empty() => Ok(()),
        Ok(report) => Err(format!("{:?}", report.findings)),
        Err(error) => Err(format!("check: {error}")),
    }
}

fn is_knowledge_base(kb: &Path) -> bool {
    kb.exists() && crate::support::read_only(kb).prepare("SELECT * FROM run").is_ok()
}

fn has_run(kb: &Path) -> bool {
    is_knowledge_base(kb) && !rows(kb, "SELECT id FROM run").is_empty()
}

fn has_unfinished_run(kb: &Path) -> bool {
    let last = rows(kb, "SELECT status FROM run ORDER BY id DESC LIMIT 1");
    last.iter().any(|status| !status.starts_with("completed"))
}

#[test]
fn a_first_ingest_survives_every_call() {
    Scenario::fresh().sweep("first ingest");
}

#[test]
fn a_later_ingest_survives_every_call() {
    Scenario::incremental().sweep("later ingest");
}
