//! Counters in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::serve::tools::StatusAnswer;

/// What was asked since the start, by route and status.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), Requests>>,
}

#[derive(Clone, Copy, Default)]
struct Requests {
    count: u64,
    seconds: f64,
}

/// Routes that are counted by themselves.
const ROUTES: [&str; 13] = [
    "/",
    "/view",
    "/status.html",
    "/page",
    "/runs",
    "/search",
    "/documents",
    "/chunks",
    "/status",
    "/healthz",
    "/metrics",
    "/mcp",
    "/openapi.json",
];

impl Metrics {
    /// Counts an answer.
    pub fn count(&self, path: &str, status: u16, took: Duration) {
        let is_below = |route: &&&str| {
            path.strip_prefix(**route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let route = ROUTES.iter().find(is_below).copied().unwrap_or("other");
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = requests.entry((route, status)).or_default();
        counted.count += 1;
        counted.seconds += took.as_secs_f64();
    }

    /// Returns all counters, with those of the knowledge bases.
    pub fn text(&self, status: &StatusAnswer) -> String {
        let mut text = String::new();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut write = |name: &str, kind: &str, help: &str, rows: Vec<(String, String)>| {
            let _ = writeln!(text, "# HELP kbingest_{name} {help}\n# TYPE kbingest_{name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(text, "kbingest_{name}{{{labels}}} {value}");
            }
        };
        let of_requests = |value: fn(&Requests) -> String| {
            let rows = requests.iter();
            rows.map(|((route, status), counted)| {
                (format!("route=\"{route}\",status=\"{status}\""), value(counted))
            })
            .collect()
        };
        let count = of_requests(|counted| counted.count.to_string());
        write("requests_total", "counter", "Requests answered.", count);
        let seconds = of_requests(|counted| counted.seconds.to_string());
        write("request_seconds_total", "counter", "Seconds spent on them.", seconds);
        let of_bases = |value: fn(&crate::serve::tools::KbStatus) -> i64| {
            let bases = status.knowledge_bases.iter();
            bases.map(|base| (format!("kb=\"{}\"", base.kb), value(base).to_string())).collect()
        };
        write(
            "documents",
            "gauge",
            "Documents that searches see.",
            of_bases(|it| it.documents.cast_signed()),
        );
        write(
            "chunks",
            "gauge",
            "Chunks that searches see.",
            of_bases(|it| it.chunks.cast_signed()),
        );
        write(
            "documents_failed",
            "gauge",
            "Documents whose current version could not be ingested.",
            of_bases(|it| it.documents_failed.cast_signed()),
        );
        write(
            "last_run_age_seconds",
            "gauge",
            "Seconds since the last run ended or was last at work; -1 before the first.",
            of_bases(|it| it.last_run_age_seconds.unwrap_or(-1)),
        );
        text
    }
}
