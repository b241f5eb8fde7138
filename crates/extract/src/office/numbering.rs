//! Headings and lists of Word documents whose numbers and levels are defined by styles: the reader
//! of the document ignores these, so they are added to its text first.
//!
//! After WordprocessingML (ECMA-376, part 1, sections 17.3.1.19, 17.7 and 17.9): numbers are
//! counted as Word does, over all paragraphs of an abstract numbering. Only the prefix `w:`, which
//! every program writes, is understood.

use std::collections::BTreeMap;

use memchr::memmem;

/// Levels of a numbering.
const LEVELS: usize = 9;

/// Limit on styles based on each other.
const STYLES_DEEP_MAX: usize = 16;

/// The parts of a Word document that this changes.
#[derive(Debug, PartialEq)]
pub(crate) struct Numbered {
    /// `word/document.xml`.
    pub(crate) document: String,
    /// `word/styles.xml`.
    pub(crate) styles: String,
}

/// Adds the numbers of headings to their text, turns numbered headings into headings, and
/// paragraphs with a list style into lists.
pub(crate) fn numbered(document: &str, styles: &str, numbering: &str) -> Numbered {
    const PLACE: &str = "<w:numPr>";
    if !document.contains(PLACE) && !styles.contains(PLACE) {
        return Numbered { document: document.to_owned(), styles: with_outline_levels(styles) };
    }
    let known = Styles::read(styles);
    let mut counted = Numbering::read(numbering, &known);
    let mut text = String::with_capacity(document.len() + 4096);
    let mut paragraph_end = Next::new(document, "</w:p>");
    let mut run_of_text = Next::new(document, "<w:t");
    let mut copied_to = 0;
    while let Some(start) = document[copied_to..].find("<w:pPr>").map(|at| copied_to + at) {
        let Some(length) = properties_length(&document[start..]) else { break };
        let properties = &document[start..start + length];
        text.push_str(&document[copied_to..start]);
        copied_to = start + length;
        let stated = properties.split("<w:pPrChange").next().unwrap_or(properties);
        let style = value(stated, "w:pStyle").unwrap_or_default();
        let direct = NumberingRef::stated(stated);
        let number =
            known.place(style, &direct).and_then(|place| counted.next(&place, &known, style));
        match number {
            Some(number)
                if known.is_heading(style)
                    && run_of_text.from(copied_to) < paragraph_end.from(copied_to) =>
            {
                text.push_str(&without_place(properties));
                if !number.label.is_empty() {
                    let label = quick_xml::escape::escape(&number.label);
                    text.push_str(&format!(
                        "<w:r><w:t xml:space=\"preserve\">{label} </w:t></w:r>"
                    ));
                }
            }
            Some(number) if direct.id.is_none() && !known.is_heading(style) => {
                text.push_str("<w:pPr>");
                text.push_str(&number.place);
                text.push_str(&properties["<w:pPr>".len()..]);
            }
            _ => text.push_str(properties),
        }
    }
    text.push_str(&document[copied_to..]);
    Numbered { document: text, styles: with_outline_levels(styles) }
}

/// Finds the next occurrence from positions that only increase: a text without any is searched
/// once, not for every paragraph.
struct Next<'a> {
    text: &'a str,
    wanted: &'static str,
    at: Option<usize>,
}

impl<'a> Next<'a> {
    fn new(text: &'a str, wanted: &'static str) -> Self {
        Self { text, wanted, at: None }
    }

    /// Returns the first occurrence from `start` on; the end of the text if there is none.
    fn from(&mut self, start: usize) -> usize {
        let known = self.at.filter(|&at| at >= start);
        let at = known.unwrap_or_else(|| {
            let rest = &self.text.as_bytes()[start..];
            memmem::find(rest, self.wanted.as_bytes()).map_or(self.text.len(), |at| start + at)
        });
        self.at = Some(at);
        at
    }
}

