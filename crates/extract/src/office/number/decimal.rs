//! Decimal digits of a number, rounded as spreadsheets do, in the places that a format has.

use super::code::{Layout, Part, Section};

/// Digits that a spreadsheet computes with.
const DIGITS: usize = 15;

/// A number that is not negative: its digits, and how many of them precede the point.
#[derive(Debug)]
pub(super) struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

impl Decimal {
    /// Returns the 15 digits of a number.
    pub(super) fn of(value: f64) -> Self {
        let text = format!("{value:.*e}", DIGITS - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
        let mut decimal = Self { digits, point: exponent.parse().unwrap_or(0) + 1 };
        decimal.trim();
        decimal
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Returns the number of digits before the point.
    pub(super) fn whole_digits(&self) -> usize {
        usize::try_from(self.point).unwrap_or(0)
    }

    /// Divides by the power of ten that leaves a number of at most `whole` digits before the
    /// point, and at least one; returns the exponent, a multiple of `whole`.
    pub(super) fn take_exponent(&mut self, whole: usize) -> i32 {
        if self.is_zero() {
            return 0;
        }
        let step = i32::try_from(whole.max(1)).unwrap_or(1);
        let exponent = (self.point - 1).div_euclid(step) * step;
        self.point -= exponent;
        exponent
    }

    /// Rounds to that many digits after the point, halves away from zero.
    pub(super) fn round(&mut self, decimals: usize) {
        let kept = self.point + i32::try_from(decimals).unwrap_or(i32::MAX / 2);
        let Ok(kept) = usize::try_from(kept) else { return self.digits.clear() };
        if kept >= self.digits.len() {
            return;
        }
        let is_up = self.digits[kept] >= 5;
        self.digits.truncate(kept);
        if is_up {
            match self.digits.iter().rposition(|&digit| digit < 9) {
                Some(at) => {
                    self.digits.truncate(at + 1);
                    self.digits[at] += 1;
                }
                None => {
                    self.digits = vec![1];
                    self.point += 1;
                }
            }
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.point = 0;
        }
    }

    /// Returns the digit at a place: 0 is the first after the point, -1 the last before it.
    fn digit(&self, place: i32) -> char {
        let index = usize::try_from(place + self.point).ok();
        let digit = index.and_then(|index| self.digits.get(index)).copied().unwrap_or(0);
        char::from(b'0' + digit)
    }
}

/// Returns the digits in the places of a section, with what stands between them.
pub(super) fn filled(
    digits: &Decimal,
    exponent: Option<i32>,
    section: &Section,
    layout: &Layout,
) -> String {
    let point = section.parts.iter().position(|part| *part == Part::Point);
    let end = |part: &Part| matches!(part, Part::Point | Part::Exponent(_));
    let whole_end = section.parts.iter().position(end).unwrap_or(section.parts.len());
    let mut text = whole(digits, &section.parts[..whole_end], layout);
    let mut place = 0;
    let mut is_exponent = false;
    for (index, part) in section.parts.iter().enumerate().skip(whole_end) {
        match part {
            Part::Point if Some(index) == point => text.push('.'),
            Part::Digit(_) if is_exponent => {}
            Part::Digit(kind) => {
                let has_more = (place..32).any(|place| digits.digit(place) != '0');
                if *kind == '0' || has_more {
                    text.push(digits.digit(place));
                }
                place += 1;
            }
            Part::Exponent(has_plus) => {
                is_exponent = true;
                let value = exponent.unwrap_or(0);
                let zeros = section.parts[index..]
                    .iter()
                    .filter(|part| matches!(part, Part::Digit('0')))
                    .count();
                let sign = if value < 0 {
                    "-"
                } else if *has_plus {
                    "+"
                } else {
                    ""
                };
                text.push_str(&format!("E{sign}{:0zeros$}", value.unsigned_abs()));
            }
            part => push_other(part, &mut text),
        }
    }
    text
}

/// Fills the places before the point from the right; the first place takes all that is left.
fn whole(digits: &Decimal, parts: &[Part], layout: &Layout) -> String {
    let mut reversed = String::new();
    let mut places_left = layout.whole;
    let mut count = 0;
    let push_digit = |digit: char, count: &mut usize, reversed: &mut String| {
        if layout.has_groups && *count > 0 && count.is_multiple_of(3) {
            reversed.push(',');
        }
        reversed.push(digit);
        *count += 1;
    };
    for part in parts.iter().rev() {
        let Part::Digit(kind) = part else {
            let mut other = String::new();
            push_other(part, &mut other);
            reversed.extend(other.chars().rev());
            continue;
        };
        places_left -= 1;
        let place = i32::try_from(count).map_or(0, |count| -1 - count);
        if count < digits.whole_digits() || *kind == '0' {
            push_digit(digits.digit(place), &mut count, &mut reversed);
        }
        while places_left == 0 && count < digits.whole_digits() {
            let place = i32::try_from(count).map_or(0, |count| -1 - count);
            push_digit(digits.digit(place), &mut count, &mut reversed);
        }
    }
    let mut text: String = reversed.chars().rev().collect();
    if layout.whole == 0 && digits.whole_digits() > 0 {
        // No place before the point, as in `.00`: the digits are shown nevertheless.
        let count = i32::try_from(digits.whole_digits()).unwrap_or(0);
        text.extend((-count..0).map(|place| digits.digit(place)));
    }
    text
}

fn push_other(part: &Part, text: &mut String) {
    match part {
        Part::Literal(literal) => text.push_str(literal),
        Part::Percent => text.push('%'),
        _ => {}
    }
}

/// Returns a number as a whole one and a fraction, `1 1/4`.
pub(super) fn fraction(value: f64, section: &Section) -> String {
    let slash = section.parts.iter().position(|part| *part == Part::Slash).unwrap_or(0);
    let below: String = section.parts[slash..]
        .iter()
        .filter_map(|part| if let Part::Digit(digit) = part { Some(*digit) } else { None })
        .collect();
    let is_digit = |part: &Part| matches!(part, Part::Digit(_));
    // Places of a whole number precede those of the numerator, after a space.
    let groups = section.parts[..slash].split(|part| !is_digit(part));
    let has_whole = groups.filter(|group| !group.is_empty()).count() > 1;
    let whole = if has_whole { value.floor() } else { 0.0 };
    let rest = value - whole;
    let stated = below.parse::<f64>().ok().filter(|&below| below > 0.0);
    let limit = 10_f64.powi(i32::try_from(below.len().clamp(1, 4)).unwrap_or(1)) - 1.0;
    let (mut above, mut below, mut best) = (0.0, 1.0, f64::INFINITY);
    let mut tried = stated.unwrap_or(1.0);
    while tried <= stated.unwrap_or(limit) {
        let nearest = (rest * tried).round();
        let error = (rest - nearest / tried).abs();
        if error < best - 1e-12 {
            (above, below, best) = (nearest, tried, error);
        }
        tried += 1.0;
    }
    let (whole, above) =
        if has_whole && above == below { (whole + 1.0, 0.0) } else { (whole, above) };
    match (has_whole, whole == 0.0, above == 0.0) {
        (true, _, true) => format!("{whole}"),
        (true, false, false) => format!("{whole} {above}/{below}"),
        _ => format!("{above}/{below}"),
    }
}
