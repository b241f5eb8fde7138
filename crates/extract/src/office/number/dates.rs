//! Days and times of workbooks.

use super::code::{Part, Section};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// The last day that a spreadsheet knows, in the year 9999.
const DAYS_MAX: f64 = 2_958_466.0;

/// Days between the two beginnings of time.
const DAYS_TO_1904: f64 = 1462.0;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment, rounded to what the format shows.
struct Moment {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    /// Seconds since the first day.
    elapsed: f64,
    /// Seconds since midnight, and decimals of the last one.
    seconds: i64,
    part: f64,
}

/// Returns a date or time as shown; `None` if it is none.
pub(super) fn shown(value: f64, section: &Section, is_1904: bool) -> Option<String> {
    let value = if is_1904 { value + DAYS_TO_1904 } else { value };
    if !(0.0..DAYS_MAX).contains(&value) {
        return None;
    }
    let parts = &section.parts;
    let decimals = decimals(parts);
    let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    let base = if is_1904 { DAYS_TO_1904 } else { 0.0 };
    let moment = Moment::of((value * DAY * scale).round() / scale, base);
    if let Some(text) = iso(parts, &moment) {
        return Some(text);
    }
    let is_half = parts.iter().any(|part| matches!(part, Part::Noon(_)));
    let mut text = String::new();
    let mut after_second = false;
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Slash => text.push('/'),
            Part::Comma => text.push(','),
            Part::Date(letters) => {
                text.push_str(&moment.field(letters, is_minute(parts, index), is_half));
            }
            Part::Elapsed(unit, width) => {
                let divisor = match unit {
                    'h' => 3600.0,
                    'm' => 60.0,
                    _ => 1.0,
                };
                text.push_str(&format!("{:0width$}", (moment.elapsed / divisor).floor()));
            }
            Part::Noon(is_long) => {
                let noon = if moment.seconds < 43_200 { "AM" } else { "PM" };
                text.push_str(if *is_long { noon } else { &noon[..1] });
            }
            Part::Point if after_second && decimals > 0 => {
                text.push_str(&format!("{:.decimals$}", moment.part)[1..]);
            }
            Part::Point => text.push('.'),
            _ => {}
        }
        after_second = is_second(part);
    }
    Some(text)
}

fn is_second(part: &Part) -> bool {
    matches!(part, Part::Date(letters) if letters.starts_with('s'))
        || matches!(part, Part::Elapsed('s', _))
}

/// Returns the decimals of the seconds, `ss.00`.
fn decimals(parts: &[Part]) -> usize {
    let Some(at) = parts.windows(2).position(|pair| is_second(&pair[0]) && pair[1] == Part::Point)
    else {
        return 0;
    };
    parts[at + 2..].iter().take_while(|part| **part == Part::Digit('0')).count().min(3)
}

/// Reports whether an `m` means minutes: it follows hours, or seconds follow it.
fn is_minute(parts: &[Part], index: usize) -> bool {
    let unit = |part: &Part| match part {
        Part::Date(letters) => letters.chars().next(),
        Part::Elapsed(unit, _) => Some(*unit),
        _ => None,
    };
    parts[..index].iter().rev().find_map(unit) == Some('h')
        || parts[index + 1..].iter().find_map(unit) == Some('s')
}

/// Returns a date whose day, month and year are digits in the order of ISO 8601.
fn iso(parts: &[Part], moment: &Moment) -> Option<String> {
    let (mut has_day, mut has_month, mut has_year) = (false, false, false);
    let (mut has_hour, mut has_second) = (false, false);
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Date(letters) => match letters.as_bytes() {
                [b'd'] | [b'd', b'd'] => has_day = true,
                [b'm', ..] if is_minute(parts, index) => {}
                [b'm'] | [b'm', b'm'] => has_month = true,
                [b'y' | b'e', ..] => has_year = true,
                [b'h', ..] => has_hour = true,
                [b's', ..] => has_second = true,
                _ => return None,
            },
            Part::Elapsed(..) => return None,
            Part::Literal(literal) if literal.chars().any(char::is_alphanumeric) => return None,
            _ => {}
        }
    }
    if !(has_day && has_month && has_year) {
        return None;
    }
    let mut text = format!("{:04}-{:02}-{:02}", moment.year, moment.month, moment.day);
    if has_hour {
        let (hours, minutes) = (moment.seconds / 3600, moment.seconds / 60 % 60);
        text.push_str(&format!(" {hours:02}:{minutes:02}"));
        if has_second {
            text.push_str(&format!(":{:02}", moment.seconds % 60));
        }
    }
    Some(text)
}

impl Moment {
    /// Returns the moment that is so many seconds after the day 0 of 1900; `base` is the day from
    /// which times are counted.
    #[expect(clippy::cast_possible_truncation, reason = "at most the seconds of 8100 years")]
    fn of(seconds: f64, base: f64) -> Self {
        let days = (seconds / DAY).floor();
        let in_day = seconds - days * DAY;
        let whole = in_day.floor();
        let days = days as i64;
        // Day 60 is 29 February 1900, which never was.
        let since_1970 = if days >= 60 { days - 25_569 } else { days - 25_568 };
        let (year, month, day) = civil(since_1970);
        Self {
            year,
            month,
            day,
            weekday: usize::try_from((days - 1).rem_euclid(7)).unwrap_or(0),
            elapsed: seconds - base * DAY,
            seconds: whole as i64,
            part: in_day - whole,
        }
    }

    fn field(&self, letters: &str, is_minute: bool, is_half: bool) -> String {
        let name =
            |names: &[&str], index: usize| names.get(index).copied().unwrap_or("").to_owned();
        let short = |name: String| name.chars().take(3).collect();
        let (hour, minute, second) =
            (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
        match (letters, letters.len()) {
            (_, width) if letters.starts_with('m') && is_minute => format!("{minute:0width$}"),
            ("m" | "mm", width) => format!("{:0width$}", self.month),
            ("mmm", _) => short(name(&MONTHS, self.month - 1)),
            ("mmmmm", _) => name(&MONTHS, self.month - 1).chars().take(1).collect(),
            (_, _) if letters.starts_with('m') => name(&MONTHS, self.month - 1),
            ("d" | "dd", width) => format!("{:0width$}", self.day),
            ("ddd", _) => short(name(&WEEKDAYS, self.weekday)),
            (_, _) if letters.starts_with('d') => name(&WEEKDAYS, self.weekday),
            ("y" | "yy", _) => format!("{:02}", self.year % 100),
            (_, _) if letters.starts_with(['y', 'e']) => format!("{:04}", self.year),
            (_, width) if letters.starts_with('h') && is_half => {
                format!("{:0width$}", (hour + 11) % 12 + 1)
            }
            (_, width) if letters.starts_with('h') => format!("{hour:0width$}"),
            (_, width) if letters.starts_with('s') => format!("{second:0width$}"),
            _ => String::new(),
        }
    }
}

/// Returns year, month and day of a day since 1970-01-01.
///
/// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, usize, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}
