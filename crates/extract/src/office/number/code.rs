//! Format codes as sections of parts.

/// A part of a section.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Text that is shown as it is.
    Literal(String),
    /// The keyword `General`.
    General,
    /// Place of a digit: `0`, `#` or `?`.
    Digit(char),
    Point,
    /// Between digits: groups of thousands. After the last one: a thousandth.
    Comma,
    Percent,
    /// `E+` or `E-`; whether a plus is shown.
    Exponent(bool),
    Slash,
    /// `@`.
    Text,
    /// Letters of a date or time in small letters: `yyyy`, `mm`.
    Date(String),
    /// `[h]`, `[mm]`: hours, minutes or seconds that are not wrapped.
    Elapsed(char, usize),
    /// `AM/PM` or `A/P`.
    Noon(bool),
}

/// `[>=100]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    operator: String,
    limit: f64,
}

impl Condition {
    pub(super) fn holds(&self, value: f64) -> bool {
        match self.operator.as_str() {
            "<" => value < self.limit,
            "<=" => value <= self.limit,
            ">" => value > self.limit,
            ">=" => value >= self.limit,
            "<>" => value != self.limit,
            _ => value == self.limit,
        }
    }
}

/// What applies to some of the numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    pub(super) condition: Option<Condition>,
    pub(super) parts: Vec<Part>,
}

/// Places of digits in a section.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Before the point.
    pub(super) whole: usize,
    /// After it.
    pub(super) decimals: usize,
    pub(super) has_groups: bool,
    pub(super) thousands: i32,
    pub(super) percents: i32,
    pub(super) has_exponent: bool,
    pub(super) is_fraction: bool,
}

impl Section {
    pub(super) fn is_date(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Date(_) | Part::Elapsed(..) | Part::Noon(_)))
    }

    pub(super) fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        let mut commas = 0;
        let mut is_whole = true;
        for part in &self.parts {
            match part {
                Part::Digit(_) if layout.has_exponent => {}
                Part::Digit(_) if is_whole => {
                    layout.has_groups |= commas > 0 && layout.whole > 0;
                    commas = 0;
                    layout.whole += 1;
                }
                Part::Digit(_) => layout.decimals += 1,
                Part::Comma => commas += 1,
                Part::Point => {
                    is_whole = false;
                    layout.thousands += std::mem::take(&mut commas);
                }
                Part::Percent => layout.percents += 1,
                Part::Exponent(_) => layout.has_exponent = true,
                Part::Slash => layout.is_fraction = true,
                _ => {}
            }
        }
        layout.thousands += commas;
        layout
    }
}

/// Returns the sections of a code.
pub(super) fn parse(code: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let Some(section) = sections.last_mut() else { break };
        rest = match first {
            ';' => {
                sections.push(Section::default());
                after
            }
            '"' => {
                let (text, after) = after.split_once('"').unwrap_or((after, ""));
                section.parts.push(Part::Literal(text.to_owned()));
                after
            }
            '\\' | '!' => pushed_literal(section, after),
            // A space as wide as the next character.
            '_' => {
                section.parts.push(Part::Literal(" ".to_owned()));
                skip_one(after)
            }
            '*' => skip_one(after),
            '[' => {
                let (inside, after) = after.split_once(']').unwrap_or((after, ""));
                bracket(inside, section);
                after
            }
            _ => word(first, rest, section),
        };
    }
    sections
}

fn skip_one(text: &str) -> &str {
    text.chars().next().map_or("", |first| &text[first.len_utf8()..])
}

fn pushed_literal<'a>(section: &mut Section, text: &'a str) -> &'a str {
    if let Some(first) = text.chars().next() {
        section.parts.push(Part::Literal(first.to_string()));
    }
    skip_one(text)
}

/// Adds what brackets contain: a currency, a condition, a time that is not wrapped; colours and
/// languages are left out.
fn bracket(inside: &str, section: &mut Section) {
    if let Some(currency) = inside.strip_prefix('$') {
        let symbol = currency.split('-').next().unwrap_or_default();
        return section.parts.push(Part::Literal(symbol.to_owned()));
    }
    let operator = inside.len() - inside.trim_start_matches(['<', '>', '=']).len();
    if operator > 0 {
        if let Ok(limit) = inside[operator..].trim().parse() {
            section.condition = Some(Condition { operator: inside[..operator].to_owned(), limit });
        }
        return;
    }
    let lower = inside.to_ascii_lowercase();
    if let Some(unit @ ('h' | 'm' | 's')) = lower.chars().next()
        && lower.chars().all(|letter| letter == unit)
    {
        section.parts.push(Part::Elapsed(unit, lower.len()));
    }
}

/// Adds what begins with a character without quotes; returns what follows.
fn word<'a>(first: char, rest: &'a str, section: &mut Section) -> &'a str {
    let starts =
        |text: &str| rest.get(..text.len()).is_some_and(|found| found.eq_ignore_ascii_case(text));
    let (part, length) = match first {
        _ if starts("General") => (Part::General, "General".len()),
        _ if starts("AM/PM") => (Part::Noon(true), "AM/PM".len()),
        _ if starts("A/P") => (Part::Noon(false), "A/P".len()),
        'E' | 'e' if starts("E+") => (Part::Exponent(true), 2),
        'E' | 'e' if starts("E-") => (Part::Exponent(false), 2),
        '0' | '#' | '?' => (Part::Digit(first), 1),
        '1'..='9' if section.parts.contains(&Part::Slash) => (Part::Digit(first), 1),
        '.' => (Part::Point, 1),
        ',' => (Part::Comma, 1),
        '%' => (Part::Percent, 1),
        '/' if section.parts.iter().any(|part| matches!(part, Part::Digit(_))) => (Part::Slash, 1),
        '@' => (Part::Text, 1),
        'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' | 'e' | 'E' | 'g' | 'G' | 'b'
        | 'B' => {
            let same = |c: &char| c.eq_ignore_ascii_case(&first);
            let length = rest.chars().take_while(same).count();
            (Part::Date(rest[..length].to_ascii_lowercase()), length)
        }
        _ => (Part::Literal(first.to_string()), first.len_utf8()),
    };
    section.parts.push(part);
    &rest[length..]
}

/// Returns the literals of a section, with the value in its place.
pub(super) fn with_literals(section: &Section, value: &str) -> String {
    let mut text = String::new();
    for part in &section.parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::General | Part::Text => text.push_str(value),
            Part::Percent => text.push('%'),
            Part::Slash => text.push('/'),
            Part::Point => text.push('.'),
            Part::Comma => text.push(','),
            _ => {}
        }
    }
    text
}
