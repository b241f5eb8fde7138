//! Parts and prefixes of Office packages under the names that their reader knows.
//!
//! A package names its main part by a relation, and what that needs by others, in whatever letter
//! case (ECMA-376, part 2, section 9); the prefixes of XML are free, too.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::relations;

/// The main parts by the letters that end the names of their relations' folders.
const MAIN: [(&str, &str); 3] = [
    ("wordprocessingml", "word/document.xml"),
    ("spreadsheetml", "xl/workbook.xml"),
    ("presentationml", "ppt/presentation.xml"),
];

/// Parts with a name of their own beside the main part, by the ends of their relations.
const BESIDE: [(&str, &str); 6] = [
    ("/styles", "styles.xml"),
    ("/numbering", "numbering.xml"),
    ("/sharedStrings", "sharedStrings.xml"),
    ("/comments", "comments.xml"),
    ("/footnotes", "footnotes.xml"),
    ("/endnotes", "endnotes.xml"),
];

/// Prefixes by the ends of the namespaces, of both editions of the format.
const PREFIXES: [(&str, &str); 9] = [
    ("/wordprocessingml/2006/main", "w"),
    ("/wordprocessingml/main", "w"),
    ("/spreadsheetml/2006/main", ""),
    ("/spreadsheetml/main", ""),
    ("/presentationml/2006/main", "p"),
    ("/presentationml/main", "p"),
    ("/drawingml/2006/main", "a"),
    ("/officeDocument/2006/relationships", "r"),
    ("/officeDocument/2006/math", "m"),
];

/// Bytes at the start of a part in which its prefixes are searched.
const ROOT_BYTES: usize = 8 << 10;

/// Names of the parts by their index.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) names: Vec<String>,
    /// Some part has another name in the package.
    pub(super) are_changed: bool,
}

impl Names {
    /// Returns the names under which the reader looks for the parts.
    pub(super) fn canonical(archive: &mut ZipArchive<Cursor<&[u8]>>) -> Option<Self> {
        let mut names = Vec::with_capacity(archive.len());
        for index in 0..archive.len() {
            names.push(archive.by_index_raw(index).ok()?.name().ok()?.replace('\\', "/"));
        }
        let mut known = Self { names, are_changed: false };
        let top = relations::read("", &known.text(archive, "_rels/.rels").unwrap_or_default());
        let types = known.text(archive, "[Content_Types].xml").unwrap_or_default();
        let main = relations::of_kind(top, "/officeDocument").next();
        let kind = MAIN.iter().find(|(kind, _)| types.contains(kind));
        if let (Some(main), Some((_, canonical))) = (main, kind) {
            known.rename(archive, &main, canonical);
        }
        Some(known)
    }

    fn rename(&mut self, archive: &mut ZipArchive<Cursor<&[u8]>>, main: &str, canonical: &str) {
        let rels = relations::part_of(main);
        let beside = relations::read(main, &self.text(archive, &rels).unwrap_or_default());
        let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
        let own_folder = canonical.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.set(main, canonical);
        self.set(&rels, &relations::part_of(canonical));
        for (kind, name) in BESIDE {
            let parts = beside.values().filter(|(of, _)| of.ends_with(kind));
            parts.for_each(|(_, part)| self.set(part, &format!("{own_folder}/{name}")));
        }
        if !folder.is_empty() && folder != own_folder {
            let folder = format!("{folder}/");
            for name in self.names.iter_mut().filter(|name| name.starts_with(&folder)) {
                *name = format!("{own_folder}/{}", &name[folder.len()..]);
                self.are_changed = true;
            }
        }
    }

    fn set(&mut self, name: &str, canonical: &str) {
        if name == canonical || self.names.iter().any(|known| known == canonical) {
            return;
        }
        if let Some(at) = self.index(name) {
            self.names[at] = canonical.to_owned();
            self.are_changed = true;
        }
    }

    fn index(&self, wanted: &str) -> Option<usize> {
        self.names.iter().position(|name| name.eq_ignore_ascii_case(wanted))
    }

