//! When the next request may be sent: within the limits of kb.toml, slower after an answer 429, and
//! not while the server asks to wait.
//!
//! One gate for all requests: a server that is asked less by one thread must not be asked more by
//! the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;

use crate::support::checkpoint::StopSignal;

const MINUTE: Duration = Duration::from_secs(60);
/// Time between requests after the first answer 429; doubled by each further one, up to the second.
const SPACING_FIRST: Duration = Duration::from_millis(50);
const SPACING_MAX: Duration = Duration::from_secs(10);

/// Decides when requests are sent.
pub(super) struct Gate {
    requests_per_minute: u64,
    tokens_per_minute: u64,
    stop: Arc<StopSignal>,
    state: Mutex<State>,
}

struct State {
    /// The server asks to wait until then.
    paused_until: Instant,
    /// The limits allow the next request then.
    next_by_requests: Instant,
    next_by_tokens: Instant,
    /// Time between requests, because of answers 429.
    spacing: Duration,
    /// When it was last raised.
    raised: Instant,
}

/// How waiting ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// The request may be sent.
    Yes,
    /// The server asks to wait for longer than the limit.
    TooLong(Duration),
    /// The run is stopped.
    Stopped,
}

impl Gate {
    /// A limit of 0 is none.
    pub(super) fn new(
        requests_per_minute: u64,
        tokens_per_minute: u64,
        stop: Arc<StopSignal>,
    ) -> Self {
        let now = Instant::now();
        let state = State {
            paused_until: now,
            next_by_requests: now,
            next_by_tokens: now,
            spacing: Duration::ZERO,
            raised: now,
        };
        Self { requests_per_minute, tokens_per_minute, stop, state: Mutex::new(state) }
    }

    /// Reports whether requests have to be measured in tokens.
    pub(super) fn counts_tokens(&self) -> bool {
        self.tokens_per_minute > 0
    }

    /// Waits until a request of `tokens` may be sent, if the server asks to wait for `at_most`.
    pub(super) fn pass(&self, tokens: u64, at_most: Duration) -> Passed {
        let mut until = self.lock().reserve(
            Instant::now(),
            part_of_minute(1, self.requests_per_minute),
            part_of_minute(tokens, self.tokens_per_minute),
        );
        loop {
            let now = Instant::now();
            let paused_until = self.lock().paused_until;
            if paused_until > now + at_most {
                return Passed::TooLong(paused_until - now);
            }
            until = until.max(paused_until);
            if self.stop.is_requested() || self.stop.wait_for(until - now) {
                return Passed::Stopped;
            }
            // The pause may have become longer meanwhile.
            if Instant::now() >= self.lock().paused_until {
                return Passed::Yes;
            }
        }
    }

