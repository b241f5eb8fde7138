//! `check`: the invariants of a knowledge base, and mending what breaks them.

use std::path::PathBuf;

use serde::Serialize;

use super::Target;
use crate::analysis::{Analyser, SearchConfig};
use crate::error::Error;
use crate::kb::{Finding, INDEX_INVARIANTS, KbError, KnowledgeBase, Repair};
use crate::pipeline::repair::rebuild_index;
use crate::support::checkpoint::StopSignal;
use crate::support::lock::Lock;
use crate::workers;

/// How to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Read every stored text and vector and compare it with its checksum.
    pub read_data: bool,
    /// Mend what is found.
    pub repair: bool,
}

/// What a check found; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The knowledge base.
    pub knowledge_base: PathBuf,
    /// All that is not as it must be, before any repair; empty where it is sound.
    pub findings: Vec<Finding>,
    /// What was mended, where that was asked for and needed.
    pub repair: Option<Repair>,
}

/// Checks the knowledge base of `target`; without `repair` it works beside a running ingest and writes
/// nothing.
pub fn check(target: &Target, options: CheckOptions) -> Result<CheckReport, Error> {
    check_and_mend(target, options).map_err(|error| match error {
        // Its statements are tested on sound files.
        Error::Kb(error) => error.damage().map_or(error, KbError::Damaged).into(),
        other => other,
    })
}

fn check_and_mend(target: &Target, options: CheckOptions) -> Result<CheckReport, Error> {
    let path = target.kb();
    if !options.repair {
        let findings = KnowledgeBase::open_for_reading(path)?.check(options.read_data)?;
        return Ok(CheckReport::new(target, findings, None));
    }
    let _lock = Lock::take_existing(path)?;
    let kb = KnowledgeBase::open_for_writing(path)?;
    // What is to be mended has to be found first, in the data too.
    let findings = kb.check(true)?;
    if findings.is_empty() {
        return Ok(CheckReport::new(target, findings, None));
    }
    let mut repair = kb.repair()?;
    if findings.iter().any(|finding| INDEX_INVARIANTS.contains(&finding.invariant)) {
        let config = match target {
            Target::Config(config) => config.search.clone(),
            Target::File(_) => SearchConfig::default(),
        };
        // As it was made, where this program can; a run makes it anew where its settings differ.
        let analyser = Analyser::for_fingerprint(&kb.analysis_fingerprint()?)
            .unwrap_or_else(|| Analyser::new(&config));
        let pool = workers::pool(0);
        let stop = StopSignal::default();
        repair.chunks_indexed = rebuild_index(&kb, None, &analyser, pool.get()?, &stop)?;
    }
    Ok(CheckReport::new(target, findings, Some(repair)))
}

impl CheckReport {
    fn new(target: &Target, findings: Vec<Finding>, repair: Option<Repair>) -> Self {
        Self { schema: 1, knowledge_base: target.kb().to_owned(), findings, repair }
    }
}
