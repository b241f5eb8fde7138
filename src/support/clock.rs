//! Wall-clock time for records. Durations are measured with `Instant`, never by subtracting these.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the current time in milliseconds since 1970 (UTC); 0 if the clock is set to an earlier
/// time.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
