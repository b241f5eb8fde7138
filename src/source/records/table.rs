//! The records of a file: position and id of each, and problems with invalid ones.

use std::collections::BTreeMap;
use std::ops::Range;

use csv::StringRecord;
use encoding_rs::Encoding;
use serde_json::Value;
use serde_json::value::RawValue;

use super::config::Format;
use super::record::{Fields, Record};
use crate::domain::Version;
use crate::source::uri;
use crate::support::quoted::{self, quoted};
use crate::support::rows;

/// Possible separators of a table whose name does not show it.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Problems of records that are reported one by one.
const PROBLEMS_MAX: usize = 100;

/// A file of records.
pub(super) struct Table {
    text: String,
    columns: Columns,
    /// In URI order.
    pub(super) rows: Vec<Row>,
    pub(super) problems: Vec<Problem>,
}

/// Position and URI of a record.
pub(super) struct Row {
    pub(super) uri: String,
    pub(super) version: Version,
    pub(super) range: Range<usize>,
    number: usize,
}

/// A record that cannot become a document.
pub(super) struct Problem {
    /// As in `row 7 of products.csv`.
    pub(super) place: String,
    pub(super) reason: String,
    /// It may be the current version of a known document, which must not be deleted.
    pub(super) may_hide_a_record: bool,
}

/// The columns of a table; without names for JSON, whose records name their own fields.
struct Columns {
    names: StringRecord,
    separator: u8,
}

impl Table {
    /// Finds the records of a file; the error says why there are none.
    pub(super) fn read(
        bytes: Vec<u8>,
        format: Format,
        list: &str,
        fields: &Fields,
        file_name: &str,
    ) -> Result<Self, String> {
        let text = decode(bytes)?;
        let columns = match format {
            Format::Csv => columns(&text, &SEPARATORS, fields)?,
            Format::Tsv => columns(&text, b"\t", fields)?,
            Format::Json | Format::JsonLines => {
                Columns { names: StringRecord::new(), separator: b',' }
            }
        };
        let ranges = match format {
            Format::Csv | Format::Tsv => rows_of_csv(&text, columns.separator),
            Format::Json => items_of_json(&text, list)?,
            Format::JsonLines => lines(&text),
        };
        let mut table = Self { text, columns, rows: Vec::new(), problems: Vec::new() };
        table.name_records(ranges, fields, file_name);
        Ok(table)
    }

    /// Returns how many records and problems there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.problems.len()
    }

    pub(super) fn find(&self, wanted: &str) -> Option<&Row> {
        let found = self.rows.binary_search_by(|row| uri::uri_order(&row.uri, wanted));
        found.ok().map(|at| &self.rows[at])
    }

    /// Returns the fields of a record.
    pub(super) fn record(&self, row: &Row) -> Result<Record, String> {
        self.parse(row.range.clone())
    }

    fn parse(&self, range: Range<usize>) -> Result<Record, String> {
        let text = &self.text[range];
        if self.columns.names.is_empty() {
            return match serde_json::from_str(text) {
                Ok(Value::Object(record)) => Ok(record),
                Ok(_) => Err("it is not a JSON object".to_owned()),
                Err(error) => Err(format!("it is not JSON: {error}")),
            };
        }
        let mut reader = rows::reader(text, self.columns.separator);
        let row = reader.records().next().transpose().map_err(|error| error.to_string())?;
        let row = row.unwrap_or_default();
        let named = self.columns.names.iter().zip(&row);
        Ok(named.map(|(name, value)| (name.trim().to_owned(), Value::from(value))).collect())
    }

    /// Gives each record its URI; among several with the same id, the first gets it.
    fn name_records(&mut self, ranges: Vec<Range<usize>>, fields: &Fields, file_name: &str) {
        // Another form would read every record again.
        let header = format!("StringRecord({})", quoted::list(&self.columns.names));
        let header = blake3::hash(header.as_bytes());
        let text = quoted::list(fields.text.iter().map(String::as_str));
        let title = match &fields.title {
            Some(title) => format!("Some({})", quoted(title)),
            None => "None".to_owned(),
        };
        let settings = format!("{} {title} {text}", quoted(&fields.id));
        let place = |number: usize| format!("row {number} of {file_name}");
        let mut unreported = 0_usize;
        let mut problem = |problems: &mut Vec<Problem>, one: Problem| {
            if problems.len() < PROBLEMS_MAX {
                problems.push(one);
            } else {
                unreported += 1;
            }
        };
        for (number, range) in (1..).zip(ranges) {
            let record = self.parse(range.clone());
            let may_hide_a_record = record.is_err();
            match record.and_then(|record| fields.id_of(&record)) {
                Ok(id) => {
                    let mut hasher = blake3::Hasher::new();
                    hasher.update(header.as_bytes()).update(settings.as_bytes()).update(b"\0");
                    hasher.update(&self.text.as_bytes()[range.clone()]);
                    let version = Version(hasher.finalize().to_hex()[..32].to_owned());
                    let uri = uri::encode(std::path::Path::new(&id));
                    self.rows.push(Row { uri, version, range, number });
                }
                Err(reason) => problem(
                    &mut self.problems,
                    Problem { place: place(number), reason, may_hide_a_record },
                ),
            }
        }
        self.rows.sort_by(|a, b| uri::uri_order(&a.uri, &b.uri).then(a.number.cmp(&b.number)));
        let problems = &mut self.problems;
        self.rows.dedup_by(|later, first| {
            let is_double = later.uri == first.uri;
            if is_double {
                let reason = format!(
                    "its id \"{}\" is also that of row {}, which is used",
                    later.uri, first.number
                );
                let place = place(later.number);
                problem(problems, Problem { place, reason, may_hide_a_record: false });
            }
            is_double
        });
        if unreported > 0 {
            self.problems.push(Problem {
                place: format!("other rows of {file_name}"),
                reason: format!("{unreported} more have no id of their own, or cannot be read"),
                may_hide_a_record: true,
            });
        }
    }
}

