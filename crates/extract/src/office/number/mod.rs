//! Numbers of workbooks as their cells show them.
//!
//! After number formats (ECMA-376, part 1, section 18.8.31). Colours, widths and languages are left
//! out. A date with day, month and year in digits is written in the order of ISO 8601, which needs
//! no knowledge of the country; all other dates are written as their format says, in English.

mod code;
mod dates;
mod decimal;

use std::collections::BTreeMap;

use code::{Part, Section};
use decimal::Decimal;

/// The number formats of a workbook, and the day from which it counts.
#[derive(Debug, Default)]
pub(crate) struct NumberFormats {
    /// Parsed codes by their id in the workbook.
    stated: BTreeMap<u32, Vec<Section>>,
    /// Days are counted from 1904.
    pub(crate) is_1904: bool,
}

/// Codes that every workbook knows by these ids; those left out are `General` or text. Ids 27 to 36
/// and 50 to 58 are dates of East Asia.
const BUILT_IN: [(u32, &str); 28] = [
    (1, "0"),
    (2, "0.00"),
    (3, "#,##0"),
    (4, "#,##0.00"),
    (5, "$#,##0;-$#,##0"),
    (6, "$#,##0;-$#,##0"),
    (7, "$#,##0.00;-$#,##0.00"),
    (8, "$#,##0.00;-$#,##0.00"),
    (9, "0%"),
    (10, "0.00%"),
    (11, "0.00E+00"),
    (12, "# ?/?"),
    (13, "# ??/??"),
    (14, "yyyy-mm-dd"),
    (15, "d-mmm-yy"),
    (16, "d-mmm"),
    (17, "mmm-yy"),
    (18, "h:mm AM/PM"),
    (19, "h:mm:ss AM/PM"),
    (20, "h:mm"),
    (21, "h:mm:ss"),
    (22, "yyyy-mm-dd h:mm"),
    (37, "#,##0;(#,##0)"),
    (38, "#,##0;(#,##0)"),
    (39, "#,##0.00;(#,##0.00)"),
    (40, "#,##0.00;(#,##0.00)"),
    (45, "mm:ss"),
    (46, "[h]:mm:ss"),
];

impl NumberFormats {
    /// Adds a format of the workbook.
    pub(crate) fn insert(&mut self, id: u32, code: &str) {
        self.stated.insert(id, code::parse(code));
    }

    /// Returns the number as a cell with this format shows it.
    pub(crate) fn shown(&self, value: f64, id: u32) -> String {
        if let Some(sections) = self.stated.get(&id) {
            return shown(value, sections, self.is_1904);
        }
        let code = match id {
            27..=36 | 50..=58 => "yyyy-mm-dd",
            41..=44 => "#,##0.00;(#,##0.00)",
            47 => "mm:ss.0",
            48 => "##0.0E+0",
            id => match BUILT_IN.iter().find(|(known, _)| *known == id) {
                Some((_, code)) => code,
                None => return general(value),
            },
        };
        shown(value, &code::parse(code), self.is_1904)
    }
}

/// Returns a number without a format: in at most 15 digits, as the last ones of a binary number
/// are no digits that anyone typed; whole numbers that are exact keep all of theirs.
pub(crate) fn general(value: f64) -> String {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        return format!("{}", if value == 0.0 { 0.0 } else { value });
    }
    let rounded = format!("{value:.14e}").parse().unwrap_or(value);
    if (1e-9..1e21).contains(&value.abs()) {
        return format!("{rounded}");
    }
    let text = format!("{rounded:E}");
    text.replacen('E', if text.contains("E-") { "E" } else { "E+" }, 1)
}

fn shown(value: f64, sections: &[Section], is_1904: bool) -> String {
    let Some((section, has_own_sign)) = chosen(value, sections) else { return general(value) };
    let text = if section.is_date() {
        dates::shown(value, section, is_1904)
    } else {
        let is_negative = value < 0.0 && !has_own_sign;
        Some(number(value.abs(), section, is_negative))
    };
    // What is hidden is still the value.
    text.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| general(value))
}

