//! The gate: minimum values, and an earlier report that values must not fall below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::summary::ModeSummary;

/// Tolerance for the rounding of a report that was written and read again.
const ROUNDING: f64 = 1e-9;

/// A minimum value, written `recall@10=0.9` or `text:recall@10=0.9`.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The mode it applies to; `None` means the first one measured.
    pub mode: Option<String>,
    /// Name of the measure.
    pub metric: String,
    /// Its minimum, 0 to 1.
    pub value: f64,
}

impl std::str::FromStr for Minimum {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("\"{text}\" is not of the form recall@10=0.9 or text:recall@10=0.9");
        let (name, value) = text.split_once('=').ok_or_else(form)?;
        let (mode, metric) = match name.split_once(':') {
            Some((mode, metric)) => (Some(mode.trim().to_owned()), metric.trim()),
            None => (None, name.trim()),
        };
        let value: f64 = value.trim().parse().map_err(|_| form())?;
        if !(0.0..=1.0).contains(&value) {
            return Err(format!("{value} is not between 0 and 1, as every measure is"));
        }
        Ok(Self { mode, metric: metric.to_owned(), value })
    }
}

/// An earlier report to compare with.
#[derive(Clone, Debug, Deserialize)]
pub struct Baseline {
    /// Hash of the queries it was measured with.
    pub queries_hash: String,
    modes: Vec<BaselineMode>,
}

#[derive(Clone, Debug, Deserialize)]
struct BaselineMode {
    mode: String,
    metrics: BTreeMap<String, f64>,
}

/// A value that fell short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shortfall {
    /// The search mode.
    pub mode: String,
    /// Name of the measure.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// The lowest value that would have passed.
    pub wanted: f64,
    /// Its value in the baseline, if it fell below that.
    pub baseline: Option<f64>,
}

/// A gate that cannot be applied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// It names a mode that was not measured.
    #[error("mode \"{0}\" is not measured")]
    Mode(String),
    /// It names a measure that these queries do not have.
    #[error("there is no measure \"{name}\" for these queries")]
    Metric {
        /// The name given.
        name: String,
        /// The measures that exist.
        known: Vec<&'static str>,
    },
    /// The two reports have nothing in common.
    #[error("the baseline has no mode and measure in common with this report")]
    Nothing,
}

impl Minimum {
    /// Returns the shortfall if this minimum is not reached.
    pub fn check(&self, modes: &[ModeSummary]) -> Result<Option<Shortfall>, GateError> {
        let summary = match &self.mode {
            None => modes.first(),
            Some(name) => modes.iter().find(|summary| summary.mode == *name),
        };
        let Some(summary) = summary else {
            return Err(GateError::Mode(self.mode.clone().unwrap_or_default()));
        };
        let Some(value) = summary.metrics.get(&self.metric) else {
            return Err(GateError::Metric {
                name: self.metric.clone(),
                known: summary.metrics.0.iter().map(|(name, _)| *name).collect(),
            });
        };
        Ok((value + ROUNDING < self.value).then(|| Shortfall {
            mode: summary.mode.clone(),
            metric: self.metric.clone(),
            value,
            wanted: self.value,
            baseline: None,
        }))
    }
}

impl Baseline {
    /// Returns every measure that is more than `max_drop` below the baseline.
    pub fn check(&self, modes: &[ModeSummary], max_drop: f64) -> Result<Vec<Shortfall>, GateError> {
        let mut compared = 0;
        let mut shortfalls = Vec::new();
        for summary in modes {
            let Some(before) = self.modes.iter().find(|mode| mode.mode == summary.mode) else {
                continue;
            };
            for &(metric, value) in &summary.metrics.0 {
                let Some(&baseline) = before.metrics.get(metric) else { continue };
                compared += 1;
                let wanted = baseline - max_drop;
                if value + ROUNDING < wanted {
                    shortfalls.push(Shortfall {
                        mode: summary.mode.clone(),
                        metric: metric.to_owned(),
                        value,
                        wanted,
                        baseline: Some(baseline),
                    });
                }
            }
        }
        if compared == 0 { Err(GateError::Nothing) } else { Ok(shortfalls) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Latency, Scores};

    fn modes() -> Vec<ModeSummary> {
        let mode = |mode: &str, value| ModeSummary {
            mode: mode.to_owned(),
            metrics: Scores(vec![("ndcg@10", value), ("recall@10", 0.9)]),
            latency_ms: Latency::default(),
            first_relevant_ranks: Vec::new(),
        };
        vec![mode("hybrid", 0.7), mode("text", 0.6)]
    }

    #[test]
    fn minimums_are_parsed() {
        let check = |text: &str, expected: Result<(Option<&str>, &str, f64), &str>| {
            let parsed = text.parse::<Minimum>();
            match (parsed, expected) {
                (Ok(found), Ok((mode, metric, value))) => {
                    let (mode, metric) = (mode.map(str::to_owned), metric.to_owned());
                    assert_eq!(found, Minimum { mode, metric, value });
                }
                (found, expected) => {
                    assert_eq!(found.map_err(|e| e.contains(expected.unwrap_err())), Err(true));
                }
            }
        };
        check("recall@10=0.9", Ok((None, "recall@10", 0.9)));
        check("text:mrr@10 = 1", Ok((Some("text"), "mrr@10", 1.0)));
        check("recall@10", Err("not of the form"));
        check("recall@10=much", Err("not of the form"));
        check("recall@10=nan", Err("not between 0 and 1"));
        check("recall@10=90", Err("not between 0 and 1"));
    }

    #[test]
    fn shortfalls_are_reported() {
        let check = |text: &str| text.parse::<Minimum>().expect("well formed").check(&modes());
        assert_eq!(check("ndcg@10=0.7"), Ok(None));
        let short = check("text:ndcg@10=0.7").expect("there is such a measure").expect("0.6 < 0.7");
        assert_eq!((short.mode.as_str(), short.value, short.wanted), ("text", 0.6, 0.7));
        assert_eq!(check("vector:ndcg@10=0"), Err(GateError::Mode("vector".into())));
        assert!(matches!(check("ndgc@10=0"), Err(GateError::Metric { .. })));
    }

    #[test]
    fn a_small_drop_below_the_baseline_is_allowed() {
        let baseline: Baseline = serde_json::from_str(
            "{\"queries_hash\":\"h\",\"modes\":[{\"mode\":\"hybrid\",\"metrics\":{\"ndcg@10\":0.72,\"other\":1}}]}",
        )
        .expect("well formed");
        assert_eq!(baseline.check(&modes(), 0.02), Ok(Vec::new()));
        let short = baseline.check(&modes(), 0.01).expect("they have a measure in common");
        assert_eq!(short.len(), 1);
        assert_eq!((short[0].baseline, short[0].value), (Some(0.72), 0.7));
        let other = Baseline { queries_hash: String::new(), modes: Vec::new() };
        assert_eq!(other.check(&modes(), 0.0), Err(GateError::Nothing));
    }
}
