//! Dates in headers, which servers write in many ways, by the rules for cookies: RFC 6265, section
//! 5.1.1. They read all forms of RFC 9110.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Returns the milliseconds since 1970 of a date; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let is_delimiter = |c: char| !c.is_ascii_alphanumeric() && c != ':' && !c.is_control();
    for word in text.split(is_delimiter).filter(|word| !word.is_empty()) {
        if time.is_none() && word.contains(':') {
            time = Some(parse_time(word)?);
        } else if day.is_none() && number(word, 1, 2).is_some() {
            day = number(word, 1, 2);
        } else if month.is_none() && parse_month(word).is_some() {
            month = parse_month(word);
        } else if year.is_none() && number(word, 2, 4).is_some() {
            year = number(word, 2, 4);
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if year < 1601 {
        return None;
    }
    let [hour, minute, second] = time?;
    let small = |number: i16| i8::try_from(number).ok();
    let date =
        DateTime::new(year, month?, small(day?)?, small(hour)?, small(minute)?, small(second)?, 0);
    Some(TimeZone::UTC.to_timestamp(date.ok()?).ok()?.as_millisecond())
}

/// Parses the digits at the start of `word`, if there are `from` to `to` of them.
fn number(word: &str, from: usize, to: usize) -> Option<i16> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    (from..=to).contains(&digits).then(|| word[..digits].parse().ok())?
}

fn parse_time(word: &str) -> Option<[i16; 3]> {
    let mut parts = word.splitn(3, ':').map(|part| number(part, 1, 2));
    Some([parts.next()??, parts.next()??, parts.next()??])
}

fn parse_month(word: &str) -> Option<i8> {
    let name = word.get(..3)?.to_ascii_lowercase();
    let place = MONTHS.iter().position(|month| *month == name)?;
    i8::try_from(place + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_kinds_are_read() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(parse(text), expected.map(|seconds| seconds * 1000), "{text}");
        };
        let then = Some(1_445_412_480);
        check("Wed, 21 Oct 2015 07:28:00 GMT", then);
        check("Wednesday, 21-Oct-15 07:28:00 GMT", then);
        check("Wed Oct 21 07:28:00 2015", then);
        check("21 OCTOBER 2015 7:28:0", then);
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Thu, 01-Jan-70 00:00:01 GMT", Some(1));
        for none in ["", "soon", "21 Oct 2015", "32 Oct 2015 07:28:00", "31 Feb 2015 07:28:00"] {
            check(none, None);
        }
        check("21 Oct 2015 25:28:00", None);
        check("21 Oct 1600 07:28:00", None);
    }
}