/// Returns the length of `<w:pPr>…</w:pPr>`, including the properties before a tracked change.
fn properties_length(text: &str) -> Option<usize> {
    const END: &str = "</w:pPr>";
    let mut length = text.find(END)? + END.len();
    if text[..length].contains("<w:pPrChange") {
        length += text[length..].find(END)? + END.len();
    }
    Some(length)
}

/// Returns the first element of that name: from its tag to the end of its content.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let open = format!("<{name}");
    let start = memmem::find_iter(text.as_bytes(), &open)
        .find(|at| text[at + open.len()..].starts_with([' ', '>', '/', '\n', '\r', '\t']))?;
    let text = &text[start..];
    let tag = &text[..=text.find('>')?];
    if tag.ends_with("/>") {
        return Some(tag);
    }
    let end = memmem::find(text.as_bytes(), format!("</{name}>").as_bytes())?;
    Some(&text[..end])
}

/// Returns an attribute of the tag at the start of the text.
fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let tag = &text[..text.find('>')?];
    let value =
        tag.match_indices(name).find_map(|(at, _)| tag[at + name.len()..].strip_prefix("=\""));
    value?.split('"').next()
}

/// Returns the `w:val` of the first element of that name.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    attribute(element(text, name)?, "w:val")
}

/// Returns every element of that name with its content; they are not nested.
fn elements<'a>(mut text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    std::iter::from_fn(move || {
        let found = element(text, name)?;
        text = &text[found.as_ptr().addr() - text.as_ptr().addr() + found.len()..];
        Some(found)
    })
}

/// The numbering of a paragraph or a style.
#[derive(Debug, Default)]
struct NumberingRef {
    /// `0` removes a numbering.
    id: Option<String>,
    level: Option<usize>,
}

impl NumberingRef {
    fn stated(properties: &str) -> Self {
        let Some(stated) = element(properties, "w:numPr") else { return Self::default() };
        Self {
            id: value(stated, "w:numId").map(str::to_owned),
            level: value(stated, "w:ilvl").and_then(|level| level.parse().ok()),
        }
    }
}

/// Removes the numbering from the properties of a paragraph.
fn without_place(properties: &str) -> String {
    const END: &str = "</w:numPr>";
    let Some((before, after)) = properties.split_once("<w:numPr>") else {
        return properties.to_owned();
    };
    let after = after.split_once(END).map_or("</w:pPr>", |(_, after)| after);
    format!("{before}{after}")
}

#[derive(Debug, Default)]
struct Style {
    based_on: Option<String>,
    is_heading: bool,
    place: NumberingRef,
}

#[derive(Debug, Default)]
struct Styles(BTreeMap<String, Style>);

impl Styles {
    fn read(styles: &str) -> Self {
        let styles = elements(styles, "w:style").filter_map(|style| {
            let id = attribute(style, "w:styleId")?;
            let based_on = value(style, "w:basedOn").map(str::to_owned);
            let outline = value(style, "w:outlineLvl").and_then(|level| level.parse().ok());
            let is_heading = outline.is_some_and(|level: usize| level < LEVELS)
                || heading_level(style).is_some();
            Some((
                id.to_owned(),
                Style { based_on, is_heading, place: NumberingRef::stated(style) },
            ))
        });
        Self(styles.collect())
    }

    /// Returns a style and its base styles, nearest first.
    fn chain(&self, id: &str) -> impl Iterator<Item = &Style> {
        let based = |style: &&Style| self.0.get(style.based_on.as_deref()?);
        std::iter::successors(self.0.get(id), based).take(STYLES_DEEP_MAX)
    }

    fn is_heading(&self, id: &str) -> bool {
        self.chain(id).any(|style| style.is_heading)
    }

    /// Returns the numbering of a paragraph: its own, or else that of its style.
    fn place(&self, style: &str, direct: &NumberingRef) -> Option<NumberingRef> {
        let by_style = || self.chain(style).find_map(|style| style.place.id.clone());
        let id = direct.id.clone().or_else(by_style).filter(|id| id != "0")?;
        Some(NumberingRef { id: Some(id), level: direct.level })
    }

