//! CSV and TSV as a table whose first row is its header.

use kbingest_support::rows;

use crate::text::encoding::{self, Decoded};
use crate::writer::{Writer, escaped};
use crate::{DocumentError, Extracted, Extractor, MediaType, Metadata, TEXT_BYTES_MAX, title};

/// Separators, likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Number of records from which the separator is guessed.
const GUESS_RECORDS: usize = 20;

/// Bytes from which the separator is guessed.
const GUESS_BYTES: usize = 64 << 10;

/// Comma and tab separated values.
pub(crate) struct Csv;

impl Extractor for Csv {
    fn id(&self) -> &'static str {
        "csv@2"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let is_tabs = title::extension(uri).as_deref() == Some("tsv");
        let separator = if is_tabs { b'\t' } else { guess(text) };
        let (mut rows, mut columns, mut is_blank) = (0_usize, 0, true);
        rows::each(text, separator, |row, _| {
            rows += 1;
            columns = columns.max(row.len());
            is_blank &= row.iter().all(|field| field.trim().is_empty());
            true
        });
        let mut writer = Writer::new(TEXT_BYTES_MAX);
        if !is_blank {
            writer.begin_table(columns);
            rows::each(text, separator, |row, (first, last)| {
                writer.at((line_number(first), line_number(last)));
                writer.row(row.iter().map(escaped));
                !writer.is_full()
            });
            writer.end_table();
        }
        if writer.is_full() {
            return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
        }
        let mut metadata = Metadata::new();
        metadata.insert("row_count".to_owned(), rows.saturating_sub(1).into());
        let (text, lines) = writer.finish_with_lines();
        Ok(Extracted {
            title: title::from_name(uri),
            media_type: MediaType::Markdown,
            text,
            encoding,
            metadata,
            lines,
        })
    }
}

/// Returns the number of a line, from 1, by its index.
fn line_number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// Returns the separator with which most of the first records have as many fields as the first, at
/// least two.
fn guess(text: &str) -> u8 {
    let start = &text[..text.floor_char_boundary(GUESS_BYTES)];
    let agreeing = |separator: u8| {
        let mut fields = Vec::with_capacity(GUESS_RECORDS);
        rows::each(start, separator, |row, _| {
            fields.push(row.len());
            fields.len() < GUESS_RECORDS
        });
        let first = fields.first().copied().unwrap_or(0);
        let agree = fields.iter().filter(|count| **count == first).count();
        if first < 2 { 0 } else { agree * 100 / fields.len().max(1) * 100 + first.min(99) }
    };
    let best = SEPARATORS.into_iter().rev().max_by_key(|&separator| agreeing(separator));
    best.filter(|&separator| agreeing(separator) > 0).unwrap_or(b',')
}