/// Returns the section that applies, and whether it shows the sign of a negative number itself.
fn chosen(value: f64, sections: &[Section]) -> Option<(&Section, bool)> {
    let numbers = &sections[..sections.len().min(3)];
    if numbers.iter().any(|section| section.condition.is_some()) {
        let index = numbers
            .iter()
            .position(|section| section.condition.as_ref().is_none_or(|is| is.holds(value)))?;
        return Some((&numbers[index], index > 0 && numbers.len() > 1));
    }
    match numbers {
        [_, negative, ..] if value < 0.0 => Some((negative, true)),
        [_, _, zero] if value == 0.0 => Some((zero, false)),
        [first, ..] => Some((first, false)),
        [] => None,
    }
}

/// Returns a number that is not negative by the parts of a section.
fn number(value: f64, section: &Section, is_negative: bool) -> String {
    let layout = section.layout();
    if section.parts.contains(&Part::General) {
        return signed(is_negative, code::with_literals(section, &general(value)));
    }
    if !section.parts.iter().any(|part| matches!(part, Part::Digit(_))) {
        // A text only, like "yes", or a number in a format for texts.
        let is_text = section.parts.contains(&Part::Text);
        let value = if is_text { general(value) } else { String::new() };
        return signed(is_negative && is_text, code::with_literals(section, &value));
    }
    let scaled = value * 100_f64.powi(layout.percents) / 1000_f64.powi(layout.thousands);
    if layout.is_fraction {
        return signed(is_negative, decimal::fraction(scaled, section));
    }
    let mut digits = Decimal::of(scaled);
    let exponent = layout.has_exponent.then(|| digits.take_exponent(layout.whole));
    digits.round(layout.decimals);
    // Rounding may have added a digit, as in 9.99 to 10.0.
    let exponent = exponent.map(|exponent| {
        exponent
            + if digits.whole_digits() > layout.whole {
                digits.take_exponent(layout.whole)
            } else {
                0
            }
    });
    signed(is_negative && !digits.is_zero(), decimal::filled(&digits, exponent, section, &layout))
}

fn signed(is_negative: bool, text: String) -> String {
    if is_negative { format!("-{}", text.trim_start()) } else { text }
}

#[cfg(test)]
#[expect(clippy::excessive_precision, reason = "numbers are as workbooks store them")]
mod tests {
    use super::*;

    fn by_code(code: &str, value: f64) -> String {
        let mut formats = NumberFormats::default();
        formats.insert(170, code);
        formats.shown(value, 170)
    }

    #[test]
    fn numbers_without_a_format_have_no_binary_digits() {
        let check = |value: f64, expected: &str| assert_eq!(general(value), expected);
        check(2.2999999999999998, "2.3");
        check(7.0000000000000007E-2, "0.07");
        check(99.90000000000001, "99.9");
        check(-0.1 - 0.2, "-0.3");
        check(0.0, "0");
        check(-0.0, "0");
        check(1234567890123456.0, "1234567890123456");
        check(123456.789, "123456.789");
        check(1.0 / 3.0, "0.333333333333333");
        check(1.5e300, "1.5E+300");
        check(2e-12, "2E-12");
    }

