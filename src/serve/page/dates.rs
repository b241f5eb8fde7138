//! Times and ages for people.

use crate::support::numbers::counted;

/// Returns how long ago something was, in one unit, as in `3 hours ago`.
pub fn ago(seconds: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(7 * 86_400, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    unit.map_or("just now".to_owned(), |(length, noun)| {
        format!("{} ago", counted((seconds / length).unsigned_abs(), noun))
    })
}

/// Returns the minute of `ms` since 1970, as in `2026-11-30 14:05`, in UTC.
pub fn minute(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms);
    time.map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        for (seconds, expected) in [
            (0, "just now"),
            (1, "1 second ago"),
            (119, "1 minute ago"),
            (7200, "2 hours ago"),
            (86_400 * 6, "6 days ago"),
            (86_400 * 800, "114 weeks ago"),
        ] {
            assert_eq!(ago(seconds), expected);
        }
        assert_eq!(minute(1_796_047_500_000), "2026-11-30 14:05");
    }
}
