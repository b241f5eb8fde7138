//! YAML without a parser: its keys with a value below, its texts, and its documents with their
//! names.

/// Limit on a key, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// Keys that name a document, at its top or in its `metadata`; best first.
const NAMES: [&str; 4] = ["name", "title", "id", "generateName"];

/// Keys that name an item of a list: best first.
const ITEM_NAMES: [&str; 9] =
    ["name", "title", "alert", "record", "id", "job_name", "uses", "hosts", "path"];

/// Lines after its first one in which an item's name is looked for.
const ITEM_LINES_MAX: usize = 24;

/// Bytes of a flow mapping that are read.
const FLOW_BYTES_MAX: usize = 4096;

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
    let mut about = About::new(0, &NAMES);
    let content = document.trim_start_matches("---").trim_start();
    if content.starts_with('{') && !content.starts_with("{{") {
        return (
            flow_value(content, "kind").unwrap_or_default(),
            flow_value(content, "metadata").and_then(flow_name).unwrap_or_default(),
        );
    }
    for line in document.lines() {
        about.read(line.len() - line.trim_start().len(), line.trim_start(), document);
    }
    (about.kind, about.name())
}

/// Returns the name of the list item whose line `- …` begins `text`.
pub(super) fn item(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let first = lines.next()?;
    let dash = first.len() - first.trim_start().len();
    let content = first.trim_start().strip_prefix('-')?.trim_start();
    let mut about = About::new(first.len() - content.len(), &ITEM_NAMES);
    about.read(about.indent, content, text);
    for line in lines.take(ITEM_LINES_MAX) {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if indent <= dash && !content.is_empty() && !content.starts_with('#') {
            break;
        }
        about.read(indent, content, text);
    }
    let words = [about.kind, about.name()];
    let is_named = !about.name().is_empty();
    is_named.then(|| {
        words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(" ")
    })
}

/// Kind and names among the lines of a mapping.
struct About<'a> {
    /// Indentation of its keys, and of those in its `metadata`.
    indent: usize,
    metadata_indent: Option<usize>,
    kind: &'a str,
    keys: &'static [&'static str],
    /// The value of each of the keys.
    names: Vec<&'a str>,
    in_metadata: bool,
}

impl<'a> About<'a> {
    fn new(indent: usize, keys: &'static [&'static str]) -> Self {
        let names = vec![""; keys.len()];
        Self { indent, metadata_indent: None, kind: "", keys, names, in_metadata: false }
    }

    /// Reads a line without its indentation; `text` contains it.
    fn read(&mut self, indent: usize, line: &'a str, text: &'a str) {
        let Some((key, written)) = line.split_once(':') else { return };
        let (key, value) = (key.trim().trim_matches(['"', '\'']), scalar(written));
        if indent == self.indent {
            self.in_metadata = key == "metadata";
            self.metadata_indent = None;
            if self.in_metadata && written.trim_start().starts_with('{') {
                let at = written.as_ptr().addr() - text.as_ptr().addr();
                self.add("name", flow_name(&text[at..]).unwrap_or_default());
            } else if key == "kind" {
                self.kind = value;
            } else {
                self.add(key, value);
            }
        } else if self.in_metadata
            && indent > self.indent
            && *self.metadata_indent.get_or_insert(indent) == indent
        {
            self.add(key, value);
        }
    }

    fn add(&mut self, key: &str, value: &'a str) {
        let place = self.keys.iter().position(|name| *name == key);
        if let Some(name) = place.and_then(|at| self.names.get_mut(at)).filter(|it| it.is_empty()) {
            *name = value;
        }
    }

    /// Returns the best name, or an empty one.
    fn name(&self) -> &'a str {
        self.names.iter().find(|name| !name.is_empty()).copied().unwrap_or_default()
    }
}

/// Returns a value that is a word or text in a line, without quotes and comment, or nothing.
fn scalar(value: &str) -> &str {
    let value = value.split(" #").next().unwrap_or_default().trim();
    let is_other = value.starts_with(['|', '>', '&', '*', '[', '!'])
        || value.starts_with('{') && !value.starts_with("{{");
    if is_other { "" } else { value.trim_matches(['"', '\'']) }
}

/// Returns the name in metadata such as `{name: web, labels: {name: other}}`.
fn flow_name(text: &str) -> Option<&str> {
    NAMES.iter().find_map(|name| flow_value(text, name)).filter(|name| !name.is_empty())
}

/// Returns the value of a key of the flow mapping, or the JSON object, at the start of `text`.
fn flow_value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let text = text.trim_start();
    let text = &text[..text.floor_char_boundary(FLOW_BYTES_MAX)];
    let (mut depth, mut start, mut quote) = (0, 0, None);
    for (at, c) in text.char_indices() {
        match c {
            _ if quote == Some(c) => quote = None,
            _ if quote.is_some() => continue,
            '"' | '\'' => quote = Some(c),
            '{' | '[' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            '}' | ']' | ',' => {
                if depth == 1 {
                    let (name, value) = text[start..at].split_once(':').unwrap_or_default();
                    if name.trim().trim_matches(['"', '\'']) == key {
                        let value = value.trim();
                        return Some(value.trim_matches(['"', '\'']));
                    }
                    start = at + 1;
                }
                depth -= i32::from(c != ',');
                if depth == 0 {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
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

/// Reports whether a line begins an item of a list.
pub(super) fn is_item(line: &str) -> bool {
    line == "-" || line.starts_with("- ")
}

/// Reports whether a text is a list.
pub(super) fn is_list(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.find(|line| !line.starts_with(['#', '%']) && *line != "---").is_some_and(is_item)
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
    fn items_have_the_name_among_their_keys() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(item(text).as_deref(), expected, "{text:?}");
        };
        check("- name: Install nginx # why\n  apt:\n    name: nginx\n", Some("Install nginx"));
        check("  - hosts: web\n    name: \"Set up\"\n", Some("Set up"));
        check("- hosts: web\n- name: Next\n", Some("web"));
        check("-\n  name: below\n", None);
        check("- uses: actions/checkout@v4\n  with:\n    name: no\n", Some("actions/checkout@v4"));
        check("- kind: Pod\n  metadata:\n    labels: {name: no}\n    name: a\n", Some("Pod a"));
        check("- run: |\n    name: no\n", None);
        check("- name: |\n    no\n", None);
        check("- a\n", None);
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
        // Labels name others; metadata may be in one line, and a document in JSON.
        let labels = "kind: Pod\nmetadata:\n  labels:\n    name: no\n  name: a\nspec: {}\n";
        check(labels, &[(0, "Pod a")]);
        check("kind: Pod\nmetadata: {labels: {name: no}, name: \"a b\"}\n", &[(0, "Pod a b")]);
        check("kind: Pod\nmetadata: {\n  name: a,\n}\n", &[(0, "Pod a")]);
        check("{\"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}\n", &[(0, "Pod a")]);
        check(
            "kind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n",
            &[(0, "Pod {{ .Release.Name }}")],
        );
        check("{{- if .a }}\nkind: Pod\nmetadata:\n  name: a\n{{- end }}\n", &[(0, "Pod a")]);
        check("---\na: 1\n", &[]);
        check("kind: x\n", &[]);
        check("", &[]);
    }
}
