//! What the metadata of a document says it is about: words that are searched like its title.

use std::collections::BTreeMap;

use serde_json::Value;

/// Names of metadata, also in front matter and `<meta>`, whose words are those of a title.
const NAMES: [&str; 19] = [
    "aliases",
    "alias",
    "subtitle",
    "tags",
    "tag",
    "keywords",
    "keyword",
    "labels",
    "topics",
    "taxonomies",
    "categories",
    "category",
    "product",
    "description",
    "summary",
    "abstract",
    "excerpt",
    "author",
    "authors",
];

/// Names of metadata whose values may have the same names: of Zola and Hugo.
const AROUND: [&str; 2] = ["extra", "params"];

/// Limit on the bytes of these words.
const BYTES_MAX: usize = 2048;

/// Limit on lists in lists.
const DEPTH_MAX: usize = 4;

/// Returns the words of tags, aliases, description, authors and the like, a value per line;
/// `metadata` is a JSON object, and has none if it is damaged.
pub fn about(metadata: &str) -> String {
    let metadata: BTreeMap<String, Value> = serde_json::from_str(metadata).unwrap_or_default();
    let inner = AROUND.iter().filter_map(|name| metadata.get(*name)?.as_object());
    let entries: Vec<(&String, &Value)> = metadata.iter().chain(inner.flatten()).collect();
    let mut words = String::new();
    for name in NAMES {
        for (_, value) in entries.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)) {
            add(value, &mut words, DEPTH_MAX);
        }
    }
    words.truncate(words.floor_char_boundary(BYTES_MAX));
    words
}

fn add(value: &Value, words: &mut String, depth: usize) {
    match value {
        Value::String(text) => {
            words.push_str(text);
            words.push('\n');
        }
        Value::Number(number) => {
            words.push_str(&number.to_string());
            words.push('\n');
        }
        Value::Array(values) if depth > 0 => {
            values.iter().for_each(|value| add(value, words, depth - 1));
        }
        Value::Object(values) if depth > 0 => {
            values.values().for_each(|value| add(value, words, depth - 1));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_of_a_title() {
        let metadata = serde_json::json!({
            "Tags": ["a b", 7, ["c"], {"d": "e"}], "description": "f", "author": "g", "draft": true,
            "taxonomies": {"topics": ["h"]}, "extra": {"labels": "i", "weight": 3}, "layout": "no"
        });
        assert_eq!(about(&metadata.to_string()), "a b\n7\nc\ne\ni\nh\nf\ng\n");
        let long = serde_json::json!({ "tags": "é".repeat(2000) });
        assert_eq!(about(&long.to_string()).len(), BYTES_MAX);
        assert_eq!(about("{"), "");
    }
}
