//! `[budget]`: how many tokens, how much money and time a run, and a day, may take.
//!
//! Checked before each call, with the tokens that it will take; calls that are made are kept. What
//! was used is stored with the vectors, so that a run of several processes has one budget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Deserialize;

use super::{EmbedError, Embedder, Embeddings, Limits, Model, Role};
use crate::domain::Usage;
use crate::support::numbers::number;

/// The `[budget]` table: limits, of which 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Tokens of a run.
    pub max_tokens: u64,
    /// Tokens of a day (UTC).
    pub max_tokens_per_day: u64,
    /// What a million tokens cost.
    pub price_per_million_tokens: f64,
    /// Cost of a run.
    pub max_cost: f64,
    /// Cost of a day.
    pub max_cost_per_day: f64,
    /// Seconds of a run, without the pauses between its processes.
    pub max_seconds: u64,
    /// Seconds of a day.
    pub max_seconds_per_day: u64,
}

impl BudgetConfig {
    /// Returns what is wrong with the limits, beginning with the key.
    pub fn validate(&self) -> Result<(), String> {
        let costs = [
            ("price_per_million_tokens", self.price_per_million_tokens),
            ("max_cost", self.max_cost),
            ("max_cost_per_day", self.max_cost_per_day),
        ];
        for (key, value) in costs {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("{key} is {value}; it must be 0 or more"));
            }
            if key != "price_per_million_tokens"
                && value > 0.0
                && self.price_per_million_tokens == 0.0
            {
                return Err(format!("{key} needs price_per_million_tokens"));
            }
        }
        Ok(())
    }

    /// Reports whether there is any limit.
    pub fn is_limited(&self) -> bool {
        *self != Self { price_per_million_tokens: self.price_per_million_tokens, ..Self::default() }
    }
}

/// What is left of a budget.
pub struct Budget {
    config: BudgetConfig,
    started: Instant,
    /// By earlier processes of the run, and by other runs of the day.
    run_before: Usage,
    day_before: Usage,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Tokens of the calls that were answered.
    tokens: u64,
    /// Tokens of the calls in flight.
    reserved: u64,
    /// What was reported for storage.
    saved: Usage,
}

impl Budget {
    /// Returns the budget of a run that has used `run`, on a day that has used `day`.
    pub fn new(config: BudgetConfig, run: Usage, day: Usage) -> Self {
        let (started, state) = (Instant::now(), Mutex::default());
        Self { config, started, run_before: run, day_before: day, state }
    }

    /// Returns what was used since the last call, to be stored.
    pub fn unsaved(&self) -> Usage {
        let mut state = self.lock();
        let used = Usage { tokens: state.tokens, ms: self.elapsed_ms() };
        let unsaved = Usage {
            tokens: used.tokens - state.saved.tokens,
            ms: used.ms.saturating_sub(state.saved.ms),
        };
        state.saved = used;
        unsaved
    }

    /// Reserves `tokens` for a call; fails with what is used up if there are not so many left.
    fn reserve(&self, tokens: u64) -> Result<(), String> {
        let mut state = self.lock();
        let now = Usage { tokens: state.tokens + state.reserved, ms: self.elapsed_ms() };
        for (before, limits, of) in [
            (
                self.run_before,
                [
                    self.config.max_tokens as f64,
                    self.config.max_cost,
                    self.config.max_seconds as f64,
                ],
                "",
            ),
            (
                self.day_before,
                [
                    self.config.max_tokens_per_day as f64,
                    self.config.max_cost_per_day,
                    self.config.max_seconds_per_day as f64,
                ],
                " today",
            ),
        ] {
            let used = before.tokens + now.tokens;
            let price = self.config.price_per_million_tokens / 1e6;
            let seconds = (before.ms + now.ms) as f64 / 1000.0;
            let [max_tokens, max_cost, max_seconds] = limits;
            let wanted = (used + tokens) as f64;
            if max_tokens > 0.0 && wanted > max_tokens {
                return Err(format!(
                    "used {} of {} tokens{of}",
                    short(used as f64),
                    short(max_tokens)
                ));
            }
            if max_cost > 0.0 && wanted * price > max_cost {
                return Err(format!(
                    "used {:.2} of {max_cost:.2} of the cost{of}",
                    used as f64 * price
                ));
            }
            if max_seconds > 0.0 && seconds >= max_seconds {
                return Err(format!("used {seconds:.0} of {max_seconds:.0} seconds{of}"));
            }
        }
        state.reserved += tokens;
        Ok(())
    }

