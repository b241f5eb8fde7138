//! `status`: how fresh knowledge bases are, and what they lack.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operations::{self, StatusReport};
use crate::serve::bases::{KnowledgeBase, KnowledgeBases};
use crate::serve::refusal::Refusal;
use crate::support::{clock, secrets};

/// Limit on the failures that are named.
const FAILURES_MAX: usize = 20;

/// Arguments of `status`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusArguments {
    /// Name of the knowledge base; default: all of them.
    #[serde(default)]
    pub kb: Option<String>,
}

/// The answer of `status`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusAnswer {
    /// The knowledge bases.
    pub knowledge_bases: Vec<KbStatus>,
}

/// The status of a knowledge base.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KbStatus {
    /// Its name.
    pub kb: String,
    /// Its title, if it states one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it contains, if it says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Documents that searches see.
    pub documents: u64,
    /// Chunks that searches see.
    pub chunks: u64,
    /// Chunks that wait for their vectors.
    pub chunks_waiting: u64,
    /// Whether a run is at work now.
    pub is_running: bool,
    /// Status of the last run; "none" before the first.
    pub last_run: String,
    /// When the last run ended, or was last at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_at: Option<String>,
    /// Seconds since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_age_seconds: Option<i64>,
    /// Documents whose current version could not be ingested.
    pub documents_failed: u64,
    /// Documents skipped on purpose.
    pub documents_skipped: u64,
    /// The failed and skipped documents by reason, most first.
    pub failure_reasons: Vec<FailureReason>,
    /// The first of them.
    pub failures: Vec<FailedDocument>,
}

/// The number of documents that failed or were skipped for one reason.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailureReason {
    /// The reason.
    pub reason: String,
    /// Their number.
    pub documents: u64,
}

/// A document that failed or was skipped.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailedDocument {
    /// Name of the source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// "permanent", "transient" or "skipped".
    pub kind: String,
    /// Why.
    pub error: String,
}

/// Answers a request for the status.
pub fn status(
    bases: &KnowledgeBases,
    arguments: &StatusArguments,
) -> Result<StatusAnswer, Refusal> {
    let wanted = match &arguments.kb {
        Some(name) => std::slice::from_ref(bases.named(name)?),
        None => bases.all(),
    };
    let of = |base| Ok(of_report(base, operations::status(base.target())?));
    Ok(StatusAnswer { knowledge_bases: wanted.iter().map(of).collect::<Result<_, Refusal>>()? })
}

fn of_report(base: &KnowledgeBase, report: StatusReport) -> KbStatus {
    let StatusReport { run, statistics, failures, failure_reasons, .. } = report;
    let at = run.as_ref().map(|run| run.ended_ms.unwrap_or(run.heartbeat_ms));
    let time = |ms| jiff::Timestamp::from_millisecond(ms).ok();
    KbStatus {
        kb: base.name.clone(),
        title: base.about.title.clone(),
        description: base.about.description.clone(),
        documents: statistics.documents,
        chunks: statistics.chunks,
        chunks_waiting: statistics.queue.pending,
        is_running: report.lock_holder.is_some(),
        last_run: match &run {
            Some(_) if report.is_interrupted => "interrupted".to_owned(),
            Some(run) => run.status.as_str().to_owned(),
            None => "none".to_owned(),
        },
        last_run_at: at.and_then(time).map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        last_run_age_seconds: at.map(|at| (clock::now_ms() - at).max(0) / 1000),
        documents_failed: statistics.documents_failed,
        documents_skipped: statistics.documents_skipped,
        failure_reasons: failure_reasons
            .into_iter()
            .take(FAILURES_MAX)
            .map(|count| FailureReason {
                reason: secrets::hidden(&count.reason),
                documents: count.documents,
            })
            .collect(),
        failures: failures
            .into_iter()
            .take(FAILURES_MAX)
            .map(|failure| FailedDocument {
                source: failure.source,
                uri: secrets::hidden(&failure.uri),
                kind: failure.kind.as_str().to_owned(),
                error: secrets::hidden(&failure.error),
            })
            .collect(),
    }
}
