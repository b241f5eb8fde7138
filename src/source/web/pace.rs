//! When the next request to a host may begin.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest interval that a slow server causes by itself.
const INTERVAL_MAX: Duration = Duration::from_secs(30);

/// Spaces the requests to each host: never faster than configured, slower if the server is slow or
/// asks for it.
#[derive(Debug)]
pub(super) struct Pace {
    base: Duration,
    concurrency: u32,
    hosts: Mutex<HashMap<String, Host>>,
}

#[derive(Debug)]
struct Host {
    next: Instant,
    at_least: Duration,
    interval: Duration,
}

impl Pace {
    /// `base` is the minimum interval between the starts of two requests.
    pub(super) fn new(base: Duration, concurrency: usize) -> Self {
        let concurrency = u32::try_from(concurrency).unwrap_or(1).max(1);
        Self { base, concurrency, hosts: Mutex::new(HashMap::new()) }
    }

    /// Returns when the next request to `host` may start, and reserves that time.
    pub(super) fn slot(&self, host: &str, now: Instant) -> Instant {
        self.with(host, now, |host| {
            let slot = host.next.max(now);
            host.next = slot + host.interval;
            slot
        })
    }

    /// Obeys a Crawl-delay.
    pub(super) fn keep_delay(&self, host: &str, delay: Duration) {
        self.with(host, Instant::now(), |host| {
            host.at_least = host.at_least.max(delay);
            host.interval = host.interval.max(host.at_least);
        });
    }

    /// Adapts to a response that took `latency`.
    pub(super) fn answered(&self, host: &str, latency: Duration) {
        let concurrency = self.concurrency;
        self.with(host, Instant::now(), |host| {
            // Like Scrapy's AutoThrottle: half way towards the interval that keeps `concurrency`
            // requests open.
            let wanted = (host.interval + latency / concurrency) / 2;
            host.interval = wanted.min(INTERVAL_MAX).max(host.at_least);
        });
    }

    /// Slows down because the host is overloaded, or asks for a pause.
    pub(super) fn back_off(&self, host: &str, pause: Option<Duration>) {
        self.with(host, Instant::now(), |host| {
            host.interval = (host.interval * 2).min(INTERVAL_MAX).max(host.at_least);
            host.next = host.next.max(Instant::now() + pause.unwrap_or(host.interval));
        });
    }

    fn with<T>(&self, host: &str, now: Instant, work: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Host { next: now, at_least: self.base, interval: self.base };
        work(hosts.entry(host.to_owned()).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spaced_by_host() {
        let second = Duration::from_secs(1);
        let pace = Pace::new(second, 1);
        let start = Instant::now();
        let slots = |host: &str| pace.slot(host, start).duration_since(start);
        assert_eq!(
            [slots("a"), slots("a"), slots("b"), slots("a")],
            [0, 1, 0, 2].map(|n| second * n)
        );
        pace.answered("b", 5 * second);
        assert_eq!([slots("b"), slots("b")], [second, 4 * second]);
        pace.keep_delay("b", 10 * second);
        assert_eq!([slots("b"), slots("b")], [7 * second, 17 * second]);
    }
}
