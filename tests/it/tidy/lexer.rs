//! As much of Rust's lexical structure as the rules need: code, strings and comments told apart.

/// A source text taken apart.
pub struct Parts {
    /// The text with comments, strings and character literals blanked; line breaks stay.
    pub code: String,
    /// Every string literal as written, without its quotes, with the line that it begins on.
    pub strings: Vec<(usize, String)>,
}

/// A function in a source text.
pub struct Function {
    pub name: String,
    /// Lines from `fn` to the closing brace.
    pub lines: usize,
}

/// Returns the text with all but code blanked.
pub fn code(text: &str) -> String {
    parts(text).code
}

/// Returns every string literal with its line.
pub fn strings(text: &str) -> Vec<(usize, String)> {
    parts(text).strings
}

/// Takes a source text apart.
pub fn parts(text: &str) -> Parts {
    let mut parts = Parts { code: String::with_capacity(text.len()), strings: Vec::new() };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '/' if rest.starts_with("//") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => Some(comment_end(rest)),
            '"' => {
                // `r#` and the like have gone to the code already; they say where the string ends.
                let hashes = raw_hashes(&parts.code);
                let (inner, end) = string_end(rest, hashes);
                let line = parts.code.matches('\n').count() + 1;
                parts.strings.push((line, rest[inner.0..inner.1].to_owned()));
                Some(end)
            }
            '\'' => character_end(rest),
            _ => None,
        };
        let Some(end) = end else {
            parts.code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
        parts.code.extend(rest[..end].chars().map(blank));
        rest = &rest[end..];
    }
    parts
}

fn comment_end(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Returns the number of `#` where `code` ends in the start of a raw string.
fn raw_hashes(code: &str) -> Option<usize> {
    let before = code.trim_end_matches('#');
    let word: String =
        before.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    ["r", "rb", "rc"].contains(&word.as_str()).then_some(code.len() - before.len())
}

/// Returns where the string's text and the whole literal end, seen from its opening quote.
fn string_end(text: &str, raw_hashes: Option<usize>) -> ((usize, usize), usize) {
    if let Some(hashes) = raw_hashes {
        let close = format!("\"{}", "#".repeat(hashes));
        let end = text[1..].find(&close).map_or(text.len(), |at| at + 1);
        // The hashes stay code, like those in front.
        return ((1, end), (end + 1).min(text.len()));
    }
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return ((1, at), at + 1),
            _ => {}
        }
    }
    ((1, text.len()), text.len())
}

/// Returns where a character literal ends; `None` for a lifetime.
fn character_end(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    let (_, first) = characters.next()?;
    if first == '\\' {
        characters.next()?;
        return characters.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    let (at, second) = characters.next()?;
    (second == '\'').then_some(at + 1)
}

/// Returns every function of `code`, in order.
pub fn functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at..];
        let name: String =
            rest[3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            continue;
        }
        // A declaration without a body ends at its semicolon; `[u8; 4]` has one inside brackets.
        let mut brackets = 0_usize;
        let body = rest.find(|c| {
            match c {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            brackets == 0 && (c == '{' || c == ';')
        });
        let Some(open) = body.filter(|at| rest[*at..].starts_with('{')) else { continue };
        let end = open + block_end(&rest[open..]);
        functions.push(Function { name, lines: rest[..end].matches('\n').count() + 1 });
    }
    functions
}

/// Returns the length of the block that `code` begins with, braces included.
fn block_end(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Returns `code` with its test modules blanked; line breaks stay.
pub fn without_test_modules(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        let Some(open) = rest[at..].find(['{', ';']).map(|offset| at + offset) else { break };
        let end = match rest[open..].starts_with('{') {
            true => open + block_end(&rest[open..]),
            false => open + 1,
        };
        kept.extend(rest[at..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// Returns the top modules that `code`, the file at `path`, names, each with its line.
pub fn modules_used(path: &str, code: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for prefix in ["crate::", "kbingest::"] {
        for (at, _) in code.match_indices(prefix) {
            if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                used.extend(first_names(code, at + prefix.len()));
            }
        }
    }
    // `super` reaches the crate itself when there are as many as the file's module is deep.
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let climb = "super::".repeat(inside.split('/').count());
    let mut at = 0;
    while let Some(found) = code[at..].find(climb.as_str()) {
        let end = at + found + climb.len();
        // In a test module one more is needed, and what follows may be any name: only modules count.
        used.extend(
            first_names(code, end)
                .into_iter()
                .filter(|(_, name)| super::group_of(name).is_some_and(|_| !is_item_of(path, name))),
        );
        at = end;
    }
    used.sort();
    used
}

/// Tells whether `name` is a child of the file's own module, which `super::` names from a test module.
fn is_item_of(path: &str, name: &str) -> bool {
    let own = path.trim_start_matches("src/").split('/').next().unwrap_or_default();
    own.trim_end_matches(".rs") == name
}

/// Returns the first name of every path that begins at `at`: one, or those of a group in braces.
fn first_names(code: &str, at: usize) -> Vec<(usize, String)> {
    let rest = &code[at..];
    let name_at = |at: usize| {
        let name: String =
            code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let line = code[..at].matches('\n').count() + 1;
        (!name.is_empty()).then_some((line, name))
    };
    if !rest.starts_with('{') {
        return name_at(at).into_iter().collect();
    }
    let group = &rest[..block_end(rest)];
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut is_first = false;
    for (offset, character) in group.char_indices() {
        match character {
            '{' => {
                depth += 1;
                is_first = depth == 1;
            }
            '}' => depth -= 1,
            ',' => is_first = depth == 1,
            c if is_first && !c.is_whitespace() => {
                names.extend(name_at(at + offset));
                is_first = false;
            }
            _ => {}
        }
    }
    names
}
