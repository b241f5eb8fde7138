//! Documents that a source leaves out by their metadata: `skip_if = ["draft=true", "nosearch"]`.

use serde_json::Value;

use super::Located;

/// Returns the first of `conditions` that holds for the metadata of a document, a JSON object.
///
/// `key=value` holds if the value, or one of a list or between commas, is this, ignoring case;
/// `key` if there is a value other than false. A key may name values inside of others: `a.b`.
pub fn skip_condition<'a>(conditions: &'a [Located<String>], metadata: &str) -> Option<&'a str> {
    if conditions.is_empty() {
        return None;
    }
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    let holds = |condition: &&str| {
        let (key, value) = match condition.split_once('=') {
            Some((key, value)) => (key, Some(value.trim())),
            None => (*condition, None),
        };
        find(&metadata, key.trim()).is_some_and(|found| matches(found, value))
    };
    conditions.iter().map(|condition| condition.get_ref().as_str()).find(holds)
}

fn find<'a>(metadata: &'a Value, key: &str) -> Option<&'a Value> {
    let child = |name: &str| {
        let mut entries = metadata.as_object()?.iter();
        entries.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    child(key).or_else(|| {
        let (name, rest) = key.split_once('.')?;
        find(child(name)?, rest)
    })
}

fn matches(found: &Value, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return !matches!(found, Value::Null | Value::Bool(false))
            && found.as_str() != Some("false");
    };
    match found {
        Value::Array(values) => values.iter().any(|value| matches(value, Some(wanted))),
        Value::String(text) => {
            let (text, wanted) = (text.to_lowercase(), wanted.to_lowercase());
            text == wanted || text.split(',').any(|one| one.trim() == wanted)
        }
        Value::Bool(_) | Value::Number(_) => {
            serde_json::from_str(&wanted.to_lowercase()).is_ok_and(|wanted: Value| wanted == *found)
        }
        Value::Null | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_compared_by_value() {
        let metadata = r#"{"draft": true, "Tags": ["Old", 7], "a": {"b": "x"}, "c": false, "keywords": "One, Two", "orphan": "true"}"#;
        for (condition, expected) in [
            ("draft=true", true),
            ("draft = True", true),
            ("draft=false", false),
            ("draft", true),
            ("tags=old", true),
            ("tags=7", true),
            ("a.b=X", true),
            ("a.c", false),
            ("c", false),
            ("c=false", true),
            ("orphan", true),
            ("keywords=two", true),
            ("keywords=tw", false),
            ("nothing", false),
        ] {
            let conditions = [Located::from(condition.to_owned())];
            assert_eq!(skip_condition(&conditions, metadata).is_some(), expected, "{condition}");
        }
        assert_eq!(skip_condition(&[], metadata), None);
    }
}
