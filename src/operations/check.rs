//! `check`: verifies the invariants of a knowledge base, and repairs violations.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Target, files};
use crate::analysis::{AUTO, Analyser};
use crate::error::Error;
use crate::kb::{Finding, KbError, Maintenance, Reader, Repair, Writer};
use crate::pipeline::repair::{check_covered, check_recomputed, rebuild_index};
use crate::support::checkpoint::StopSignal;
use crate::support::events::Silent;
use crate::support::files::create_new_shared;
use crate::support::lock::Lock;
use crate::support::sharing::Sharing;
use crate::support::storage;
use crate::workers;

/// The options of a check.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Read everything: compare it with its checksums, and the full-text index with the tokens of
    /// the texts.
    pub read_data: bool,
    /// Repair what is found.
    pub repair: bool,
}

/// The result of a check; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// All violations, before any repair; empty if it is sound.
    pub findings: Vec<Finding>,
    /// The result of the repair, if one was requested and needed.
    pub repair: Option<Repair>,
    /// Copy of the damaged file, if the repair had to leave something out of the new one.
    #[serde(serialize_with = "crate::support::names::lossy_option")]
    pub damaged_copy: Option<PathBuf>,
}

/// Checks the knowledge base of `target`; without `repair` it works during a run and writes
/// nothing.
pub fn check(target: &Target, options: CheckOptions) -> Result<CheckReport, Error> {
    check_and_repair(target, options).map_err(|error| match error {
        // Its statements are tested on sound files.
        Error::Kb(error) => error.damage().map_or(error, KbError::Damaged).into(),
        other => other,
    })
}

fn check_and_repair(target: &Target, options: CheckOptions) -> Result<CheckReport, Error> {
    let path = target.kb();
    if !options.repair {
        let kb = Reader::open(path)?;
        let kb = kb.maintenance();
        let findings = match options.read_data {
            true => check_all(target, kb)?,
            false => kb.check(false)?,
        };
        // Nothing is damaged: a repair would not change it.
        let is_sound = findings.is_empty() && options.read_data;
        let findings = if is_sound { check_covered(kb)? } else { findings };
        return Ok(CheckReport::new(target, findings));
    }
    let _lock = Lock::take_existing(path)?;
    // A repair has to find everything first, in the data too.
    let found = Writer::open(path)
        .map_err(Error::from)
        .and_then(|kb| check_all(target, kb.reader().maintenance()));
    let findings = match found {
        Err(Error::Kb(error)) if may_be_damage(&error) => {
            vec![Finding { invariant: "the file can be read", subject: error.to_string() }]
        }
        found => found?,
    };
    let mut report = CheckReport::new(target, findings);
    if !report.findings.is_empty() {
        let (repair, kept) = rebuild(target)?;
        (report.repair, report.damaged_copy) = (Some(repair), kept);
    }
    Ok(report)
}

/// Returns whether a file that cannot be opened may be a damaged one of ours.
fn may_be_damage(error: &KbError) -> bool {
    match error {
        KbError::Incompatible { reason, .. } => {
            ["is a SQLite file of another program", "is not a knowledge base"]
                .iter()
                .any(|start| reason.starts_with(start))
        }
        error => error.damage().is_some(),
    }
}

/// Returns all findings.
fn check_all(target: &Target, kb: Maintenance<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = kb.check(true)?;
    // If these find something, recomputing from the texts cannot succeed.
    if findings.is_empty() {
        let fingerprint = kb.reader().analysis_fingerprint()?;
        if let Some(analyser) = Analyser::for_fingerprint(&fingerprint) {
            let pool = workers::pool(0);
            findings = check_recomputed(kb, &analyser, pool.get()?)?;
        } else if !fingerprint.is_empty() && !Analyser::is_fingerprint(&fingerprint) {
            let invariant = "the file names what made its full-text index";
            findings.push(Finding { invariant, subject: target.kb().display().to_string() });
        }
    }
    Ok(findings)
}

