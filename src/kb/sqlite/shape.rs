//! Compares the schema of a file with ours, statement for statement: a file from a stranger may
//! contain triggers, views, generated columns or other checks, which SQLite would run with our
//! statements.
//!
//! SQLite's own additions are allowed: tables of `ANALYZE`, in their known form.

use std::collections::BTreeSet;
use std::fmt::Write;

use rusqlite::Connection;

/// An entry of `sqlite_schema`: type, name, table and statement, which is empty for the indexes
/// that SQLite creates.
type Entry = (String, String, String, String);

/// Tables in which SQLite stores the results of `ANALYZE`.
pub const STATISTICS: [(&str, &str); 2] = [
    ("sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
];
/// Limit on the entries of any version of ours, with a margin.
const ENTRIES_MAX: usize = 200;

/// The schema of a file, in a fixed order, without anything that does not affect the meaning of a
/// statement.
#[derive(Debug, PartialEq, Eq)]
pub struct Shape(BTreeSet<Entry>);

impl Shape {
    /// Reads the schema of an open file.
    pub fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection
            .prepare("SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_schema LIMIT ?1")?;
        let rows = statement.query_map([ENTRIES_MAX as i64], |row| {
            let sql = row.get_ref(3)?.as_str()?;
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, normalised(sql)))
        })?;
        let mut entries = rows.collect::<Result<BTreeSet<Entry>, _>>()?;
        entries.retain(|(kind, name, table, sql)| {
            !STATISTICS.iter().any(|(known, form)| {
                kind == "table" && name == known && table == known && *sql == normalised(form)
            })
        });
        Ok(Self(entries))
    }

    /// Returns its fingerprint: 16 hexadecimal digits of blake3.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (kind, name, table, sql) in &self.0 {
            for part in [kind, name, table, sql] {
                hasher.update(part.as_bytes()).update(b"\0");
            }
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    /// Returns the first difference from `ours`, in words; `None` if there is none.
    pub fn difference(&self, ours: &Self) -> Option<String> {
        if let Some((kind, name, ..)) = self.0.difference(&ours.0).next() {
            let is_known = ours.0.iter().any(|other| other.0 == *kind && other.1 == *name);
            let verb = if is_known { "differs" } else { "is not one of its parts" };
            return Some(format!("the {kind} {name:?} {verb}"));
        }
        let (kind, name, ..) = ours.0.difference(&self.0).next()?;
        Some(format!("the {kind} {name:?} is missing"))
    }
}

/// Returns a statement without comments, and with one space for significant white space: a later
/// version may explain a table in other words, and `ALTER TABLE` leaves some comments behind.
fn normalised(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut is_apart = false;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '-' if rest.starts_with("--") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => {
                Some(rest[2..].find("*/").map_or(rest.len(), |end| end + 4))
            }
            _ if first.is_ascii_whitespace() => Some(1),
            _ => None,
        };
        if let Some(skipped) = skipped {
            is_apart = true;
            rest = &rest[skipped..];
            continue;
        }
        let end = match first {
            '\'' | '"' | '`' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            _ => first.len_utf8(),
        };
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
        let joins = |c: Option<char>| c.is_some_and(|c| is_word(c) || "'\"`[]<>=!|-/*".contains(c));
        if is_apart && joins(text.chars().next_back()) && joins(Some(first)) {
            text.push(' ');
        }
        is_apart = false;
        let _ = write!(text, "{}", &rest[..end]);
        rest = &rest[end..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_white_space_do_not_count_and_all_else_does() {
        let same = [
            "CREATE TABLE a (b TEXT CHECK (b <> '--'), c)",
            "CREATE TABLE a(\n  b TEXT -- words\n CHECK(b <> '--'),/* more */c )",
        ];
        assert_eq!(normalised(same[0]), normalised(same[1]));
        for other in [
            "CREATE TABLE a (b TEXT CHECK (b <> '-- '), c)",
            "CREATE TABLE a (b TEXT CHECK (b < > '--'), c)",
            "CREATE TABLE a (bTEXT CHECK (b <> '--'), c)",
            "CREATE TABLE a (b TEXT CHECK (b <> '--'), 'c')",
            "CREATE TABLE a (b TEXT, c)",
        ] {
            assert_ne!(normalised(same[0]), normalised(other));
        }
    }
}
