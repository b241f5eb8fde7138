//! One record: the roles of its fields, and the document made of it.

use serde_json::{Map, Value};

/// A record's values by field name, in order.
pub(super) type Record = Map<String, Value>;

/// Limit on an id, in bytes.
const ID_BYTES_MAX: usize = 512;

/// The roles of a record's fields.
pub(super) struct Fields {
    pub(super) id: String,
    pub(super) title: Option<String>,
    pub(super) text: Vec<String>,
}

impl Fields {
    /// Returns the id of a record; the error says why it has no usable one.
    pub(super) fn id_of(&self, record: &Record) -> Result<String, String> {
        let id = find(record, &self.id).map(plain).unwrap_or_default();
        let id = id.trim();
        if id.is_empty() {
            return Err(format!("it has no id: its field \"{}\" is empty or missing", self.id));
        }
        if id.len() > ID_BYTES_MAX {
            return Err(format!("its id is longer than {ID_BYTES_MAX} bytes"));
        }
        Ok(id.to_owned())
    }

    /// Returns the document: its title as a heading, then its text. If the text has several fields,
    /// each is preceded by its name.
    pub(super) fn text_of(&self, record: &Record) -> String {
        let title = self.title.as_ref().and_then(|name| find(record, name)).map(plain);
        let title = title.filter(|title| !title.trim().is_empty());
        let title = title.unwrap_or_else(|| self.id_of(record).unwrap_or_default());
        let mut text = format!("# {}\n", escaped(&title));
        for name in &self.text {
            let value = find(record, name).map(plain).unwrap_or_default();
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            text.push('\n');
            if self.text.len() > 1 {
                text.push_str(&format!("**{}:** ", escaped(name.trim_start_matches('/'))));
            }
            text.push_str(&value.replace("\r\n", "\n"));
            text.push('\n');
        }
        text
    }

    /// Returns the non-empty fields that are neither id, title nor text.
    pub(super) fn metadata_of(&self, record: Record) -> Record {
        let has_role = |name: &String| {
            *name == self.id || Some(name) == self.title.as_ref() || self.text.contains(name)
        };
        let is_empty = |value: &Value| value.is_null() || value.as_str() == Some("");
        record.into_iter().filter(|(name, value)| !has_role(name) && !is_empty(value)).collect()
    }
}

/// Returns the field of this name; a name that begins with `/` is a JSON pointer if no field has
/// that name.
fn find<'a>(record: &'a Record, name: &str) -> Option<&'a Value> {
    if let Some(value) = record.get(name) {
        return Some(value);
    }
    let (first, rest) = name.strip_prefix('/')?.split_once('/').unwrap_or((&name[1..], ""));
    let value = record.get(&first.replace("~1", "/").replace("~0", "~"))?;
    if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{rest}")) }
}

/// Returns a value as a person would write it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().all(|one| !one.is_object() && !one.is_array()) => {
            values.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Escapes a text as one line of Markdown.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '&' | '!' | '~' | '|')
        {
            line.push('\\');
        }
        line.push(c);
    }
    line
}
