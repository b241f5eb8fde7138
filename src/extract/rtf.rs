//! Rich Text Format: its words, paragraphs and tables.
//!
//! After the RTF Specification 1.9.1: groups, control words and symbols, Unicode with its fallback.
//! Fonts, pictures and all that is marked as ignorable are left out.

use encoding_rs::{Encoding, WINDOWS_1252};

use super::writer::{Writer, escaped};
use super::{ExtractError, Extracted, Extractor, Metadata, TEXT_BYTES_MAX, title};
use crate::domain::MediaType;

/// Groups inside each other at most.
const DEPTH_MAX: usize = 1000;

/// Groups that hold no text of the document.
const NO_TEXT: &[&str] = &[
    "fonttbl",
    "colortbl",
    "stylesheet",
    "pict",
    "object",
    "header",
    "headerl",
    "headerr",
    "headerf",
    "footer",
    "footerl",
    "footerr",
    "footerf",
    "listtable",
    "listoverridetable",
    "rsidtbl",
    "generator",
    "themedata",
    "datastore",
    "latentstyles",
    "xmlnstbl",
    "filetbl",
    "revtbl",
    "fldinst",
    "info",
];

/// RTF documents.
pub(super) struct Rtf;

impl Extractor for Rtf {
    fn id(&self) -> &'static str {
        "rtf@1"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, ExtractError> {
        if !bytes.starts_with(b"{\\rtf") {
            let reason = "cannot be read as RTF: it does not begin like that".to_owned();
            return Err(ExtractError::Permanent { uri: uri.to_owned(), reason });
        }
        let mut reader = Reader::new(&bytes);
        reader.read();
        if reader.writer.is_full() {
            return Err(ExtractError::over_limit(uri, "text", TEXT_BYTES_MAX));
        }
        Ok(Extracted {
            title: title::clean(title::file_stem(uri)).unwrap_or_else(|| uri.to_owned()),
            media_type: MediaType::Markdown,
            text: reader.writer.finish(),
            encoding: "rtf".to_owned(),
            metadata: Metadata::new(),
        })
    }
}

/// What a group may change and its end restores.
#[derive(Clone, Copy)]
struct Group {
    is_left_out: bool,
    /// Bytes after a Unicode character that stand for it where Unicode is not known.
    fallback: usize,
    /// Level of the paragraph's heading; 0: none.
    level: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: &'static Encoding,
    group: Group,
    groups: Vec<Group>,
    /// Bytes in the document's encoding that are not decoded yet.
    raw: Vec<u8>,
    /// Fallback bytes still to be left out.
    to_skip: usize,
    line: String,
    cells: Vec<String>,
    rows: Vec<Vec<String>>,
    writer: Writer,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            encoding: WINDOWS_1252,
            group: Group { is_left_out: false, fallback: 1, level: 0 },
            groups: Vec::new(),
            raw: Vec::new(),
            to_skip: 0,
            line: String::new(),
            cells: Vec::new(),
            rows: Vec::new(),
            writer: Writer::new(TEXT_BYTES_MAX),
        }
    }

    fn read(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'{' if self.groups.len() < DEPTH_MAX => self.groups.push(self.group),
                b'}' => {
                    self.decode();
                    self.group = self.groups.pop().unwrap_or(self.group);
                }
                b'\\' => self.control(),
                b'\r' | b'\n' | b'{' => {}
                byte => self.push_byte(byte),
            }
        }
        self.end_paragraph();
        self.end_table();
    }

    fn push_byte(&mut self, byte: u8) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if !self.group.is_left_out {
            self.raw.push(byte);
        }
    }

    fn push_text(&mut self, text: &str) {
        self.decode();
        if !self.group.is_left_out {
            self.line.push_str(text);
        }
    }

    fn decode(&mut self) {
        if !self.raw.is_empty() {
            let (text, _) = self.encoding.decode_without_bom_handling(&self.raw);
            self.line.push_str(&text);
            self.raw.clear();
        }
    }

    fn control(&mut self) {
        let Some(&first) = self.bytes.get(self.at) else { return };
        if !first.is_ascii_alphabetic() {
            self.at += 1;
            return self.symbol(first);
        }
        let rest = &self.bytes[self.at..];
        let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = std::str::from_utf8(&rest[..letters]).unwrap_or_default();
        let sign = usize::from(rest.get(letters) == Some(&b'-'));
        let digits =
            rest[letters + sign..].iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
        let end = if digits > 0 { letters + sign + digits } else { letters };
        let number =
            std::str::from_utf8(&rest[letters..end]).ok().and_then(|text| text.parse().ok());
        self.at += end + usize::from(rest.get(end) == Some(&b' '));
        self.word(word, number);
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\'' => {
                let hex = self.bytes.get(self.at..self.at + 2);
                let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
                self.at += 2;
                if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    self.push_byte(byte);
                }
            }
            // The group is for readers that know it.
            b'*' => self.group.is_left_out = true,
            b'~' => self.push_text("\u{a0}"),
            b'_' => self.push_text("-"),
            b'\\' | b'{' | b'}' => self.push_byte(symbol),
            b'\n' | b'\r' => self.end_paragraph(),
            _ => {}
        }
    }

    fn word(&mut self, word: &str, number: Option<i64>) {
        match word {
            _ if NO_TEXT.contains(&word) => {
                self.decode();
                self.group.is_left_out = true;
            }
            "u" => {
                let code = number.unwrap_or(0).rem_euclid(65536);
                let character = u32::try_from(code).ok().and_then(char::from_u32);
                self.push_text(character.unwrap_or('\u{fffd}').encode_utf8(&mut [0; 4]));
                self.to_skip = self.group.fallback;
            }
            "uc" => self.group.fallback = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(1),
            "ansicpg" => {
                let label = format!("windows-{}", number.unwrap_or(1252));
                self.encoding = Encoding::for_label(label.as_bytes()).unwrap_or(WINDOWS_1252);
            }
            "par" | "sect" | "page" => self.end_paragraph(),
            "pard" => self.group.level = 0,
            "outlinelevel" => {
                self.group.level = number.and_then(|n| usize::try_from(n + 1).ok()).unwrap_or(0);
            }
            "line" | "tab" => self.push_text(" "),
            "cell" if !self.group.is_left_out => {
                self.decode();
                self.cells.push(std::mem::take(&mut self.line));
            }
            "row" if !self.group.is_left_out => self.rows.push(std::mem::take(&mut self.cells)),
            "emdash" => self.push_text("\u{2014}"),
            "endash" => self.push_text("\u{2013}"),
            "lquote" => self.push_text("\u{2018}"),
            "rquote" => self.push_text("\u{2019}"),
            "ldblquote" => self.push_text("\u{201c}"),
            "rdblquote" => self.push_text("\u{201d}"),
            "bullet" => self.push_text("\u{2022}"),
            "bin" => self.at += number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        self.decode();
        if self.group.is_left_out {
            return;
        }
        // Paragraphs in a cell end with the cell.
        if !self.cells.is_empty() {
            self.line.push(' ');
            return;
        }
        let line = std::mem::take(&mut self.line);
        let words: Vec<_> = line.split_whitespace().collect();
        if words.is_empty() {
            return;
        }
        self.end_table();
        let text = escaped(&words.join(" "));
        match self.group.level {
            1..=6 => self.writer.heading(self.group.level, &text),
            _ => self.writer.paragraph(&text),
        }
    }

    fn end_table(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let rows: Vec<Vec<_>> =
            rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
        self.writer.table(&rows);
    }
}