    fn level(&self, style: &str) -> Option<usize> {
        self.chain(style).find_map(|style| style.place.level)
    }
}

/// Returns the level of a style called `heading 1` to `heading 9`, from 0.
fn heading_level(style: &str) -> Option<usize> {
    let name = value(style, "w:name")?.to_ascii_lowercase();
    let level: usize = name.strip_prefix("heading ")?.parse().ok()?;
    level.checked_sub(1).filter(|&level| level < LEVELS)
}

/// Adds the outline level to the styles that Word recognises as headings by their names.
fn with_outline_levels(styles: &str) -> String {
    let mut text = String::with_capacity(styles.len());
    let mut rest = styles;
    for style in elements(styles, "w:style") {
        let Some(level) = heading_level(style) else { continue };
        if style.contains("<w:outlineLvl ") {
            continue;
        }
        let end = style.as_ptr().addr() - rest.as_ptr().addr() + style.len();
        text.push_str(&rest[..end]);
        // The reader accepts properties of a style at any position in it.
        text.push_str(&format!("<w:pPr><w:outlineLvl w:val=\"{level}\"/></w:pPr>"));
        rest = &rest[end..];
    }
    text.push_str(rest);
    text
}

#[derive(Debug, Default, Clone)]
struct Level {
    start: usize,
    format: String,
    /// `%1.%2.`
    text: String,
    /// The style of paragraphs on this level.
    style: Option<String>,
}

/// A use of an abstract numbering, with its own start numbers.
#[derive(Debug, Default)]
struct Instance {
    numbers: String,
    starts: [Option<usize>; LEVELS],
    is_used: bool,
}

/// The number of a paragraph.
struct Number {
    /// Written before its text.
    label: String,
    /// The numbering as XML.
    place: String,
}

#[derive(Debug, Default)]
struct Numbering {
    instances: BTreeMap<String, Instance>,
    levels: BTreeMap<String, Vec<Level>>,
    /// By abstract numbering: the last number of each level.
    last: BTreeMap<String, [Option<usize>; LEVELS]>,
}

impl Numbering {
    fn read(numbering: &str, styles: &Styles) -> Self {
        let mut known = Self::default();
        let mut linked = Vec::new();
        for numbers in elements(numbering, "w:abstractNum") {
            let Some(id) = attribute(numbers, "w:abstractNumId") else { continue };
            known.levels.insert(id.to_owned(), levels(numbers));
            if let Some(style) = value(numbers, "w:numStyleLink") {
                linked.push((id.to_owned(), style.to_owned()));
            }
        }
        for instance in elements(numbering, "w:num") {
            let id = attribute(instance, "w:numId").unwrap_or_default().to_owned();
            let numbers = value(instance, "w:abstractNumId").unwrap_or_default().to_owned();
            let mut starts = [None; LEVELS];
            for changed in elements(instance, "w:lvlOverride") {
                let level = attribute(changed, "w:ilvl").and_then(|level| level.parse().ok());
                let start = value(changed, "w:startOverride").and_then(|start| start.parse().ok());
                if let Some(place) = starts.get_mut(level.unwrap_or(LEVELS)) {
                    *place = start;
                }
            }
            known.instances.insert(id, Instance { numbers, starts, is_used: false });
        }
        for (id, style) in linked {
            let by_style = styles.chain(&style).find_map(|style| style.place.id.as_deref());
            let target = by_style.and_then(|id| known.instances.get(id));
            let levels = target.and_then(|target| known.levels.get(&target.numbers)).cloned();
            known.levels.insert(id, levels.unwrap_or_default());
        }
        known
    }

