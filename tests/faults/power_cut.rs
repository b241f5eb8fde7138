//! The power fails after a call. From the log of a run a possible state of the disk is made (see
//! `disk`): the knowledge base is sound, nothing acknowledged is lost, and the next run has the
//! result of an undisturbed run.
//!
//! A commit is acknowledged when the program has continued after it: at the next write to the WAL,
//! or at the end of the process. Its content is read from the whole disk of that moment, so a
//! commit that was not synced counts too; losing it is what `synchronous = NORMAL` would do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use kbingest::config::Config;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::disk::{Disk, Random};
use crate::log::{self, Action, Call};
use crate::shim;
use crate::support::{Place, SETTINGS, assert_sound, dump, ingest, markdown, read_only, resume};

/// Cuts per run, unless `KBINGEST_FAULTS` says otherwise; `all` is three at every call.
const SAMPLES: u64 = 40;
const CUTS_PER_CALL: u64 = 3;
/// Cuts after each truncate and unlink, in any case: what they remove must be safe elsewhere.
const CUTS_PER_LOSS: u64 = 4;
/// Cuts of the long run, in any case: each takes seconds.
const SAMPLES_LONG: u64 = 24;
const FINDINGS_MAX: usize = 10;
/// Lengths in the WAL's format: https://sqlite.org/fileformat.html, section 4.1.
const WAL_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
const PAGE: usize = 8192;

/// What a commit guarantees: numbers that only grow, unlike the number of queue rows.
type Acknowledged = [i64; 6];

/// Runs, completed runs, and their counts.
const ACKNOWLEDGED: &str = "SELECT count(*), coalesce(sum(status LIKE 'completed%'), 0),
    coalesce(sum(documents_crawled), 0), coalesce(sum(chunks_queued), 0),
    coalesce(sum(chunks_stored), 0), coalesce(sum(documents_deleted), 0) FROM run";

/// An undisturbed run, with all its calls.
struct Recording {
    place: Place,
    start: Disk,
    calls: Vec<Call>,
    expected: String,
    /// The call from which on each is acknowledged, ascending.
    acknowledged: Vec<(usize, Acknowledged)>,
}

impl Recording {
    fn new(place: Place) -> Self {
        let mut start = Disk::default();
        for name in ["kb.kb", "kb.kb.lock"] {
            if let Ok(content) = fs::read(place.path(name)) {
                start.put(name, content);
            }
        }
        let log = place.path("log");
        shim::record("ingest", &place.toml(), &place.kb(), Some(&log));
        let expected = dump(&place.kb());
        let calls = log::read(&log);
        let acknowledged = acknowledged(start.clone(), &calls);
        Self { place, start, calls, expected, acknowledged }
    }

    fn after(&self, call: usize) -> Acknowledged {
        let last = self.acknowledged.iter().take_while(|(from, _)| *from <= call).last();
        last.map_or([0; 6], |(_, acknowledged)| *acknowledged)
    }

    /// Cuts the power after the first `calls` calls; returns what is wrong.
    fn cut(&self, disk: &Disk, calls: usize, seed: u64) -> Result<(), String> {
        let folder = TempDir::new().unwrap();
        disk.write_cut(folder.path(), &mut Random(seed));
        let kb = folder.path().join("kb.kb");
        let config = Config { kb: kb.clone(), ..self.place.config() };
        let acknowledged = self.after(calls);
        // A finding of any kind is a panic of the shared helpers.
        let look = std::panic::AssertUnwindSafe(|| look(&config, acknowledged, &self.expected));
        let result = std::panic::catch_unwind(look).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            Err(text.unwrap_or_else(|| "a helper panicked".to_owned()))
        });
        result.map_err(|finding| format!("after {calls} calls, seed {seed}: {finding}"))
    }

    /// Returns the numbers of calls after which to cut, with seeds; ascending.
    fn cuts(&self, samples: Option<u64>) -> Vec<(usize, u64)> {
        let count = (self.calls.len() as u64 + 1) * CUTS_PER_CALL;
        let spread = shim::spread(count, samples, 1);
        let spread = spread.iter().map(|cut| (usize::try_from(cut / CUTS_PER_CALL).unwrap(), *cut));
        let mut cuts: Vec<_> = spread.collect();
        for (index, call) in self.calls.iter().enumerate() {
            if matches!(call.action, Action::Truncate { .. } | Action::Unlink) {
                cuts.extend((0..CUTS_PER_LOSS).map(|seed| (index + 1, count + seed)));
            }
        }
        cuts.sort_unstable();
        cuts
    }

    fn sweep(&self, name: &str, samples: Option<u64>) {
        let (since, mut findings) = (Instant::now(), Vec::new());
        let cuts = self.cuts(samples);
        let mut disk = self.start.clone();
        let mut applied = 0;
        for (calls, seed) in &cuts {
            self.calls[applied..*calls].iter().for_each(|call| disk.apply(call));
            applied = *calls;
            findings.extend(self.cut(&disk, *calls, *seed).err());
        }
        let seconds = since.elapsed().as_secs();
        let (calls, commits) = (self.calls.len(), self.acknowledged.len());
        println!("{name}: {calls} calls, {commits} commits, {} cuts, {seconds} s", cuts.len());
        let reported = findings.iter().take(FINDINGS_MAX).map(String::as_str).collect::<Vec<_>>();
        assert!(
            findings.is_empty(),
            "{} of {}:\n{}",
            findings.len(),
            cuts.len(),
            reported.join("\n")
        );
    }
}