/// Decodes a file as UTF-8, or by its byte order mark.
fn decode(bytes: Vec<u8>) -> Result<String, String> {
    if let Some((encoding, _)) = Encoding::for_bom(&bytes) {
        return Ok(encoding.decode_with_bom_removal(&bytes).0.into_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("it is not UTF-8 (byte {at}); convert it, as with `iconv -f windows-1252 -t utf-8`")
    })
}

/// Returns the names in the first row, with the first separator that yields the name of the id
/// field.
fn columns(text: &str, separators: &[u8], fields: &Fields) -> Result<Columns, String> {
    let first = |separator| rows::reader(text, separator).records().next().and_then(Result::ok);
    let mut all =
        separators.iter().map(|&separator| (separator, first(separator).unwrap_or_default()));
    let wanted = |names: &StringRecord| names.iter().any(|name| name.trim() == fields.id);
    let Some((separator, names)) = all.find(|(_, names)| wanted(names)) else {
        let names = first(separators[0]).unwrap_or_default();
        let names: Vec<_> = names.iter().take(20).map(str::trim).collect();
        return Err(format!("it has no column \"{}\"; its first row is {names:?}", fields.id));
    };
    let is_missing = |name: &&String| !names.iter().any(|one| one.trim() == *name);
    match fields.text.iter().chain(&fields.title).find(is_missing) {
        Some(missing) => Err(format!("it has no column \"{missing}\"; its first row is {names:?}")),
        None => Ok(Columns { names, separator }),
    }
}

/// Returns the byte ranges of the rows after the first.
fn rows_of_csv(text: &str, separator: u8) -> Vec<Range<usize>> {
    let mut reader = rows::reader(text, separator);
    let mut row = StringRecord::new();
    let mut ranges = Vec::new();
    let at = |reader: &csv::Reader<&[u8]>| {
        usize::try_from(reader.position().byte()).unwrap_or(text.len()).min(text.len())
    };
    let mut is_header = true;
    loop {
        let start = at(&reader);
        // Rows cannot be invalid: the text is UTF-8, and rows may have any number of fields.
        if !reader.read_record(&mut row).unwrap_or(false) {
            return ranges;
        }
        if !std::mem::take(&mut is_header) {
            ranges.push(start..at(&reader));
        }
    }
}

/// Returns the byte ranges of the elements of the list at `pointer`.
fn items_of_json(text: &str, pointer: &str) -> Result<Vec<Range<usize>>, String> {
    let mut here = text;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(here)
            .map_err(|error| format!("{pointer} cannot be followed in it: {error}"))?;
        let member = members.get(&part).ok_or_else(|| format!("it has nothing at {pointer}"))?;
        here = member.get();
    }
    let items: Vec<&RawValue> = serde_json::from_str(here).map_err(|error| {
        format!("a JSON list of objects is needed (`list` points to one inside): {error}")
    })?;
    let start = |item: &str| item.as_ptr().addr() - text.as_ptr().addr();
    Ok(items.iter().map(|item| start(item.get())..start(item.get()) + item.get().len()).collect())
}

/// Returns the byte ranges of the non-blank lines.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let ranges = text.split_inclusive('\n').map(|line| {
        start += line.len();
        start - line.len()..start
    });
    ranges.filter(|range| !text[range.clone()].trim().is_empty()).collect()
}
