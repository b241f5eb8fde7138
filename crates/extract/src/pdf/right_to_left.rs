//! Repairs right-to-left scripts from PDF: letters that were drawn as one sign, words that touch
//! others, and tables.
//!
//! The reader splits the sign for lam and alef into its letters before it reverses the line into
//! reading order, which swaps the two. After an alef this is certain: no word of Arabic or Persian
//! has an alef and another one of its forms side by side.

/// The letter alef.
const ALEF: char = 'ا';

/// Alef and its forms with hamza and madda.
const ALEFS: [char; 4] = ['ا', 'أ', 'إ', 'آ'];

/// The letter lam.
const LAM: char = 'ل';

/// Returns Markdown with words and the cells of tables in the order in which they are read.
pub(crate) fn in_reading_order(text: &str) -> String {
    if !text.contains(is_right_to_left) {
        return text.to_owned();
    }
    let text = repaired(text);
    let mut rendered = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if !is_row(line) {
            rendered.push_str(line);
            continue;
        }
        let mut rows = vec![line];
        while let Some(row) = lines.next_if(|line| is_row(line)) {
            rows.push(row);
        }
        let letters = || rows.iter().flat_map(|row| row.chars());
        let latin = letters().filter(char::is_ascii_alphabetic).count();
        let is_table = letters().filter(|&letter| is_right_to_left(letter)).count() > latin;
        for row in rows {
            if is_table { rendered.push_str(&reversed(row)) } else { rendered.push_str(row) }
        }
    }
    rendered
}

fn is_row(line: &str) -> bool {
    let line = line.trim();
    line.len() > 1 && line.starts_with('|') && line.ends_with('|')
}

/// Returns a row of a table whose first column is the one on the right.
fn reversed(row: &str) -> String {
    let row = row.trim();
    let cells = row[1..row.len() - 1].replace("\\|", "\u{1}");
    let cells: Vec<_> = cells.split('|').rev().collect();
    format!("|{}|\n", cells.join("|").replace('\u{1}', "\\|"))
}

/// Detects letters of Hebrew and Arabic.
fn is_right_to_left(letter: char) -> bool {
    matches!(letter, '\u{5d0}'..='\u{5ea}') || is_arabic(letter)
}

/// Returns the text with lam before alef if they were certainly swapped, and with a space between
/// Latin and Arabic letters.
fn repaired(text: &str) -> String {
    if !text.contains(ALEF) {
        return text.to_owned();
    }
    let mut rendered = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        if is_arabic(letter) && before.is_ascii_alphabetic()
            || letter.is_ascii_alphabetic() && is_arabic(before)
        {
            rendered.push(' ');
        }
        if before == ALEF && ALEFS.contains(&letter) && letters.peek() == Some(&LAM) {
            letters.next();
            rendered.push(LAM);
        }
        rendered.push(letter);
        before = letter;
    }
    rendered
}

fn is_arabic(letter: char) -> bool {
    matches!(letter, '\u{620}'..='\u{64a}' | '\u{671}'..='\u{6d3}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_from_the_right() {
        let table = "x\n| 3 \\| 4 | שלום | |\n| --- | --- | --- |\n| a | b | עולם |\n";
        assert_eq!(
            in_reading_order(table),
            "x\n| | שלום | 3 \\| 4 |\n| --- | --- | --- |\n| עולם | b | a |\n"
        );
        let other = "| Text | שלום |\n| --- | --- |\n| and more | words |\n";
        assert_eq!(in_reading_order(other), other);
    }

    #[test]
    fn lam_stands_before_alef_where_that_is_certain() {
        let check = |text: &str, expected: &str| assert_eq!(repaired(text), expected);
        check("اإلنتاجية", "الإنتاجية");
        check("االستفادة", "الاستفادة");
        check("کاالی", "کالای");
        check("pythonمن xا", "python من x ا");
        for right in ["الإنتاجية", "إلى", "المال", "الأداء", "قال", "plain text"]
        {
            check(right, right);
        }
    }
}
