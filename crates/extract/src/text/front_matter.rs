//! Front matter: YAML between `---` lines or TOML between `+++` lines at the very start of a
//! Markdown file.
//!
//! The common subset of Jekyll, Hugo and Pandoc; there is no specification. It comes from
//! strangers, so its size, its nesting and the expansion of YAML's aliases are limited; whatever
//! cannot be read is not front matter.

use serde_json::Value;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy};
use tracing::debug;

use crate::Metadata;

const FRONT_MATTER_BYTES_MAX: usize = 64 << 10;
const NESTING_MAX: usize = 32;
const NODES_MAX: usize = 10_000;

/// Splits `text`, which has no BOM, into metadata and body; without front matter the body is the
/// whole text.
pub(crate) fn split<'a>(uri: &str, text: &'a str) -> (Metadata, &'a str) {
    let Some((format, raw, body)) = find(text) else {
        return (Metadata::new(), text);
    };
    let parsed = match format {
        Format::Yaml => parse_yaml(raw),
        Format::Toml => parse_toml(raw),
    };
    match parsed {
        Ok(metadata) => (metadata, body),
        Err(error) => {
            debug!(uri, %error, "front matter cannot be read");
            (Metadata::new(), body)
        }
    }
}

#[derive(Clone, Copy)]
enum Format {
    Yaml,
    Toml,
}

/// Returns the front matter without its fences, and the text after it.
fn find(text: &str) -> Option<(Format, &str, &str)> {
    let window = &text[..text.floor_char_boundary(FRONT_MATTER_BYTES_MAX)];
    let mut lines = window.split_inclusive('\n');
    let opening = lines.next()?;
    let (format, closings) = match opening.trim_end() {
        "---" => (Format::Yaml, ["---", "..."]),
        "+++" => (Format::Toml, ["+++", "+++"]),
        _ => return None,
    };
    let mut end = opening.len();
    for line in lines {
        if closings.contains(&line.trim_end()) {
            return Some((format, &text[opening.len()..end], &text[end + line.len()..]));
        }
        end += line.len();
    }
    None
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
