//! How often something is retried, and after which wait.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Attempts at a queue range before it is given up.
pub const ATTEMPTS_MAX: u32 = 5;

/// Crashes of a process with a batch in flight before its documents are processed one by one: a
/// kill from outside is not their fault.
pub const DEATHS_BEFORE_ISOLATION: u32 = 2;

/// Crashes of a process with only one document in flight before the document is quarantined.
pub const DEATHS_MAX: u32 = 3;

const FIRST_DELAY: Duration = Duration::from_millis(200);
const DELAY_MAX: Duration = Duration::from_secs(60);

/// Returns the wait after the `attempts`-th failed attempt (1 or more): doubling, at most a minute.
pub fn backoff(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    FIRST_DELAY.saturating_mul(1 << doublings).min(DELAY_MAX)
}

/// Returns the wait after the `attempts`-th failed attempt: `asked_for`, at most a minute, or the
/// backoff.
pub fn delay(attempts: u32, asked_for: Option<Duration>) -> Duration {
    asked_for.map_or_else(|| backoff(attempts), |asked_for| asked_for.min(DELAY_MAX))
}

/// Returns a random part of the backoff ("full jitter"): threads that failed together do not call
/// again together.
pub fn jittered(attempts: u32) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    backoff(attempts).mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_a_minute() {
        let delays_ms: Vec<_> = (1..=4).map(|n| backoff(n).as_millis()).collect();
        assert_eq!(delays_ms, [200, 400, 800, 1600]);
        assert_eq!(backoff(u32::MAX), DELAY_MAX);
    }

    #[test]
    fn jitter_is_a_part_of_the_backoff() {
        let mut found: Vec<_> = (0..100).map(|_| jittered(4)).collect();
        assert!(found.iter().all(|delay| *delay <= backoff(4)));
        found.sort_unstable();
        found.dedup();
        assert!(found.len() > 90);
    }

    #[test]
    fn what_is_asked_for_is_granted_up_to_a_minute() {
        let hour = Duration::from_secs(3600);
        assert_eq!(delay(1, Some(Duration::ZERO)), Duration::ZERO);
        assert_eq!(delay(4, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(delay(1, Some(hour)), DELAY_MAX);
        assert_eq!(delay(2, None), backoff(2));
    }
}
