//! Text of Word documents as their reader should see it: without what is hidden or moved away, with
//! breaks and comments.
//!
//! After WordprocessingML (ECMA-376, part 1, section 17).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::xml::{self, Part};

/// Stands for a line break until the document is rendered: the reader drops those that are
/// elements, and glues the words.
pub(super) const LINE_BREAK: char = '\u{2028}';

/// What an open run or paragraph has so far.
#[derive(Debug, Default)]
struct Open {
    /// Length of the changed text when it began.
    start: usize,
    is_hidden: bool,
    /// It begins or ends a field, which would be torn without it.
    has_field: bool,
}

#[derive(Debug, Default)]
struct Paragraph {
    open: Open,
    /// Where its content begins, behind the properties.
    content: usize,
    /// It is the letter over several lines that begins the next paragraph.
    is_drop_cap: bool,
    /// Ids of comments on its text.
    comments: Vec<String>,
}

struct Body<'a> {
    text: &'a str,
    changed: String,
    copied_to: usize,
    runs: Vec<Open>,
    paragraphs: Vec<Paragraph>,
    /// Elements that are open inside one that is left out.
    left_out: usize,
    in_properties: bool,
    /// Runs of a drop cap, and whether they are due in the paragraph that has just begun.
    drop_cap: String,
    is_due: bool,
    hidden_styles: &'a BTreeSet<String>,
    comments: &'a BTreeMap<String, String>,
}

/// Returns the text of a part for its reader.
pub(super) fn prepared<'a>(
    text: &'a str,
    hidden_styles: &BTreeSet<String>,
    comments: &BTreeMap<String, String>,
) -> Cow<'a, str> {
    const SIGNS: [&str; 6] =
        ["<w:br", "<w:cr", "<w:moveFrom ", "<w:vanish", "w:dropCap", "<w:commentReference"];
    if hidden_styles.is_empty() && !SIGNS.iter().any(|sign| text.contains(sign)) {
        return Cow::Borrowed(text);
    }
    let mut body = Body {
        text,
        changed: String::with_capacity(text.len() + 1024),
        copied_to: 0,
        runs: Vec::new(),
        paragraphs: Vec::new(),
        left_out: 0,
        in_properties: false,
        drop_cap: String::new(),
        is_due: false,
        hidden_styles,
        comments,
    };
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    loop {
        let start = position(&reader);
        match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => body.event(&event, start, position(&reader)),
            // What follows an error is for the reader to judge.
            Err(_) => break,
        }
    }
    body.copy_to(text.len());
    Cow::Owned(body.changed)
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