    /// Counts a paragraph.
    fn next(&mut self, place: &NumberingRef, styles: &Styles, style: &str) -> Option<Number> {
        let id = place.id.as_deref()?;
        let instance = self.instances.get_mut(id)?;
        let levels = self.levels.get(&instance.numbers)?;
        let by_style = levels.iter().position(|level| level.style.as_deref() == Some(style));
        let at = place.level.or(by_style).or_else(|| styles.level(style)).unwrap_or(0);
        let level = levels.get(at)?;
        let last = self.last.entry(instance.numbers.clone()).or_default();
        if !instance.is_used {
            instance.is_used = true;
            for (last, start) in last.iter_mut().zip(instance.starts) {
                *last = start.map(|start| start.saturating_sub(1)).or(*last);
            }
        }
        let started = last.get(at).copied().flatten();
        let number = started.map_or(level.start, |number| number.saturating_add(1));
        *last.get_mut(at)? = Some(number);
        last.iter_mut().skip(at + 1).for_each(|deeper| *deeper = None);
        let mut rendered = level.text.clone();
        for (index, level) in levels.iter().enumerate().take(at + 1) {
            let number = last.get(index).copied().flatten().unwrap_or(level.start);
            rendered =
                rendered.replace(&format!("%{}", index + 1), &formatted(number, &level.format));
        }
        if matches!(level.format.as_str(), "bullet" | "none") {
            rendered.clear();
        }
        let place = format!("<w:numPr><w:ilvl w:val=\"{at}\"/><w:numId w:val=\"{id}\"/></w:numPr>");
        Some(Number { label: rendered.trim().to_owned(), place })
    }
}

fn levels(numbers: &str) -> Vec<Level> {
    let mut levels = vec![Level::default(); LEVELS];
    for level in elements(numbers, "w:lvl") {
        let at = attribute(level, "w:ilvl").and_then(|at| at.parse().ok()).unwrap_or(LEVELS);
        if let Some(place) = levels.get_mut(at) {
            *place = Level {
                start: value(level, "w:start").and_then(|start| start.parse().ok()).unwrap_or(0),
                format: value(level, "w:numFmt").unwrap_or("decimal").to_owned(),
                text: value(level, "w:lvlText").unwrap_or_default().to_owned(),
                style: value(level, "w:pStyle").map(str::to_owned),
            };
        }
    }
    levels
}

fn formatted(number: usize, format: &str) -> String {
    match format {
        "lowerLetter" => letters(number).to_ascii_lowercase(),
        "upperLetter" => letters(number),
        "lowerRoman" => roman(number).to_ascii_lowercase(),
        "upperRoman" => roman(number),
        "decimalZero" => format!("{number:02}"),
        _ => number.to_string(),
    }
}

/// Returns A to Z, then AA, BB and so on, as Word counts.
fn letters(number: usize) -> String {
    let Some(index) = number.checked_sub(1) else { return String::new() };
    let letter = b'A' + (index % 26) as u8;
    char::from(letter).to_string().repeat((index / 26 + 1).min(LEVELS))
}

