//! Parses a file of queries with known answers: one JSON object per line.

use serde::Deserialize;

use super::spans::ByteSpan;

/// A query and what answers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Identifies it in reports.
    pub id: String,
    /// The query itself.
    pub text: String,
    /// The answers, at least one.
    pub relevant: Vec<Relevant>,
}

/// A document, or a passage of one, that answers a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Relevant {
    /// URI of the document inside its source, whichever source that is.
    pub uri: String,
    /// How well it answers, more than 0; 1 by default.
    pub grade: f64,
    /// The passage, in bytes of the source file.
    pub span: Option<ByteSpan>,
}

/// What is wrong with a file of queries.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A line is invalid.
    #[error("line {line}: {reason}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// There is no query.
    #[error("it has no query")]
    Empty,
}

/// A line of the file. Other keys are allowed: sets may contain notes.
#[derive(Deserialize)]
struct Line {
    id: Id,
    query: String,
    relevant: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "path")]
    uri: String,
    #[serde(default = "one")]
    grade: f64,
    start: Option<u64>,
    end: Option<u64>,
}

fn one() -> f64 {
    1.0
}

/// An id, a number or a string.
struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            serde_json::Value::Number(number) => Ok(Self(number.to_string())),
            _ => Err(serde::de::Error::custom("id must be a text or a number")),
        }
    }
}

/// Parses a file of queries; skips blank lines.
pub fn parse_queries(text: &str) -> Result<Vec<Query>, QueryError> {
    let mut queries = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let wrong = |reason: String| QueryError::Line { line, reason };
        let parsed: Line =
            serde_json::from_str(text).map_err(|error| wrong(without_place(&error)))?;
        let query = check(parsed).map_err(wrong)?;
        if !ids.insert(query.id.clone()) {
            return Err(wrong(format!("the id \"{}\" is used twice", query.id)));
        }
        queries.push(query);
    }
    if queries.is_empty() { Err(QueryError::Empty) } else { Ok(queries) }
}

/// Returns serde's message with only the column: every object is one line.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => format!("{reason} (column {})", error.column()),
        None => text,
    }
}

fn check(line: Line) -> Result<Query, String> {
    if line.relevant.is_empty() {
        return Err("`relevant` is empty: nothing could be found".to_owned());
    }
    let relevant = line.relevant.into_iter().map(|answer| {
        if !(answer.grade > 0.0 && answer.grade.is_finite()) {
            return Err(format!("`grade` is {}; it must be more than 0", answer.grade));
        }
        let span = match (answer.start, answer.end) {
            (None, None) => None,
            (Some(start), Some(end)) if start < end => Some(ByteSpan { start, end }),
            (Some(start), Some(end)) => {
                return Err(format!("`start` {start} is not before `end` {end}"));
            }
            _ => return Err("`start` and `end` belong together".to_owned()),
        };
        Ok(Relevant { uri: answer.uri, grade: answer.grade, span })
    });
    let relevant = relevant.collect::<Result<Vec<_>, _>>()?;
    if relevant.iter().any(|one| one.span.is_some() != relevant[0].span.is_some()) {
        return Err("either all of `relevant` have spans or none has".to_owned());
    }
    Ok(Query { id: line.id.0, text: line.query, relevant })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_queries() {
        let text = "\n{\"id\":\"a\",\"query\":\"q\",\"relevant\":[{\"path\":\"x.md\",\"start\":1,\"end\":3}],\"group\":\"g\"}\n\
                    {\"id\":7,\"query\":\"r\",\"relevant\":[{\"uri\":\"y.md\",\"grade\":2}]}\n";
        let queries = parse_queries(text).expect("well formed");
        let expected = [
            Query {
                id: "a".into(),
                text: "q".into(),
                relevant: vec![Relevant {
                    uri: "x.md".into(),
                    grade: 1.0,
                    span: Some(ByteSpan { start: 1, end: 3 }),
                }],
            },
            Query {
                id: "7".into(),
                text: "r".into(),
                relevant: vec![Relevant { uri: "y.md".into(), grade: 2.0, span: None }],
            },
        ];
        assert_eq!(queries, expected);
    }

    #[test]
    fn errors_name_line_and_reason() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse_queries(text).expect_err(text).to_string(), expected);
        };
        let line =
            |relevant: &str| format!("{{\"id\":1,\"query\":\"q\",\"relevant\":[{relevant}]}}");
        check("\n \n", "it has no query");
        check("\n{\"id\":1}", "line 2: missing field `query` (column 8)");
        check(&line(""), "line 1: `relevant` is empty: nothing could be found");
        check(
            &line("{\"path\":\"a\",\"start\":4,\"end\":4}"),
            "line 1: `start` 4 is not before `end` 4",
        );
        check(&line("{\"path\":\"a\",\"start\":4}"), "line 1: `start` and `end` belong together");
        check(
            &line("{\"path\":\"a\",\"grade\":0}"),
            "line 1: `grade` is 0; it must be more than 0",
        );
        check(
            &line("{\"path\":\"a\"},{\"path\":\"a\",\"start\":1,\"end\":2}"),
            "line 1: either all of `relevant` have spans or none has",
        );
        let twice = format!("{0}\n{0}", line("{\"path\":\"a\"}"));
        check(&twice, "line 2: the id \"1\" is used twice");
    }
}
