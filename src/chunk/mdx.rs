//! Statements of MDX: imports and exports between the blocks of a Markdown text, which are code of
//! its site and no words.

/// Limit on the lines of a statement.
const LINES_MAX: usize = 100;

/// Words after `export`.
const EXPORTED: [&str; 8] =
    ["const ", "let ", "var ", "function ", "async ", "class ", "default ", "{"];

/// Returns the length of the statements at the start of `text`, whole lines; 0 if there are none.
pub(super) fn statements(text: &str) -> usize {
    let mut length = 0;
    while let Some(one) = statement(&text[length..]) {
        length += one;
    }
    length
}

/// Returns the length of the statement at the start of `text`: up to the line that closes its
/// brackets.
fn statement(text: &str) -> Option<usize> {
    let is_import = text.starts_with("import ");
    let exported = text.strip_prefix("export ").map(str::trim_start);
    let is_export = exported.is_some_and(|it| EXPORTED.iter().any(|word| it.starts_with(word)));
    if !is_import && !is_export {
        return None;
    }
    let (mut length, mut depth) = (0, 0_i32);
    for line in text.split_inclusive('\n').take(LINES_MAX) {
        if line.trim().is_empty() {
            return None;
        }
        length += line.len();
        for c in line.chars() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
        }
        if depth <= 0 {
            let line = line.trim_end().trim_end_matches(';');
            let module = line.ends_with(['\'', '"']);
            let is_named = text[..length].contains(" from ") || text[7..].starts_with(['\'', '"']);
            return (is_export || module && is_named).then_some(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_whole_lines() {
        let check = |text: &str, rest: &str| assert_eq!(&text[statements(text)..], rest);
        check("import A from './a'\nimport {\n  B,\n} from \"b\";\nText", "Text");
        check("import 'a.css';\n", "");
        check("export const meta = {\n  title: 'x',\n}\nText", "Text");
        check("export default ({ children }) => <div>{children}</div>", "");
        for text in [
            "import goods from Mali\n",
            "export the file\n",
            "imports\n",
            "export const a = {\n\n}",
            "",
        ] {
            check(text, text);
        }
    }
}
