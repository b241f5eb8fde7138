//! Words that a line end splits inside of marks: `*hyphen-* *ated*`. Those in plain text are joined
//! by unpdf.

/// Joins words that are split between two runs with the same mark.
pub(super) fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("-*") {
        let (before, after) = rest.split_at(at);
        let mark = after[1..].len() - after[1..].trim_start_matches('*').len();
        let gap = after[1 + mark..].len() - after[1 + mark..].trim_start_matches([' ', '\n']).len();
        let next = &after[1 + mark + gap..];
        let stars = next.len() - next.trim_start_matches('*').len();
        let is_split = gap > 0
            && stars == mark
            && before.ends_with(char::is_lowercase)
            && next[stars..].starts_with(char::is_lowercase)
            && !after[1 + mark..1 + mark + gap].contains("\n\n");
        joined.push_str(before);
        if is_split {
            rest = &next[stars..];
        } else {
            joined.push_str(&after[..1 + mark]);
            rest = &after[1 + mark..];
        }
    }
    joined.push_str(rest);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_inside_of_marks_only() {
        let check = |text, expected| assert_eq!(joined(text), expected);
        check("*a hyphen-* *ated word*", "*a hyphenated word*");
        check("**hyphen-**\n**ated**, ***both-*** ***ers***", "**hyphenated**, ***bothers***");
        check("*low-* **level**", "*low-* **level**");
        check("*low-*level and *Low-* *Level*", "*low-*level and *Low-* *Level*");
        check("*end-*\n\n*next*", "*end-*\n\n*next*");
        check("- *a* -*", "- *a* -*");
    }
}
