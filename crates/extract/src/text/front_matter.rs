//! Reads the values of front matter: the common subset of Jekyll, Hugo, Pandoc and Obsidian.
//!
//! It comes from strangers, so its size, its nesting and the expansion of YAML's aliases are
//! limited. Where the parser fails, each key is read alone, as YAML or TOML, or else as the text
//! that its author typed.

use kbingest_support::front_matter::{self, Format, FrontMatter};
use serde_json::Value;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy};
use tracing::debug;

use crate::Metadata;

const NESTING_MAX: usize = 32;
const NODES_MAX: usize = 10_000;

/// Limit on the bytes that are read line by line.
const LENIENT_BYTES_MAX: usize = 16 << 10;

/// Name of the metadata that counts the keys and lines which are not as their language wants them.
const UNREAD: &str = "front_matter_errors";

/// Splits `text`, which has no BOM, into metadata and body; without front matter the body is the
/// whole text.
pub(crate) fn split<'a>(uri: &str, text: &'a str) -> (Metadata, &'a str) {
    let Some(found) = front_matter::find(text) else {
        return (Metadata::new(), text);
    };
    let raw = &text[found.content.clone()];
    let parsed = match found.format {
        Format::Yaml => parse_yaml(raw),
        Format::Toml => parse_toml(raw),
    };
    let metadata = parsed.unwrap_or_else(|error| {
        debug!(uri, %error, "front matter is read line by line");
        read_entries(text, &found)
    });
    (metadata, &text[found.end..])
}

/// Reads each key alone; nothing if there are so many or so long ones that they are hostile.
fn read_entries(text: &str, found: &FrontMatter) -> Metadata {
    let mut metadata = Metadata::new();
    let raw = &text[found.content.clone()];
    if raw.len() > LENIENT_BYTES_MAX {
        return metadata;
    }
    let mut errors = found.unread.len();
    for entry in &found.entries {
        // YAML indents with spaces only.
        let entry = text[entry.clone()].replace('\t', "  ");
        let parsed = match found.format {
            // Aliases would expand in each entry, and a text may begin with their signs.
            Format::Yaml if entry.contains(['&', '*']) => Err(String::new()),
            Format::Yaml => parse_yaml(&entry),
            Format::Toml => {
                parse_toml(&entry).or_else(|_| parse_toml(entry.lines().next().unwrap_or_default()))
            }
        };
        if let Ok(mut parsed) = parsed {
            metadata.append(&mut parsed);
            continue;
        }
        errors += 1;
        let (first, below) = entry.trim().split_once('\n').unwrap_or((entry.trim(), ""));
        let pair = match found.format {
            Format::Yaml => front_matter::key(first),
            Format::Toml => first.split_once('=').map(|(key, value)| (key.trim(), value.trim())),
        };
        if let Some((key, value)) = pair {
            metadata.insert(key.to_owned(), as_typed(value, below));
        }
    }
    metadata.retain(|_, value| value.as_str() != Some(""));
    if !metadata.is_empty() {
        metadata.insert(UNREAD.to_owned(), errors.max(1).into());
    }
    metadata
}

/// Returns a value that cannot be parsed as its author typed it: a list of the items below its key
/// or between brackets, or else a text.
fn as_typed(value: &str, below: &str) -> Value {
    let items: Vec<&str> =
        below.lines().filter_map(|line| line.trim().strip_prefix("- ")).collect();
    if value.is_empty() && !items.is_empty() {
        return items.into_iter().map(|item| Value::from(unquoted(item))).collect();
    }
    let list = value.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    if let Some(list) = list.filter(|list| !list.starts_with('[')) {
        let items = list.split(',').map(unquoted).filter(|item| !item.is_empty());
        return items.map(Value::from).collect();
    }
    let lines = [value].into_iter().chain(below.lines().map(str::trim));
    let text: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    unquoted(&text.join(" ")).into()
}

/// Returns `text` without quotes around it, of which one may be missing.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix(['"', '\'']).unwrap_or(text);
    if inner.len() < text.len() { inner.strip_suffix(['"', '\'']).unwrap_or(inner) } else { text }
}

fn parse_yaml(raw: &str) -> Result<Metadata, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: NESTING_MAX,
            flow_nesting_limit: NESTING_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_recorded_anchor_events: 4 * NODES_MAX,
            max_documents: 1,
        },
        alias_limits: AliasLimits::default(),
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // Plain words and numbers stay what their author typed: `No`, `007`, `1_000`.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    serde_saphyr::from_str_with_options(raw, options).map_err(|error| error.to_string())
}

fn parse_toml(raw: &str) -> Result<Metadata, String> {
    let table: toml::Table = toml::from_str(raw).map_err(|error| error.message().to_owned())?;
    Ok(table.into_iter().map(|(key, value)| (key, to_json(value))).collect())
}

/// Converts a value whose nesting the TOML parser has limited; dates become strings.
fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, to_json(value))).collect()
        }
    }
}
