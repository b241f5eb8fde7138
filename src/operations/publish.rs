//! `ingest --publish-if-eval`: a run on a copy that readers see only if it passes the gate.

use std::path::Path;

use super::eval::{EvalOptions, check_files, eval};
use super::ingest::{IngestOptions, ingest_into};
use super::report::{Publication, RunReport};
use super::{Session, Target, files};
use crate::config::Config;
use crate::error::Error;
use crate::kb::{KbError, Reader, Writer};
use crate::pipeline::outcome::Completed;
use crate::support::lock::{self, Lock};
use crate::support::sharing::Sharing;

/// Brings a copy of the knowledge base up to date with its sources, evaluates it, and if the gate
/// of `evaluation` holds, copies its content into the knowledge base in one transaction: readers
/// see the old or the new one.
///
/// The copy, `<knowledge base>.next`, is continued after a stop or a failed gate, unless the
/// knowledge base has changed meanwhile. The file is not replaced by another: readers that have the
/// old one open would share its write-ahead log with the new one.
pub fn publish_if_good(
    config: &Config,
    options: &IngestOptions,
    evaluation: &EvalOptions,
    session: &Session<'_>,
) -> Result<RunReport, Error> {
    check_files(evaluation)?;
    let _lock = Lock::take_as(&config.kb, config.mode)?;
    let candidate = files::candidate(&config.kb);
    lock::refuse_links(&candidate)?;
    // Kept open, so that the inode is not reused: another file that replaces it meanwhile is
    // detected.
    let live = prepare(&config.kb, &candidate)?;
    let mut report = ingest_into(&candidate, config, options, session)?;
    report.knowledge_base.clone_from(&config.kb);
    let mut publication =
        Publication { candidate: candidate.clone(), is_published: false, evaluation: None };
    if report.run.as_ref().is_some_and(|run| run.status.is_complete()) {
        let mut target =
            Target::Config(Box::new(Config { kb: candidate.clone(), ..config.clone() }));
        // The candidate is measured, not a model that may be down.
        target.without_reranker();
        let evaluation = eval(&target, evaluation)?;
        if evaluation.shortfalls.is_empty() {
            publish(&candidate, config, live.as_ref())?;
            publication.is_published = true;
        } else {
            report.ended = Ok(Completed::NotPublished);
            report.exit_code = Completed::NotPublished.exit_code().number();
        }
        publication.evaluation = Some(evaluation);
    }
    report.publication = Some(publication);
    Ok(report)
}

/// Makes the candidate a copy of the knowledge base, unless it is an earlier copy to continue;
/// returns the knowledge base if there is one.
fn prepare(live: &Path, candidate: &Path) -> Result<Option<Reader>, Error> {
    if !live.exists() {
        return Ok(None);
    }
    let live = match Reader::open(live) {
        Err(KbError::Outdated { .. }) => {
            // Brought up to date first.
            Writer::open(live)?;
            Reader::open(live)?
        }
        opened => opened?,
    };
    let copy = candidate.exists().then(|| Writer::create_or_open(candidate)).transpose()?;
    if let Some(copy) = copy
        && copy.reader().maintenance().continues_from(&live)?
    {
        return Ok(Some(live));
    }
    files::remove(candidate)?;
    let sharing = Sharing { mode: None, model: Some(live.path()) };
    live.maintenance().copy_to(&Writer::create_or_open_as(candidate, &sharing, None)?)?;
    Ok(Some(live))
}

/// Copies the content of `candidate` into the knowledge base of `config`, which must be the file
/// that was there `before`.
fn publish(candidate: &Path, config: &Config, before: Option<&Reader>) -> Result<(), Error> {
    let live = config.kb.as_path();
    if let Some(before) = before {
        before.check_files()?;
    } else if live.exists() {
        return Err(KbError::Replaced(live.to_owned()).into());
    }
    let published = Reader::open(candidate)?;
    let sharing = Sharing { mode: config.mode, model: Some(candidate) };
    let target = Writer::create_or_open_as(live, &sharing, None)?;
    if before.is_some_and(|before| !before.is_same_file(target.reader())) {
        return Err(KbError::Replaced(live.to_owned()).into());
    }
    published.maintenance().copy_to(&target)?;
    std::mem::drop((published, target));
    files::remove(candidate)
}