    /// Learns from an answer to a request that was sent at `sent`; returns how long the server asks
    /// to wait.
    pub(super) fn learn(
        &self,
        sent: Instant,
        status: u16,
        headers: &HeaderMap,
    ) -> Option<Duration> {
        let now = Instant::now();
        let asked = if matches!(status, 429 | 503) { retry_after(headers) } else { None };
        let exhausted = exhausted(headers);
        let mut state = self.lock();
        if let Some(pause) = asked.max(exhausted) {
            state.paused_until = state.paused_until.max(now + pause.min(24 * 60 * MINUTE));
        }
        match status {
            // The others in flight were sent at the same rate, and say nothing new.
            429 if sent >= state.raised => {
                state.spacing = (2 * state.spacing).clamp(SPACING_FIRST, SPACING_MAX);
                state.raised = now;
            }
            200..=299 => {
                let spacing = state.spacing.mul_f64(0.95);
                state.spacing = if spacing < SPACING_FIRST / 20 { Duration::ZERO } else { spacing };
            }
            _ => {}
        }
        asked
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns when a request may be sent that takes these times of the limits.
    fn reserve(&mut self, now: Instant, by_requests: Duration, by_tokens: Duration) -> Instant {
        let at = now.max(self.next_by_requests).max(self.next_by_tokens);
        self.next_by_requests = at + by_requests.max(self.spacing);
        self.next_by_tokens = at + by_tokens;
        at
    }
}

fn part_of_minute(count: u64, per_minute: u64) -> Duration {
    if per_minute == 0 { Duration::ZERO } else { MINUTE.mul_f64(count as f64 / per_minute as f64) }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Returns how long the server asks to wait (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(pause) = header(headers, "retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(pause));
    }
    let text = header(headers, "retry-after")?;
    duration(text).or_else(|| {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        let left = date.duration_since(jiff::Timestamp::now());
        Some(left.try_into().unwrap_or(Duration::ZERO))
    })
}

/// Returns how long nothing more is allowed, by the headers that count what is left.
fn exhausted(headers: &HeaderMap) -> Option<Duration> {
    let of = |prefix: &str, suffix: &str| {
        let left = header(headers, &format!("{prefix}remaining{suffix}"))?;
        let reset = header(headers, &format!("{prefix}reset{suffix}"))?;
        if left.parse::<f64>().ok()? > 0.0 {
            return None;
        }
        // Some servers give the time of day in seconds.
        duration(reset).filter(|pause| *pause < 24 * 60 * MINUTE)
    };
    [
        of("x-ratelimit-", "-requests"),
        of("x-ratelimit-", "-tokens"),
        of("x-ratelimit-", ""),
        of("ratelimit-", ""),
    ]
    .into_iter()
    .flatten()
    .max()
}

/// Parses seconds, or numbers with units as in `6m0.5s` and `120ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        let unit_end =
            rest[end..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| end + at);
        seconds += number
            * match &rest[end..unit_end] {
                "ms" => 0.001,
                "s" | "" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().expect("it is valid"));
        }
        headers
    }

    fn gate(requests: u64, tokens: u64) -> Gate {
        Gate::new(requests, tokens, Arc::default())
    }

    #[test]
    fn times_are_read_in_every_form() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        };
        check("7", Some(7000));
        check("0.5", Some(500));
        check("6m0s", Some(360_000));
        check("1m30.5s", Some(90_500));
        check("120ms", Some(120));
        check("1h", Some(3_600_000));
        for wrong in ["", "soon", "-1", "5 days", "1x"] {
            check(wrong, None);
        }
        let check = |pairs: &[(&'static str, &str)], expected: Option<u64>| {
            assert_eq!(retry_after(&headers(pairs)), expected.map(Duration::from_millis));
        };
        check(&[("retry-after", "3")], Some(3000));
        check(&[("retry-after", "3"), ("retry-after-ms", "40")], Some(40));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(0));
        check(&[], None);
    }

    #[test]
    fn a_server_that_asks_to_wait_is_waited_for() {
        let check = |status: u16, pairs: &[(&'static str, &str)], expected: Passed| {
            let gate = gate(0, 0);
            gate.learn(Instant::now(), status, &headers(pairs));
            let passed = match gate.pass(1, Duration::ZERO) {
                Passed::TooLong(pause) => Passed::TooLong(Duration::from_secs(pause.as_secs() + 1)),
                other => other,
            };
            assert_eq!(passed, expected, "{status} {pairs:?}");
        };
        let minute = || Passed::TooLong(MINUTE);
        check(429, &[("retry-after", "60")], minute());
        check(503, &[("retry-after", "60")], minute());
        check(200, &[("retry-after", "60")], Passed::Yes);
        let left = |left, reset| {
            [("x-ratelimit-remaining-tokens", left), ("x-ratelimit-reset-tokens", reset)]
        };
        check(200, &left("0", "1m0s"), minute());
        check(200, &left("900", "1m0s"), Passed::Yes);
        check(200, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "60")], minute());
        check(
            200,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1790000000")],
            Passed::Yes,
        );
    }

    #[test]
    fn requests_are_spread_over_the_minute() {
        let now = Instant::now();
        let check = |gate: Gate, expected_ms: [u64; 3]| {
            let mut state = gate.lock();
            let by_requests = part_of_minute(1, gate.requests_per_minute);
            let by_tokens = part_of_minute(500, gate.tokens_per_minute);
            let start = state.reserve(now, by_requests, by_tokens);
            for expected in expected_ms {
                let at = state.reserve(now, by_requests, by_tokens) - start;
                assert_eq!(at.as_millis(), u128::from(expected));
            }
        };
        check(gate(0, 0), [0, 0, 0]);
        check(gate(600, 0), [100, 200, 300]);
        check(gate(600, 30_000), [1000, 2000, 3000]);
    }

    #[test]
    fn answers_429_slow_all_requests_down_once_and_others_speed_them_up() {
        let gate = gate(0, 0);
        let spacing_ms = || gate.lock().spacing.as_millis();
        let before = Instant::now();
        for _ in 0..5 {
            gate.learn(before, 429, &headers(&[]));
        }
        assert_eq!(spacing_ms(), 50);
        gate.learn(Instant::now(), 429, &headers(&[]));
        assert_eq!(spacing_ms(), 100);
        for _ in 0..100 {
            gate.learn(Instant::now(), 200, &headers(&[]));
        }
        assert_eq!(spacing_ms(), 0);
    }

    #[test]
    fn a_stop_opens_no_gate() {
        let stop = Arc::new(StopSignal::default());
        let gate = Gate::new(1, 0, Arc::clone(&stop));
        assert_eq!(gate.pass(1, Duration::ZERO), Passed::Yes);
        stop.request();
        assert_eq!(gate.pass(1, Duration::ZERO), Passed::Stopped);
    }
}