impl Body<'_> {
    fn event(&mut self, event: &Event<'_>, start: usize, end: usize) {
        if self.left_out > 0 {
            match event {
                Event::Start(_) => self.left_out += 1,
                Event::End(_) => self.left_out -= 1,
                _ => {}
            }
            self.copied_to = end;
            return;
        }
        let is_properties = |name: &str| name == "w:pPr";
        match event {
            Event::Start(tag) if is_properties(tag.name().as_ref()) => self.in_properties = true,
            Event::End(tag) if is_properties(tag.name().as_ref()) => {
                self.in_properties = false;
                self.copy_to(end);
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.content = self.changed.len();
                }
            }
            Event::Empty(tag) if is_properties(tag.name().as_ref()) => {}
            Event::Start(tag) => {
                self.put_drop_cap(start);
                self.start(tag, start, end, false);
            }
            Event::Empty(tag) => {
                self.put_drop_cap(start);
                self.start(tag, start, end, true);
            }
            Event::End(tag) => {
                self.put_drop_cap(start);
                match tag.name().as_ref() {
                    "w:r" => self.end_run(end),
                    "w:p" => self.end_paragraph(end),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, start: usize, end: usize, is_empty: bool) {
        let is_run_open = !self.runs.is_empty() && !self.in_properties;
        match tag.name().as_ref() {
            "w:p" if !is_empty => {
                self.copy_to(start);
                let open = Open { start: self.changed.len(), ..Open::default() };
                self.copy_to(end);
                let content = self.changed.len();
                self.paragraphs.push(Paragraph { open, content, ..Paragraph::default() });
                self.is_due = !self.drop_cap.is_empty();
            }
            "w:r" if !is_empty => {
                self.copy_to(start);
                let is_hidden = self.paragraphs.last().is_some_and(|of| of.open.is_hidden);
                self.runs.push(Open { start: self.changed.len(), is_hidden, has_field: false });
            }
            "w:moveFrom" if !is_empty && !self.in_properties => {
                self.copy_to(start);
                self.left_out = 1;
            }
            "w:br" | "w:cr" if is_run_open => {
                self.copy_to(start);
                self.changed.push_str("<w:t xml:space=\"preserve\">");
                self.changed.push(LINE_BREAK);
                self.changed.push_str("</w:t>");
                self.copied_to = end;
                self.left_out = usize::from(!is_empty);
            }
            "w:fldChar" if is_run_open => self.run(|run| run.has_field = true),
            "w:vanish" if is_run_open => {
                let is_hidden = attribute(tag, "w:val").is_none_or(|on| on != "0" && on != "false");
                self.run(|run| run.is_hidden = is_hidden);
            }
            "w:rStyle" if is_run_open => {
                let hidden = self.hidden_styles;
                let is_hidden =
                    attribute(tag, "w:val").is_some_and(|style| hidden.contains(&style));
                self.run(|run| run.is_hidden |= is_hidden);
            }
            name => self.property(name, tag),
        }
    }

    fn property(&mut self, name: &str, tag: &BytesStart<'_>) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match name {
            "w:pStyle" => {
                let style = attribute(tag, "w:val").unwrap_or_default();
                paragraph.open.is_hidden = self.hidden_styles.contains(&style);
            }
            "w:framePr" => {
                let kind = attribute(tag, "w:dropCap");
                paragraph.is_drop_cap = kind.is_some_and(|kind| kind != "none");
            }
            "w:commentReference" => paragraph.comments.extend(attribute(tag, "w:id")),
            _ => {}
        }
    }

    fn run(&mut self, change: impl FnOnce(&mut Open)) {
        if let Some(run) = self.runs.last_mut() {
            change(run);
        }
    }

    fn end_run(&mut self, end: usize) {
        self.copy_to(end);
        if let Some(run) = self.runs.pop().filter(|run| run.is_hidden && !run.has_field) {
            self.changed.truncate(run.start);
        }
    }

    fn end_paragraph(&mut self, end: usize) {
        const END: &str = "</w:p>";
        let Some(paragraph) = self.paragraphs.pop() else { return };
        self.copy_to(end);
        // A letter over several lines is one, or a few of them.
        if paragraph.is_drop_cap && self.changed.len() < paragraph.content + 4096 {
            let content = self.changed.split_off(paragraph.content);
            self.drop_cap.push_str(content.strip_suffix(END).unwrap_or(&content));
            self.changed.truncate(paragraph.open.start);
        }
        for id in paragraph.comments {
            if let Some(comment) = self.comments.get(&id) {
                let comment = quick_xml::escape::escape(comment.as_str());
                self.changed.push_str(&format!(
                    "<w:p><w:r><w:t xml:space=\"preserve\">[{comment}]</w:t></w:r></w:p>"
                ));
            }
        }
    }

    /// Adds the drop cap at the beginning of the paragraph that it belongs to.
    fn put_drop_cap(&mut self, start: usize) {
        if self.is_due && !self.in_properties {
            self.is_due = false;
            self.copy_to(start);
            self.changed.push_str(&std::mem::take(&mut self.drop_cap));
        }
    }

    fn copy_to(&mut self, end: usize) {
        let copied = self.text.get(self.copied_to..end).unwrap_or_default();
        self.changed.push_str(copied);
        self.copied_to = end;
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    let mut read = attributes.with_checks(false).flatten();
    let found = read.find(|attribute| attribute.key.as_ref() == name)?;
    Some(found.value.to_string())
}

/// Returns the ids of the styles whose text is hidden.
pub(super) fn hidden_styles(styles: &str) -> BTreeSet<String> {
    let mut hidden = BTreeSet::new();
    if !styles.contains("<w:vanish") {
        return hidden;
    }
    let mut style = None;
    // What precedes an error is kept.
    let _ = xml::read(styles, |part| {
        match part {
            Part::Start(element) => match element.name.as_str() {
                "style" => style = element.attribute("styleId").map(str::to_owned),
                "vanish" if !matches!(element.attribute("val"), Some("0" | "false")) => {
                    hidden.extend(style.take());
                }
                _ => {}
            },
            Part::End("style") => style = None,
            Part::End(_) | Part::Text(_) => {}
        }
        true
    });
    hidden
}

/// Returns the comments of a document by their ids, with their authors.
pub(super) fn comments(text: &str) -> BTreeMap<String, String> {
    let mut comments: BTreeMap<String, String> = BTreeMap::new();
    let mut id = None;
    let mut is_text = false;
    // What precedes an error is kept.
    let _ = xml::read(text, |part| {
        match part {
            Part::Start(element) => match element.name.as_str() {
                "comment" => {
                    id = element.attribute("id").map(str::to_owned);
                    let author = element.attribute("author").map(str::trim).unwrap_or_default();
                    let by = if author.is_empty() { "" } else { " by " };
                    if let Some(id) = &id {
                        comments.insert(id.clone(), format!("Comment{by}{author}:"));
                    }
                }
                "p" | "br" | "tab" => {
                    if let Some(comment) = id.as_ref().and_then(|id| comments.get_mut(id)) {
                        comment.push(' ');
                    }
                }
                "t" => is_text = true,
                _ => {}
            },
            Part::End("t") => is_text = false,
            Part::Text(text) if is_text => {
                if let Some(comment) = id.as_ref().and_then(|id| comments.get_mut(id)) {
                    comment.push_str(text);
                }
            }
            Part::End(_) | Part::Text(_) => {}
        }
        true
    });
    comments.retain(|_, comment| !comment.trim_end().ends_with(':'));
    comments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_goes_and_breaks_and_comments_stay() {
        let check = |text: &str, expected: &str| {
            let styles = "<w:styles><w:style w:styleId=\"H\"><w:rPr><w:vanish/></w:rPr></w:style>\
                          <w:style w:styleId=\"V\"><w:rPr><w:vanish w:val=\"0\"/></w:rPr></w:style>";
            let comments = comments(
                "<w:comments><w:comment w:id=\"3\" w:author=\"Ann\"><w:p><w:r><w:t>Why?</w:t></w:r>\
                 </w:p><w:p><w:r><w:t>A &lt; B</w:t></w:r></w:p></w:comment>\
                 <w:comment w:id=\"4\"><w:p/></w:comment></w:comments>",
            );
            assert_eq!(prepared(text, &hidden_styles(styles), &comments), expected);
        };
        let shown = "<w:r><w:t>b</w:t></w:r>";
        check(
            &format!(
                "<w:p><w:moveFrom w:id=\"1\"><w:r><w:t>a</w:t></w:r></w:moveFrom>{shown}</w:p>"
            ),
            &format!("<w:p>{shown}</w:p>"),
        );
        for hidden in ["<w:vanish/>", "<w:vanish w:val=\"true\"/>", "<w:rStyle w:val=\"H\"/>"] {
            let run = format!("<w:r><w:rPr>{hidden}</w:rPr><w:t>a</w:t></w:r>");
            check(&format!("<w:p>{run}{shown}</w:p>"), &format!("<w:p>{shown}</w:p>"));
        }
        for visible in [
            "<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr><w:r><w:t>a</w:t></w:r></w:p>",
            "<w:p><w:r><w:rPr><w:vanish w:val=\"0\"/></w:rPr><w:t>a</w:t></w:r></w:p>",
            "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:fldChar w:fldCharType=\"end\"/></w:r></w:p>",
            "<w:p><w:r><w:rPr><w:rStyle w:val=\"V\"/></w:rPr><w:t>a</w:t></w:r></w:p>",
        ] {
            check(visible, visible);
        }
        check(
            "<w:p><w:pPr><w:pStyle w:val=\"H\"/></w:pPr><w:r><w:t>a</w:t></w:r></w:p>",
            "<w:p><w:pPr><w:pStyle w:val=\"H\"/></w:pPr></w:p>",
        );
        check(
            "<w:r><w:t>a</w:t><w:br/><w:t>b</w:t><w:cr/><w:br w:type=\"page\"></w:br></w:r>",
            &"<w:r><w:t>a</w:t>#<w:t>b</w:t>##</w:r>"
                .replace('#', "<w:t xml:space=\"preserve\">\u{2028}</w:t>"),
        );
        check(
            "<w:p><w:r><w:commentReference w:id=\"3\"/><w:commentReference w:id=\"4\"/></w:r></w:p>",
            "<w:p><w:r><w:commentReference w:id=\"3\"/><w:commentReference w:id=\"4\"/></w:r></w:p>\
             <w:p><w:r><w:t xml:space=\"preserve\">[Comment by Ann: Why? A &lt; B]</w:t></w:r></w:p>",
        );
    }

    #[test]
    fn a_drop_cap_begins_its_paragraph() {
        let cap =
            "<w:p><w:pPr><w:framePr w:dropCap=\"drop\"/></w:pPr><w:r><w:t>O</w:t></w:r></w:p>";
        let check = |text: &str, expected: &str| {
            let text = format!("{cap}{text}");
            assert_eq!(prepared(&text, &BTreeSet::new(), &BTreeMap::new()), expected);
        };
        check(
            "<w:p><w:pPr><w:jc/></w:pPr><w:r><w:t>nce</w:t></w:r></w:p>",
            "<w:p><w:pPr><w:jc/></w:pPr><w:r><w:t>O</w:t></w:r><w:r><w:t>nce</w:t></w:r></w:p>",
        );
        check(
            "<w:p><w:r><w:t>nce</w:t></w:r></w:p>",
            "<w:p><w:r><w:t>O</w:t></w:r><w:r><w:t>nce</w:t></w:r></w:p>",
        );
        check("<w:p></w:p>", "<w:p><w:r><w:t>O</w:t></w:r></w:p>");
    }
}
