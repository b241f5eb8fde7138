//! Rich Text Format: its words, paragraphs and tables.
//!
//! After the RTF Specification 1.9.1: groups, control words and symbols, Unicode with its fallback.
//! Fonts, pictures and everything marked as ignorable are left out.

use encoding_rs::{Encoding, WINDOWS_1252};

use crate::writer::{Writer, escaped};
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, title,
};

/// Limit on nested groups.
const DEPTH_MAX: usize = 1000;

/// Levels of lists.
const LEVELS_MAX: usize = 8;

/// Groups without text of the document.
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
];

/// Groups inside of `info` that contain metadata, and the names it gets.
const INFO: [(&str, &str); 5] = [
    ("title", "title"),
    ("author", "author"),
    ("subject", "subject"),
    ("keywords", "keywords"),
    ("doccomm", "description"),
];

/// RTF documents.
pub(crate) struct Rtf;

impl Extractor for Rtf {
    fn id(&self) -> &'static str {
        "rtf@2"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        if !bytes.starts_with(b"{\\rtf") {
            let reason = "cannot be read as RTF: it does not begin like that".to_owned();
            return Err(DocumentError::permanent(uri, reason));
        }
        let mut reader = Reader::new(&bytes);
        reader.read();
        if reader.writer.is_full() {
            return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
        }
        let mut metadata = reader.metadata;
        let stated = metadata.remove("title").and_then(|title| title::clean(title.as_str()?));
        Ok(Extracted {
            title: stated.unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text: reader.writer.finish(),
            encoding: "rtf".to_owned(),
            metadata,
            lines: LineMap::Unknown,
        })
    }
}

/// Destination of the text of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Text,
    Nowhere,
    /// The mark of a list item.
    Mark,
    /// Metadata of this name.
    Info(&'static str),
}

