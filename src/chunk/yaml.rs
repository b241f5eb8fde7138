//! YAML without a parser: its keys with a value below, its texts, and its documents with their
//! names.

/// Limit on a key, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// Keys that name a document, at its top or in its `metadata`; best first.
const NAMES: [&str; 4] = ["name", "title", "id", "generateName"];

/// A document of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Its first byte, that of the line `---` if it has one.
    pub start: usize,
    /// Its kind and name, as in `Deployment web`, or its number.
    pub name: String,
}

/// Returns the documents of `text` from `base` on, if there are several or the only one has kind
/// and name.
pub(super) fn documents(text: &str, base: usize) -> Vec<Document> {
    let mut starts = vec![base];
    let mut at = base;
    for line in text[base..].split_inclusive('\n') {
        let is_start = line.trim_end() == "---" || line.starts_with("--- ");
        if is_start && is_blank(&text[starts[starts.len() - 1]..at]) {
            // Nothing but comments came before.
            starts.pop();
        }
        if is_start {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let about: Vec<_> =
        starts.iter().zip(ends).map(|(&start, end)| about(&text[start..end])).collect();
    if let [(kind, name)] = about.as_slice()
        && (kind.is_empty() || name.is_empty())
    {
        return Vec::new();
    }
    let named = (1..).zip(starts).zip(about).map(|((number, start), (kind, name))| {
        let words: Vec<&str> = [kind, name].into_iter().filter(|word| !word.is_empty()).collect();
        let name = if words.is_empty() { format!("document {number}") } else { words.join(" ") };
        Document { start, name }
    });
    named.collect()
}

/// Reports whether a text has only comments and blank lines, and no document before.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.starts_with(['#', '%']))
}

/// Returns kind and name of a document; empty if it has none.
fn about(document: &str) -> (&str, &str) {
    let (mut kind, mut names) = ("", [""; NAMES.len()]);
    let mut outer = "";
    for line in document.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let indent = key.len() - key.trim_start().len();
        let (key, value) = (key.trim(), value.trim());
        let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        if indent == 0 {
            outer = key;
        }
        if indent == 0 && key == "kind" {
            kind = value;
        }
        if indent == 0 || outer == "metadata" {
            let place = NAMES.iter().position(|name| *name == key);
            if let Some(name) = place.and_then(|at| names.get_mut(at)).filter(|it| it.is_empty()) {
                *name = value;
            }
        }
    }
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    (kind, name)
}

/// Returns the key of a line whose value is below it: `services:`, `/pets/{id}:`, `"200":`,
/// `run: |`.
pub(super) fn key(line: &str) -> Option<&str> {
    if line.starts_with(['#', '-', '{', '[', '?', '&', '*', '!', '|', '>', '%']) {
        return None;
    }
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (key, value) = match quote {
        Some(quote) => {
            let (key, rest) = line[1..].split_once(quote)?;
            (key, rest.trim_start().strip_prefix(':')?)
        }
        // A colon inside of a key has no space after it.
        None => match line.split_once(": ") {
            Some((key, value)) => (key, value),
            None => (line.strip_suffix(':')?, ""),
        },
    };
    let key = key.trim();
    let is_key = !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.contains(" #");
    let is_below = value.trim().is_empty() || value.trim().starts_with(['#', '&', '!', '|', '>']);
    let is_word = quote.is_some() || !key.contains(['"', '\'', '(', ')', ',', '=', ';', '<', '$']);
    (is_key && is_below && is_word).then_some(key)
}

/// Reports whether the lines below, as far as they are indented further, are a text: `run: |`.
pub(super) fn begins_text(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or_default().trim_end();
    let line = line.trim_end_matches(|c: char| matches!(c, '+' | '-' | '0'..='9'));
    [": |", ": >", "- |", "- >"].iter().any(|mark| line.ends_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_value_below() {
        let check = |line: &str, expected: Option<&str>| assert_eq!(key(line), expected, "{line}");
        check("services:", Some("services"));
        check("/pets/{id}:", Some("/pets/{id}"));
        check("\"200\":", Some("200"));
        check("application/json; charset: utf-8", None);
        check("x-a: &anchor", Some("x-a"));
        check("default: # why", Some("default"));
        check("run: |", Some("run"));
        check("file:a:", Some("file:a"));
        check("image: a:b", None);
        check("- name:", None);
        check("# a:", None);
        check("def main():", None);
        check("{a: b}", None);
        check(":", None);
    }

    #[test]
    fn texts_begin_with_their_mark() {
        for line in ["run: |", "run: >-", "- |", "run: |2-", "a: | # why"] {
            assert!(begins_text(line), "{line}");
        }
        for line in ["run: a | b", "a: 1", "a:", "- a"] {
            assert!(!begins_text(line), "{line}");
        }
    }

    #[test]
    fn documents_have_kind_and_name() {
        let check = |text: &str, expected: &[(usize, &str)]| {
            let documents = documents(text, 0);
            let actual: Vec<_> = documents.iter().map(|it| (it.start, it.name.as_str())).collect();
            assert_eq!(actual, expected, "{text:?}");
        };
        let web = "kind: Deployment\nmetadata:\n  name: web # a\nspec:\n  name: no\n";
        check(web, &[(0, "Deployment web")]);
        let two = format!("# Both.\n---\n{web}---\nkind: Service\nmetadata: {{}}\n---\na: 1\n");
        check(&two, &[(8, "Deployment web"), (72, "Service"), (103, "document 3")]);
        check("---\na: 1\n", &[]);
        check("kind: x\n", &[]);
        check("", &[]);
    }
}
