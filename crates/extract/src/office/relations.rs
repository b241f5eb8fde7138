//! What the parts of an Office package refer to.

use std::collections::BTreeMap;

use crate::xml::{self, Part};

/// What a part refers to, by id: the type of the relation, and the name of a part.
pub(super) type Relations = BTreeMap<String, (String, String)>;

/// Returns the name of the part with the relations of a part.
pub(super) fn part_of(part: &str) -> String {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    format!("{folder}_rels/{name}.rels")
}

/// Reads the relations of a part.
pub(super) fn read(part: &str, text: &str) -> Relations {
    let folder = part.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = BTreeMap::new();
    // What precedes an error is kept.
    let _ = xml::read(text, |part| {
        if let Part::Start(element) = part
            && let (Some(id), Some(kind), Some(target)) =
                (element.attribute("Id"), element.attribute("Type"), element.attribute("Target"))
        {
            found.insert(id.to_owned(), (kind.to_owned(), resolved(folder, target)));
        }
        true
    });
    found
}

/// Returns the parts of one kind.
pub(super) fn of_kind(relations: Relations, kind: &str) -> impl Iterator<Item = String> {
    relations.into_values().filter(move |(of, _)| of.ends_with(kind)).map(|(_, name)| name)
}

/// Returns the name of a part that is relative to a folder.
fn resolved(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> =
        if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_from_where_they_are_named() {
        assert_eq!(
            resolved("xl/worksheets", "../drawings/drawing1.xml"),
            "xl/drawings/drawing1.xml"
        );
        assert_eq!(resolved("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "../../../x"), "x");
        assert_eq!(resolved("", "word/document.xml"), "word/document.xml");
        assert_eq!(part_of("word/document.xml"), "word/_rels/document.xml.rels");
        assert_eq!(part_of(""), "_rels/.rels");
    }
}