/// State that a group may change and its end restores.
#[derive(Clone, Copy)]
struct Group {
    destination: Destination,
    is_note: bool,
    /// Bytes after a Unicode character that replace it for readers without Unicode.
    fallback: usize,
    /// Level of the paragraph's heading; 0: none.
    level: usize,
    /// Level of the paragraph's list, from 0.
    depth: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: &'static Encoding,
    group: Group,
    groups: Vec<Group>,
    /// Bytes in the document's encoding that are not decoded yet.
    raw: Vec<u8>,
    /// Fallback bytes left to skip.
    to_skip: usize,
    line: String,
    /// Text of a group that is not text of the document.
    aside: String,
    /// The mark of the paragraph's item.
    mark: Option<String>,
    /// Items read so far, in Markdown.
    items: Vec<String>,
    metadata: Metadata,
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
            group: Group {
                destination: Destination::Text,
                is_note: false,
                fallback: 1,
                level: 0,
                depth: 0,
            },
            groups: Vec::new(),
            raw: Vec::new(),
            to_skip: 0,
            line: String::new(),
            aside: String::new(),
            mark: None,
            items: Vec::new(),
            metadata: Metadata::new(),
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
                    let ended = self.group;
                    self.group = self.groups.pop().unwrap_or(ended);
                    self.end_group(ended);
                }
                b'\\' => self.control(),
                b'\r' | b'\n' | b'{' => {}
                byte => self.push_byte(byte),
            }
        }
        self.end_paragraph();
        self.end_table();
        self.end_list();
    }

    /// Stores the text of a group that is not text of the document.
    fn end_group(&mut self, ended: Group) {
        if ended.is_note && !self.group.is_note {
            self.line.truncate(self.line.trim_end().len());
            self.line.push_str(") ");
        }
        if ended.destination == self.group.destination {
            return;
        }
        let aside = std::mem::take(&mut self.aside);
        match ended.destination {
            Destination::Mark => self.mark = Some(aside.trim().to_owned()),
            Destination::Info(key) => {
                if let Some(value) = title::clean(&aside).filter(|_| !key.is_empty()) {
                    self.metadata.insert(key.to_owned(), value.into());
                }
            }
            Destination::Text | Destination::Nowhere => {}
        }
    }

    fn push_byte(&mut self, byte: u8) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if self.group.destination != Destination::Nowhere {
            self.raw.push(byte);
        }
    }

    fn push_text(&mut self, text: &str) {
        self.decode();
        if let Some(place) = self.place() {
            place.push_str(text);
        }
    }

    /// Returns the destination of the group's text.
    fn place(&mut self) -> Option<&mut String> {
        match self.group.destination {
            Destination::Text => Some(&mut self.line),
            Destination::Nowhere => None,
            Destination::Mark | Destination::Info(_) => Some(&mut self.aside),
        }
    }

    fn decode(&mut self) {
        if !self.raw.is_empty() {
            let raw = std::mem::take(&mut self.raw);
            let (text, _) = self.encoding.decode_without_bom_handling(&raw);
            if let Some(place) = self.place() {
                place.push_str(&text);
            }
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
            b'*' => self.group.destination = Destination::Nowhere,
            b'~' => self.push_text("\u{a0}"),
            b'_' => self.push_text("-"),
            b'\\' | b'{' | b'}' => self.push_byte(symbol),
            b'\n' | b'\r' => self.end_paragraph(),
            _ => {}
        }
    }

    fn word(&mut self, word: &str, number: Option<i64>) {
        match word {
            _ if NO_TEXT.contains(&word) => self.go_to(Destination::Nowhere),
            // Metadata without a name for it is not text of the document.
            "info" => self.go_to(Destination::Info("")),
            "listtext" | "pntext" => self.go_to(Destination::Mark),
            "footnote" if self.group.destination == Destination::Text => {
                self.push_text(" (");
                self.group.is_note = true;
            }
            "ilvl" => self.group.depth = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
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
            "pard" => {
                self.group.level = 0;
                self.group.depth = 0;
            }
            "outlinelevel" => {
                self.group.level = number.and_then(|n| usize::try_from(n + 1).ok()).unwrap_or(0);
            }
            "line" | "tab" => self.push_text(" "),
            "cell" if self.group.destination == Destination::Text => {
                self.decode();
                self.cells.push(std::mem::take(&mut self.line));
            }
            "row" if self.group.destination == Destination::Text => {
                self.rows.push(std::mem::take(&mut self.cells))
            }
            "emdash" => self.push_text("\u{2014}"),
            "endash" => self.push_text("\u{2013}"),
            "lquote" => self.push_text("\u{2018}"),
            "rquote" => self.push_text("\u{2019}"),
            "ldblquote" => self.push_text("\u{201c}"),
            "rdblquote" => self.push_text("\u{201d}"),
            "bullet" => self.push_text("\u{2022}"),
            "bin" => self.at += number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
            _ if matches!(self.group.destination, Destination::Info(_)) => {
                let known = INFO.iter().find(|(name, _)| *name == word);
                if let Some((_, key)) = known {
                    self.go_to(Destination::Info(key));
                }
            }
            _ => {}
        }
    }

    fn go_to(&mut self, destination: Destination) {
        self.decode();
        self.group.destination = destination;
    }

    fn end_paragraph(&mut self) {
        self.decode();
        if self.group.destination != Destination::Text {
            return;
        }
        // Paragraphs in a cell end with the cell, those in a note with the note.
        if !self.cells.is_empty() || self.group.is_note {
            self.line.push(' ');
            return;
        }
        let mark = self.mark.take();
        let line = std::mem::take(&mut self.line);
        let words: Vec<_> = line.split_whitespace().collect();
        if words.is_empty() {
            return;
        }
        self.end_table();
        let text = escaped(&words.join(" "));
        if let Some(mark) = mark.filter(|_| self.group.level == 0) {
            let is_number = mark.strip_suffix(['.', ')']).is_some_and(|number| {
                number.len() <= 9
                    && !number.is_empty()
                    && number.bytes().all(|b| b.is_ascii_digit())
            });
            let mark = if is_number { mark.as_str() } else { "-" };
            // Three blanks are enough indentation for both kinds of items.
            let indent = "   ".repeat(self.group.depth.min(LEVELS_MAX));
            return self.items.push(format!("{indent}{mark} {text}"));
        }
        self.end_list();
        match self.group.level {
            1..=6 => self.writer.heading(self.group.level, &text),
            _ => self.writer.paragraph(&text),
        }
    }

    fn end_list(&mut self) {
        let items = std::mem::take(&mut self.items);
        self.writer.markdown(&items.join("\n"));
    }

    fn end_table(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        if !rows.is_empty() {
            self.end_list();
        }
        let rows: Vec<Vec<_>> =
            rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
        self.writer.table(&rows);
    }
}