    /// Counts what a call has used for which `reserved` tokens were reserved.
    fn settle(&self, reserved: u64, used: u64) {
        let mut state = self.lock();
        state.reserved -= reserved;
        state.tokens += used;
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a number as people say it: `48,310`, `1.2 M`.
fn short(value: f64) -> String {
    if value < 1e6 { number(value as u64) } else { format!("{:.1} M", value / 1e6) }
}

/// An embedder whose calls for documents are within a budget.
pub struct Budgeted<E> {
    embedder: E,
    budget: Arc<Budget>,
}

impl<E: Embedder> Budgeted<E> {
    /// Returns `embedder` with a `budget`.
    pub fn new(embedder: E, budget: Arc<Budget>) -> Self {
        Self { embedder, budget }
    }
}

impl<E: Embedder> Embedder for Budgeted<E> {
    fn model(&self) -> &Model {
        self.embedder.model()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.embedder.count_tokens(text)
    }

    fn tokens(&self) -> &str {
        self.embedder.tokens()
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
        if role == Role::Query {
            return self.embedder.embed(texts, role);
        }
        let tokens = texts.iter().map(|text| self.count_tokens(text) as u64).sum();
        self.budget.reserve(tokens).map_err(|used| EmbedError::OverBudget { used })?;
        let embedded = self.embedder.embed(texts, role);
        let used = match &embedded {
            Ok(embeddings) => embeddings.tokens().unwrap_or(tokens),
            Err(_) => 0,
        };
        self.budget.settle(tokens, used);
        embedded
    }

    fn limits(&self) -> Limits {
        self.embedder.limits()
    }

    fn knows_every_text(&self) -> bool {
        self.embedder.knows_every_text()
    }

    fn probe(&self) -> Option<Vec<f32>> {
        self.embedder.probe()
    }

    fn expect_probe(&self, vector: Vec<f32>) {
        self.embedder.expect_probe(vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(settings: &str, run: u64, day: u64) -> Budget {
        let config: BudgetConfig = toml::from_str(settings).expect("it is valid");
        assert_eq!(config.validate(), Ok(()));
        let used = |tokens| Usage { tokens, ms: tokens };
        Budget::new(config, used(run), used(day))
    }

    #[test]
    fn limits_hold_for_the_run_and_for_the_day() {
        let check = |settings: &str, run: u64, day: u64, refused: Option<&str>| {
            let reserved = budget(settings, run, day).reserve(100);
            assert_eq!(reserved.err().as_deref(), refused, "{settings}");
        };
        check("", 1 << 40, 1 << 40, None);
        check("max_tokens = 1000", 900, 5000, None);
        check("max_tokens = 1000", 901, 5000, Some("used 901 of 1,000 tokens"));
        check("max_tokens = 1200000", 1_199_999, 0, Some("used 1.2 M of 1.2 M tokens"));
        check("max_tokens_per_day = 5000", 0, 4901, Some("used 4,901 of 5,000 tokens today"));
        let cost = "price_per_million_tokens = 10.0\nmax_cost = 2.5";
        check(cost, 249_900, 0, None);
        check(cost, 249_901, 0, Some("used 2.50 of 2.50 of the cost"));
        check("max_seconds = 7", 6000, 0, None);
        check("max_seconds_per_day = 7", 0, 7000, Some("used 7 of 7 seconds today"));
    }

    #[test]
    fn what_is_in_flight_counts_until_it_is_known() {
        let budget = budget("max_tokens = 100", 0, 0);
        assert_eq!(budget.reserve(60), Ok(()));
        assert!(budget.reserve(60).is_err());
        budget.settle(60, 20);
        assert_eq!(budget.reserve(60), Ok(()));
        budget.settle(60, 60);
        assert_eq!(budget.unsaved().tokens, 80);
        assert_eq!(budget.unsaved().tokens, 0);
    }

    #[test]
    fn wrong_limits_are_found() {
        let check = |settings: &str, expected: &str| {
            let config: BudgetConfig = toml::from_str(settings).expect("it is a table");
            assert_eq!(config.validate(), Err(expected.to_owned()));
        };
        check("max_cost = -1.0", "max_cost is -1; it must be 0 or more");
        check("max_cost = nan", "max_cost is NaN; it must be 0 or more");
        check("max_cost_per_day = 1.0", "max_cost_per_day needs price_per_million_tokens");
    }
}
