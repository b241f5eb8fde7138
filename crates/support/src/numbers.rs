//! Numbers and counts for people.

/// Returns a number with its thousands separated by commas, as in `12,345`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a count with its noun, as in `1 chunk` and `2 chunks`; `noun` is a regular singular.
pub fn counted(count: u64, noun: &str) -> String {
    let number = number(count);
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (count, stem) {
        (1, _) => format!("{number} {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let check = |value, expected: &str| assert_eq!(number(value), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(1_234_567, "1,234,567");
    }

    #[test]
    fn nouns_agree_with_their_count() {
        let check = |count, noun, expected| assert_eq!(counted(count, noun), expected);
        check(0, "chunk", "0 chunks");
        check(1, "chunk", "1 chunk");
        check(2, "chunk", "2 chunks");
        check(1, "query", "1 query");
        check(1234, "query", "1,234 queries");
        check(2, "day", "2 days");
    }
}