    #[test]
    fn numbers_are_as_shown() {
        let check = |code, value, expected: &str| assert_eq!(by_code(code, value), expected);
        check("General", 2.2999999999999998, "2.3");
        check("0.0%", 0.125, "12.5%");
        check("0%", 0.07, "7%");
        check("0.00", 0.125, "0.13");
        check("0.00", 1.005, "1.01");
        check("0.00", 2.2999999999999998, "2.30");
        check("0", 0.5, "1");
        check("0", -0.4, "0");
        check("00000", 7.0, "00007");
        check("000-00-0000", 123456789.0, "123-45-6789");
        check("(000) 000-0000", 5551234567.0, "(555) 123-4567");
        check("#,##0", 1234567.0, "1,234,567");
        check("#,##0.00", -1234.5, "-1,234.50");
        check("#,##0,", 1234567.0, "1,235");
        check("0.0,,\"M\"", 1234567.0, "1.2M");
        check("#,##0.00;(#,##0.00)", -1234.5, "(1,234.50)");
        check("\"$\"#,##0.00", -5.0, "-$5.00");
        check("[$$-409]#,##0.00", 1234.5, "$1,234.50");
        check("#,##0.00\\ [$€-407]", 1234.5, "1,234.50 €");
        check("[$£-809]#,##0;[Red]-[$£-809]#,##0", -12.0, "-£12");
        check("_(* #,##0.00_);_(* \\(#,##0.00\\);_(* \"-\"??_);_(@_)", 0.0, "-");
        check("_(* #,##0.00_);_(* \\(#,##0.00\\);_(* \"-\"??_);_(@_)", -3.0, "(3.00)");
        check("0.##", 3.0, "3.");
        check("0.0#", 2.5, "2.5");
        check("#.##", 0.25, ".25");
        check("0.00E+00", 12345.0, "1.23E+04");
        check("0.0E+0", 9.99, "1.0E+1");
        check("##0.0E+0", 12345.0, "12.3E+3");
        check("0.00E+00", 0.00012, "1.20E-04");
        check("# ?/?", 1.25, "1 1/4");
        check("# ?/?", 0.5, "1/2");
        check("# ??/??", 3.0, "3");
        check("# ?/8", 0.375, "3/8");
        check("0 \"pcs\"", 12.0, "12 pcs");
        check("\"PO-\"0000", 42.0, "PO-0042");
        check("\"yes\";\"yes\";\"no\"", 1.0, "yes");
        check("\"yes\";\"yes\";\"no\"", 0.0, "no");
        check("[<1000]0;[>=1000]0.0,\"k\"", 999.0, "999");
        check("[<1000]0;[>=1000]0.0,\"k\"", 2500.0, "2.5k");
        check("@", 12.5, "12.5");
        check(";;;", 12.5, "12.5");
        check("0.0 \"°C\"", 21.34, "21.3 °C");
    }

    #[test]
    fn dates_and_times_are_as_shown() {
        let check = |code, value, expected: &str| assert_eq!(by_code(code, value), expected);
        check("hh:mm", 0.29513888888888890, "07:05");
        check("[h]:mm", 1.2604166666666667, "30:15");
        check("[mm]:ss", 0.0625, "90:00");
        check("h:mm AM/PM", 0.75, "6:00 PM");
        check("h:mm:ss AM/PM", 0.0, "12:00:00 AM");
        check("mm:ss.0", 0.000_729_166_7, "01:03.0");
        check("yyyy-mm-dd", 45360.0, "2024-03-09");
        check("dd/mm/yyyy", 45360.0, "2024-03-09");
        check("m/d/yy h:mm", 45360.5, "2024-03-09 12:00");
        check("yyyy-mm-dd hh:mm:ss", 45_360.999_999_999, "2024-03-10 00:00:00");
        check("mmm yyyy", 45360.0, "Mar 2024");
        check("[$-409]mmmm d, yyyy;@", 45360.0, "March 9, 2024");
        check("dddd d mmmm yyyy", 45360.0, "Saturday 9 March 2024");
        check("d-mmm-yy", 45360.0, "9-Mar-24");
        check("yyyy", 45360.0, "2024");
        check("yyyy\"Q1\"", 45360.0, "2024Q1");
        check("yyyy-mm-dd", 1.0, "1900-01-01");
        check("yyyy-mm-dd", 59.0, "1900-02-28");
        check("yyyy-mm-dd", 61.0, "1900-03-01");
        check("yyyy-mm-dd", -1.0, "-1");
        check("yyyy-mm-dd", 9e9, "9000000000");
        let mut formats = NumberFormats { is_1904: true, ..NumberFormats::default() };
        formats.insert(170, "yyyy-mm-dd");
        assert_eq!(formats.shown(43898.0, 170), "2024-03-09");
        assert_eq!(formats.shown(43898.0, 14), "2024-03-09");
        assert_eq!(formats.shown(0.5, 20), "12:00");
        assert_eq!(formats.shown(0.5, 49), "0.5");
    }
}