    fn text(&self, archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Option<String> {
        const BYTES_MAX: u64 = 4 << 20;
        let mut text = String::new();
        let part = archive.by_index(self.index(name)?).ok()?;
        part.take(BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

/// A prefix in the text, and the usual one.
type Renamed<'a> = (&'a str, &'static str);

/// Returns the text of a part with the usual prefixes.
pub(super) fn with_usual_prefixes(text: &str) -> Cow<'_, str> {
    let renamed = unusual(text);
    if renamed.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut changed = String::with_capacity(text.len());
    let mut parts = text.split('<');
    changed.push_str(parts.next().unwrap_or_default());
    for part in parts {
        changed.push('<');
        let (tag, after) =
            part.split_once('>').map_or((part, None), |(tag, text)| (tag, Some(text)));
        let name = tag.strip_prefix('/').unwrap_or(tag);
        changed.push_str(&tag[..tag.len() - name.len()]);
        rename_tag(name, &renamed, &mut changed);
        if let Some(after) = after {
            changed.push('>');
            changed.push_str(after);
        }
    }
    Cow::Owned(changed)
}

/// Returns the prefixes that the first element declares for known namespaces, if they are others.
fn unusual(text: &str) -> Vec<Renamed<'_>> {
    const DECLARED: &str = "xmlns";
    let mut end = text.len().min(ROOT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut found = Vec::new();
    for declared in text[..end].split(DECLARED).skip(1) {
        let Some((prefix, value)) = declared.split_once('=') else { continue };
        let mut quoted = value.trim_start().splitn(3, ['"', '\'']);
        let Some(uri) = quoted.nth(1) else { continue };
        let prefix = prefix.trim().trim_start_matches(':');
        let usual = PREFIXES.iter().find(|(end, _)| uri.ends_with(end));
        if let Some((_, usual)) = usual.filter(|(_, usual)| *usual != prefix) {
            found.push((prefix, *usual));
        }
    }
    found
}

/// Adds a tag under its usual prefixes; `tag` begins with the name of an element.
fn rename_tag(tag: &str, renamed: &[Renamed<'_>], changed: &mut String) {
    if tag.starts_with(['?', '!']) {
        return changed.push_str(tag);
    }
    let end = tag.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(tag.len());
    changed.push_str(&usual_name(&tag[..end], renamed));
    // Attributes have no namespace without a prefix.
    for attribute in tag[end..].split_inclusive(char::is_whitespace) {
        let is_renamed = attribute.contains(':') && attribute.contains('=');
        match attribute.split_once(':').filter(|(prefix, _)| is_renamed && *prefix != "xmlns") {
            Some((prefix, name)) => {
                let usual = renamed.iter().find(|(of, _)| *of == prefix && !of.is_empty());
                changed.push_str(usual.map_or(prefix, |(_, usual)| usual));
                changed.push(':');
                changed.push_str(name);
            }
            None => changed.push_str(attribute),
        }
    }
}

fn usual_name<'a>(name: &'a str, renamed: &[Renamed<'_>]) -> Cow<'a, str> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    match renamed.iter().find(|(of, _)| *of == prefix) {
        Some((_, "")) => Cow::Borrowed(local),
        Some((_, usual)) => Cow::Owned(format!("{usual}:{local}")),
        None => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_become_the_usual_ones() {
        let check = |text: &str, expected: &str| assert_eq!(with_usual_prefixes(text), expected);
        let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        check(
            &format!("<?xml version=\"1.0\"?><x:a xmlns:x=\"{main}\"><x:c r=\"x:1\"/>a x:b</x:a>"),
            &format!("<?xml version=\"1.0\"?><a xmlns:x=\"{main}\"><c r=\"x:1\"/>a x:b</a>"),
        );
        let main = "http://purl.oclc.org/ooxml/wordprocessingml/main";
        check(
            &format!("<ns0:p xmlns:ns0='{main}' ns0:x=\"1\"\n ns0:y=\"a b\"><v:t/></ns0:p>"),
            &format!("<w:p xmlns:ns0='{main}' w:x=\"1\"\n w:y=\"a b\"><v:t/></w:p>"),
        );
        check(&format!("<p xmlns='{main}' x='1'/>"), &format!("<w:p xmlns='{main}' x='1'/>"));
        let usual = format!("<w:p xmlns:w='{main}'/>");
        assert!(matches!(with_usual_prefixes(&usual), Cow::Borrowed(_)));
    }
}