/// Examines what the power cut left, and continues.
fn look(config: &Config, acknowledged: Acknowledged, expected: &str) -> Result<(), String> {
    let found = counts(&config.kb).unwrap_or([0; 6]);
    if found.iter().zip(acknowledged).any(|(found, acknowledged)| *found < acknowledged) {
        return Err(format!("acknowledged {acknowledged:?}, but found {found:?}"));
    }
    if found[0] > 0 {
        assert_sound(&config.kb);
        let report = resume(config, None);
        if report.run.is_some() && dump(&config.kb) != expected {
            return Err("the content differs after resume".to_owned());
        }
    }
    let report = ingest(config, None);
    if report.exit_code != 0 {
        return Err(format!("the next ingest failed: {report:#?}"));
    }
    assert_sound(&config.kb);
    if dump(&config.kb) == expected { Ok(()) } else { Err("the content differs".to_owned()) }
}

/// Returns the counts of the knowledge base; `None` if it is not one yet.
fn counts(kb: &Path) -> Option<Acknowledged> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(kb, flags).ok()?;
    let row = connection.query_row(ACKNOWLEDGED, [], |row| {
        let mut counts = [0; 6];
        for (column, count) in counts.iter_mut().enumerate() {
            *count = row.get(column)?;
        }
        Ok(counts)
    });
    row.ok()
}

/// Returns the call from which on each is acknowledged.
fn acknowledged(mut disk: Disk, calls: &[Call]) -> Vec<(usize, Acknowledged)> {
    let mut acknowledged = Vec::new();
    let mut note = |disk: &Disk, call: usize| {
        let folder = TempDir::new().unwrap();
        disk.write_whole(folder.path());
        acknowledged.extend(counts(&folder.path().join("kb.kb")).map(|counts| (call, counts)));
    };
    note(&disk, 0);
    let mut is_committed = false;
    for (index, call) in calls.iter().enumerate() {
        let head = wal_head(call);
        if is_committed && head.is_some() {
            // The program continues with this call: what was committed before it is acknowledged.
            note(&disk, index);
            is_committed = false;
        }
        is_committed |= head == Some(true);
        disk.apply(call);
    }
    note(&disk, calls.len());
    acknowledged
}

/// Returns whether `call` writes the header of a frame in the WAL that ends a commit; `None` if it
/// writes no header.
fn wal_head(call: &Call) -> Option<bool> {
    let Action::Write { offset, bytes } = &call.action else { return None };
    if !call.name.ends_with("-wal") {
        return None;
    }
    match (bytes.len(), offset.checked_sub(WAL_HEAD)) {
        (WAL_HEAD, None) => Some(false),
        (FRAME_HEAD, Some(at)) if at % (FRAME_HEAD + PAGE) == 0 => {
            Some(bytes[4..8] != [0, 0, 0, 0])
        }
        _ => None,
    }
}

/// Documents for several batches of the producer: several commits.
fn corpus(documents: u64, sections: usize) -> Place {
    let place = Place::new();
    place.configure(&SETTINGS.replace("dim = 64", "dim = 16"));
    for number in 0..documents {
        place.write(&format!("{number}.md"), markdown(number, sections, "common"));
    }
    place
}

#[test]
fn a_first_ingest_survives_power_cuts() {
    Recording::new(corpus(600, 1)).sweep("first ingest", shim::samples(SAMPLES));
}

#[test]
fn a_later_ingest_survives_power_cuts() {
    let place = corpus(600, 1);
    shim::record("ingest", &place.toml(), &place.kb(), None);
    for number in (0..600).step_by(2) {
        place.write(&format!("{number}.md"), markdown(number, 2, "edited"));
    }
    for number in (1..600).step_by(40) {
        place.remove(&format!("{number}.md"));
    }
    Recording::new(place).sweep("later ingest", shim::samples(SAMPLES));
}

/// Its WAL is copied back and restarted in the middle of the run.
#[test]
fn a_long_ingest_survives_power_cuts() {
    if shim::samples(SAMPLES).is_some() {
        println!("long ingest skipped: it takes minutes, KBINGEST_FAULTS=all runs it");
        return;
    }
    let recording = Recording::new(corpus(500, 110));
    let begun = recording.calls.iter().filter(|call| {
        matches!(&call.action, Action::Write { offset: 0, .. } if call.name.ends_with("-wal"))
    });
    assert!(begun.count() > 1, "the WAL was never begun again");
    recording.sweep("long ingest", Some(SAMPLES_LONG));
}

#[test]
fn a_disk_that_is_made_again_whole_is_the_disk() {
    let recording = Recording::new(corpus(600, 1));
    let mut disk = recording.start.clone();
    recording.calls.iter().for_each(|call| disk.apply(call));
    let folder = TempDir::new().unwrap();
    disk.write_whole(folder.path());
    let made: PathBuf = folder.path().join("kb.kb");
    assert_eq!(fs::read(&made).unwrap(), fs::read(recording.place.kb()).unwrap());
    assert!(recording.acknowledged.len() > 10, "{:?}", recording.acknowledged);
    let stored: i64 =
        read_only(&made).query_row("SELECT count(*) FROM vector", [], |row| row.get(0)).unwrap();
    assert_eq!(recording.acknowledged.last().unwrap().1[4], stored);
}