/// Builds a new knowledge base from everything readable and replaces the damaged one; returns the
/// result, and the path of the damaged file if it contains more.
///
/// The file itself is not touched until the new one is checked.
fn rebuild(target: &Target) -> Result<(Repair, Option<PathBuf>), Error> {
    let path = target.kb();
    let (damaged, fresh) = (files::free_damaged(path), files::repaired(path));
    files::remove_database(&fresh)?;
    copy(path, &damaged)?;
    let rebuilt = build(target, &damaged, &fresh);
    let (repair, kb) = match rebuilt {
        Ok(rebuilt) => rebuilt,
        Err(error) => {
            files::remove_database(&fresh)?;
            files::remove_database(&damaged)?;
            return Err(error);
        }
    };
    // The patched copy is only good for reading: the unpatched file is kept.
    files::remove_database(&damaged)?;
    copy(path, &damaged)?;
    let is_overwritten = kb.overwrite(path).is_ok()
        && Reader::open(path)
            .and_then(|live| live.maintenance().check(true))
            .is_ok_and(|findings| findings.is_empty());
    drop(kb);
    if is_overwritten {
        files::remove_database(&fresh)?;
    } else {
        // So damaged that SQLite does not write to it. A log must never meet a file that it does
        // not belong to.
        for ending in ["-wal", "-shm", "-journal"] {
            files::remove_one(&storage::beside(path, ending))?;
        }
        std::fs::rename(&fresh, path).map_err(|source| KbError::io("create", path, source))?;
        files::remove_database(&fresh)?;
    }
    if repair.documents_requeued + repair.documents_to_read > 0 {
        return Ok((repair, Some(damaged)));
    }
    files::remove_database(&damaged)?;
    Ok((repair, None))
}

fn build(target: &Target, damaged: &Path, fresh: &Path) -> Result<(Repair, Writer), Error> {
    let sharing = Sharing { mode: None, model: Some(target.kb()) };
    let kb = Writer::create_or_open_as(fresh, &sharing, None)?;
    let mut repair = kb.salvage(damaged).map_err(|error| match error.damage() {
        Some(what) => KbError::Damaged(format!("it cannot be repaired: {what}")),
        None => error,
    })?;
    let language = match target {
        Target::Config(config) => &config.search.language,
        Target::File(_) => AUTO,
    };
    // The one that made the index, if it can be read; a run rebuilds the index if its settings
    // differ.
    let analyser = Reader::open(target.kb())
        .and_then(|kb| kb.analysis_fingerprint())
        .ok()
        .and_then(|fingerprint| Analyser::for_fingerprint(&fingerprint))
        .unwrap_or_else(|| Analyser::new(language));
    let pool = workers::pool(0);
    repair.chunks_indexed = rebuild_index(
        |name, analyse| kb.rebuild_index(name, analyse),
        &analyser,
        pool.get()?,
        &StopSignal::default(),
    )?;
    kb.finish(0, &|| false, &Silent)?;
    if let Some(finding) = check_all(target, kb.reader().maintenance())?.first() {
        let what = format!(
            "it cannot be repaired: what was rebuilt is not sound ({}: {})",
            finding.invariant, finding.subject
        );
        return Err(KbError::Damaged(what).into());
    }
    Ok((repair, kb))
}

/// Copies a knowledge base that nobody writes to, with its log.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    for ending in ["", "-wal"] {
        let (from, to) = (storage::beside(from, ending), storage::beside(to, ending));
        let copied = match std::fs::File::open(&from) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => Err(error),
            Ok(mut file) => {
                let sharing = Sharing { mode: None, model: Some(&from) };
                create_new_shared(&to, &sharing)
                    .and_then(|mut copy| std::io::copy(&mut file, &mut copy))
            }
        };
        copied.map_err(|source| match storage::is_full(&source) {
            true => KbError::full(&to, source),
            false => KbError::io("create", &to, source),
        })?;
    }
    Ok(())
}

impl CheckReport {
    fn new(target: &Target, findings: Vec<Finding>) -> Self {
        let knowledge_base = target.kb().to_owned();
        Self { schema: 1, knowledge_base, findings, repair: None, damaged_copy: None }
    }
}
