//! Rich Text Format: its words, paragraphs and tables.
//!
//! After the RTF Specification 1.9.1: groups, control words and symbols, Unicode with its fallback.
//! Fonts, pictures and everything marked as ignorable are left out.

use std::collections::BTreeMap;

use crate::text::code_page::Charset;
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
    "ftnsep",
    "ftnsepc",
    "ftncn",
    "aftnsep",
    "aftnsepc",
    "aftncn",
    "nonesttables",
    "shprslt",
    "xe",
    "tc",
    "tcn",
];

/// Groups that are marked as ignorable and contain text.
const STARRED: [&str; 4] = ["footnote", "annotation", "shpinst", "shptxt"];

/// Code pages by the character sets of fonts.
const CHARSETS: [(i64, u16); 16] = [
    (77, 10000),
    (128, 932),
    (129, 949),
    (134, 936),
    (136, 950),
    (161, 1253),
    (162, 1254),
    (163, 1258),
    (177, 1255),
    (178, 1256),
    (186, 1257),
    (204, 1251),
    (222, 874),
    (238, 1250),
    (254, 437),
    (255, 850),
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
        "rtf@3"
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
    /// Properties of a shape, around its text.
    Shape,
    Fonts,
}

/// State that a group may change and its end restores.
#[derive(Clone, Copy)]
struct Group {
    destination: Destination,
    is_note: bool,
    /// Hidden or deleted, by the words `v` and `deleted`.
    is_hidden: bool,
    is_deleted: bool,
    /// The paragraph is in a cell.
    is_cell: bool,
    font: Option<i64>,
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
    encoding: Charset,
    /// Encodings of fonts that state one.
    fonts: BTreeMap<i64, Charset>,
    default_font: Option<i64>,
    /// The first half of a character that two words of Unicode state.
    half: Option<u32>,
    /// The next word names a group that is marked as ignorable.
    is_starred: bool,
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
            encoding: Charset::default(),
            fonts: BTreeMap::new(),
            default_font: None,
            half: None,
            is_starred: false,
            group: Group {
                destination: Destination::Text,
                is_note: false,
                is_hidden: false,
                is_deleted: false,
                is_cell: false,
                font: None,
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
                b'{' if self.groups.len() < DEPTH_MAX => {
                    self.decode();
                    self.to_skip = 0;
                    self.groups.push(self.group);
                }
                b'}' => {
                    self.decode();
                    self.to_skip = 0;
                    let ended = self.group;
                    self.group = self.groups.pop().unwrap_or(ended);
                    self.end_group(ended);
                }
                b'\\' => self.control(),
                b'\r' | b'\n' | b'{' => {}
                byte => self.push_byte(byte),
            }
        }
        self.group.is_cell = false;
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
            Destination::Text | Destination::Nowhere | Destination::Shape | Destination::Fonts => {}
        }
    }

    fn push_byte(&mut self, byte: u8) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if self.place().is_some() {
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
            _ if self.group.is_hidden || self.group.is_deleted => None,
            Destination::Text => Some(&mut self.line),
            Destination::Nowhere | Destination::Shape | Destination::Fonts => None,
            Destination::Mark | Destination::Info(_) => Some(&mut self.aside),
        }
    }

    fn decode(&mut self) {
        if !self.raw.is_empty() {
            let raw = std::mem::take(&mut self.raw);
            let font = self.group.font.or(self.default_font);
            let charset = font.and_then(|font| self.fonts.get(&font)).unwrap_or(&self.encoding);
            let text = charset.decode(&raw);
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
            b'*' => self.is_starred = true,
            b'~' => self.push_text("\u{a0}"),
            b'_' => self.push_text("-"),
            b'\\' | b'{' | b'}' => self.push_byte(symbol),
            b'\n' | b'\r' => self.end_paragraph(),
            _ => {}
        }
    }

    fn word(&mut self, word: &str, number: Option<i64>) {
        if std::mem::take(&mut self.is_starred) && !STARRED.contains(&word) {
            return self.go_to(Destination::Nowhere);
        }
        if word != "u" {
            // What replaces a character may be left out, as at the end of a group.
            self.to_skip = 0;
        }
        if self.look(word, number) {
            return;
        }
        match word {
            _ if NO_TEXT.contains(&word) => self.go_to(Destination::Nowhere),
            // Metadata without a name for it is not text of the document.
            "info" => self.go_to(Destination::Info("")),
            "listtext" | "pntext" => self.go_to(Destination::Mark),
            "fonttbl" => self.go_to(Destination::Fonts),
            "shpinst" if self.group.destination == Destination::Text => {
                self.go_to(Destination::Shape);
            }
            "footnote" | "annotation" if self.group.destination == Destination::Text => {
                self.begin_note(if word == "footnote" { " (" } else { " (Comment: " });
            }
            "shptxt" if self.group.destination == Destination::Shape => {
                self.go_to(Destination::Text);
                self.begin_note(" (");
            }
            "ilvl" => self.group.depth = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
            "u" => {
                self.push_unit(number.unwrap_or(0).rem_euclid(65536));
                self.to_skip = self.group.fallback;
            }
            "uc" => self.group.fallback = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(1),
            "par" | "sect" | "page" => self.end_paragraph(),
            "pard" => {
                self.group.level = 0;
                self.group.depth = 0;
                self.group.is_cell = false;
            }
            "intbl" => self.group.is_cell = true,
            "outlinelevel" => {
                self.group.level = number.and_then(|n| usize::try_from(n + 1).ok()).unwrap_or(0);
            }
            "line" | "tab" | "emspace" | "enspace" | "qmspace" | "nestcell" | "nestrow" => {
                self.push_text(" ");
            }
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

    /// Reads words about fonts and about what is shown; returns whether it is one.
    fn look(&mut self, word: &str, number: Option<i64>) -> bool {
        let is_on = number != Some(0);
        let page = number.and_then(|number| u16::try_from(number).ok());
        match word {
            "ansicpg" => self.encoding = page.and_then(Charset::of_page).unwrap_or_default(),
            "mac" => self.encoding = Charset::of_page(10000).unwrap_or_default(),
            "pc" => self.encoding = Charset::of_page(437).unwrap_or_default(),
            "pca" => self.encoding = Charset::of_page(850).unwrap_or_default(),
            "deff" => self.default_font = number,
            "f" => {
                self.decode();
                self.group.font = number;
            }
            "fcharset" | "cpg" if self.group.destination == Destination::Fonts => {
                let of_font = CHARSETS.iter().find(|(charset, _)| Some(*charset) == number);
                let page = if word == "cpg" { page } else { of_font.map(|(_, page)| *page) };
                if let (Some(font), Some(charset)) =
                    (self.group.font, page.and_then(Charset::of_page))
                {
                    self.fonts.insert(font, charset);
                }
            }
            "v" | "deleted" | "plain" => {
                self.decode();
                let group = &mut self.group;
                match word {
                    "v" => group.is_hidden = is_on,
                    "deleted" => group.is_deleted = is_on,
                    _ => (group.is_hidden, group.is_deleted, group.font) = (false, false, None),
                }
            }
            _ => return false,
        }
        true
    }

    /// Adds a unit of UTF-16.
    fn push_unit(&mut self, unit: i64) {
        let unit = u32::try_from(unit).unwrap_or(0);
        let code = match (self.half.take(), unit) {
            (_, 0xd800..=0xdbff) => return self.half = Some(unit),
            (Some(high), 0xdc00..=0xdfff) => 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00),
            _ => unit,
        };
        let character = char::from_u32(code).unwrap_or('\u{fffd}');
        self.push_text(character.encode_utf8(&mut [0; 4]));
    }

    fn begin_note(&mut self, mark: &str) {
        self.push_text(mark);
        self.group.is_note = true;
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
        if !self.cells.is_empty() || self.group.is_note || self.group.is_cell {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rtf: &str) -> String {
        let bytes = format!("{{\\rtf1\\ansi\\ansicpg1252 {rtf}}}").into_bytes();
        Rtf.extract("a.rtf", bytes).unwrap().text.trim_end().to_owned()
    }

    #[test]
    fn groups_take_no_text_with_them() {
        let check = |rtf: &str, expected: &str| assert_eq!(text(rtf), expected);
        check(r"one {\*\bkmkstart x}two{\*\bkmkend x} three\par", "one two three");
        check(r"A{\super\chftn}{\*\footnote\chftn The note.} claim.\par", "A (The note.) claim.");
        check(r"{\listtext\tab\u8226 \tab}First item\par", "- First item");
        check(r"a\u8364 ?b\u-10179 ?\u-8704 ?c{\u233}d\par", "a€b😀céd");
        check(r"a{\v hidden}b\v c\v0 d{\deleted gone}\plain e\par", "abde");
        check(r"x{\*\atnauthor Ann}{\*\annotation Why?}y\par", "x (Comment: Why?) y");
        check(
            r"a{\shp{\*\shpinst\shpleft1{\sp{\sn n}{\sv 1}}{\shptxt In a box.\par}}{\shprslt no}} b\par",
            "a (In a box.) b",
        );
    }

    #[test]
    fn bytes_are_in_the_charset_of_their_font() {
        let fonts = r"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}{\f2\fcharset238 X;}}";
        let shown =
            text(&format!(r"{fonts}\f0 caf\'e9 \f1\'cf\'f0{{\f2 \'b9}}\'e8\plain  \'e9\par"));
        assert_eq!(shown, "café Прąи é");
        assert_eq!(text(r"\pca \'82t\'82\par"), "été");
        assert_eq!(text(r"\mac \'8e\par"), "é");
    }

    #[test]
    fn paragraphs_of_a_cell_stay_in_it() {
        let table = r"\trowd\cellx1\cellx2 \pard\intbl Name\par first\cell\pard\intbl Age\cell\row\pard after\par";
        assert_eq!(text(table), "| Name first | Age |\n| --- | --- |\n\nafter");
        assert_eq!(text(r"\pard\intbl never\par ended"), "never ended");
    }
}