fn roman(number: usize) -> String {
    const SIGNS: [(usize, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if number >= 4000 {
        return number.to_string();
    }
    let mut left = number;
    let mut rendered = String::new();
    for (value, sign) in SIGNS {
        while left >= value {
            rendered.push_str(sign);
            left -= value;
        }
    }
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLES: &str = r#"<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="5"/></w:numPr></w:pPr></w:style><w:style w:styleId="H2"><w:name w:val="heading 2"/><w:basedOn w:val="H1"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style><w:style w:styleId="LB"><w:name w:val="List Bullet"/><w:pPr><w:numPr><w:numId w:val="6"/></w:numPr></w:pPr></w:style>"#;
    const NUMBERING: &str = r#"<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:pStyle w:val="H1"/><w:lvlText w:val="%1."/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="3"/><w:numFmt w:val="lowerLetter"/><w:pStyle w:val="H2"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="6"><w:abstractNumId w:val="1"/></w:num><w:num w:numId="7"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="9"/></w:lvlOverride></w:num>"#;

    fn paragraph(properties: &str, text: &str) -> String {
        format!("<w:p><w:pPr>{properties}</w:pPr>{text}</w:p>")
    }

    fn rendered(number: &str) -> String {
        format!("<w:r><w:t xml:space=\"preserve\">{number} </w:t></w:r><w:t>x</w:t>")
    }

    #[test]
    fn numbers_are_counted_as_word_does() {
        const TEXT: &str = "<w:t>x</w:t>";
        let style = |style: &str| format!("<w:pStyle w:val=\"{style}\"/>");
        let direct =
            |id: &str| format!("<w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"{id}\"/></w:numPr>");
        let cases = [
            (style("H1"), TEXT, style("H1"), rendered("I.")),
            (style("H2"), TEXT, style("H2"), rendered("I.c)")),
            (style("H2"), TEXT, style("H2"), rendered("I.d)")),
            // Counted, but without a number before the text.
            (style("H1"), "", style("H1"), String::new()),
            (style("H2"), TEXT, style("H2"), rendered("II.c)")),
            (style("H1") + &direct("7"), TEXT, style("H1"), rendered("IX.")),
            (style("H1") + &direct("0"), TEXT, style("H1") + &direct("0"), TEXT.to_owned()),
            (style("H1") + &direct("6"), TEXT, style("H1"), TEXT.to_owned()),
            (style("LB"), TEXT, direct("6") + &style("LB"), TEXT.to_owned()),
            (direct("5"), TEXT, direct("5"), TEXT.to_owned()),
            (style("H1"), TEXT, style("H1"), rendered("XI.")),
            (style("None"), TEXT, style("None"), TEXT.to_owned()),
        ];
        let document: String =
            cases.iter().map(|(properties, text, _, _)| paragraph(properties, text)).collect();
        let expected: Vec<_> =
            cases.iter().map(|(_, _, properties, text)| paragraph(properties, text)).collect();
        let got = numbered(&document, STYLES, NUMBERING);
        let got_paragraphs: Vec<_> = got.document.split_inclusive("</w:p>").collect();
        assert_eq!(got_paragraphs, expected);
        let outline = "<w:pPr><w:outlineLvl w:val=\"0\"/></w:pPr></w:style>";
        assert_eq!(got.styles, STYLES.replacen("</w:style>", outline, 1));
    }

    #[test]
    fn what_is_cut_off_stays_as_it_is() {
        let whole = paragraph("<w:pStyle w:val=\"H1\"/>", "<w:t>x</w:t>");
        for end in 0..whole.len() {
            let cut = &whole[..end];
            let got = numbered(cut, &STYLES[..end], &NUMBERING[..end]).document;
            assert!(got.len() >= cut.len() && got.starts_with(&cut[..cut.len().min(5)]), "{got}");
        }
    }

    #[test]
    fn paragraphs_without_an_end_are_read_once() {
        // If each paragraph searched for its end, these 12 MB would take many minutes.
        let open = "<w:p><w:pPr><w:pStyle w:val=\"H1\"/></w:pPr>".repeat(250_000);
        let got = numbered(&open, STYLES, NUMBERING).document;
        assert_eq!(got, open);
        let open = format!("{open}<w:t>");
        let got = numbered(&open, STYLES, NUMBERING).document;
        assert_eq!(got.matches(" </w:t></w:r>").count(), 250_000);
    }

    #[test]
    fn numbers_in_letters() {
        let rendered: Vec<_> =
            [0, 1, 26, 27, 53].into_iter().map(|number| formatted(number, "lowerLetter")).collect();
        assert_eq!(rendered, ["", "a", "z", "aa", "aaa"]);
        assert_eq!(formatted(1994, "lowerRoman"), "mcmxciv");
        assert_eq!(formatted(7, "decimalZero"), "07");
    }
}
