//! Where the documents of a source are for readers: `base_url = "https://docs.example.org/{path}"`.

use std::ops::Range;

use super::Located;
use crate::support::percent;

/// What a template may contain, in braces.
const NAMES: [&str; 5] = ["path", "stem", "line", "end_line", "anchor"];
/// Names that a folder is shown by.
const INDEXES: [&str; 4] = ["index", "README", "readme", "_index"];

/// Where in a document a link leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkPlace<'a> {
    /// URI of the document inside its source.
    pub uri: &'a str,
    /// First and last line in its file; `None` if it has none.
    pub lines: Option<(u64, u64)>,
    /// Fragment of the heading above.
    pub anchor: Option<&'a str>,
}

/// Returns the link to `place` by a template; `None` if it needs what the place does not have. If
/// only its fragment does, that is left out.
pub fn link(template: &str, place: LinkPlace<'_>) -> Option<String> {
    if template.is_empty() {
        return None;
    }
    let (address, fragment) = match template.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (template, None),
    };
    let mut link = filled(address, place)?;
    if let Some(fragment) = fragment.and_then(|fragment| filled(fragment, place)) {
        link.push('#');
        link.push_str(&fragment);
    }
    Some(link)
}

/// Returns the link to a place in a page of a site, which is at its own URL; `None` if it is none.
pub fn link_of_page(place: LinkPlace<'_>) -> Option<String> {
    let is_page = place.uri.starts_with("https://") || place.uri.starts_with("http://");
    let fragment = place.anchor.filter(|_| !place.uri.contains('#'));
    let fragment = fragment.map(|anchor| format!("#{}", percent::encoded_path(anchor)));
    is_page.then(|| place.uri.to_owned() + &fragment.unwrap_or_default())
}

/// Returns `template` with its names replaced; `None` if the place does not have one of them.
fn filled(template: &str, place: LinkPlace<'_>) -> Option<String> {
    let mut text = String::new();
    let mut at = 0;
    for (name, span) in names(template) {
        text.push_str(&template[at..span.start]);
        at = span.end;
        text.push_str(&match name {
            "path" => percent::encoded_path(place.uri),
            "stem" => percent::encoded_path(stem(place.uri)),
            "line" => place.lines?.0.to_string(),
            "end_line" => place.lines?.1.to_string(),
            "anchor" => percent::encoded_path(place.anchor?),
            _ => template[span].to_owned(),
        });
    }
    text.push_str(&template[at..]);
    Some(text)
}

/// Returns the names in braces, and where they are.
fn names(template: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let opened = template.match_indices('{').map(|(at, _)| at);
    opened.filter_map(|at| {
        let length = template[at..].find('}')?;
        Some((&template[at + 1..at + length], at..at + length + 1))
    })
}

/// Returns a URI as most sites show it: without the ending, and `guide/` for `guide/index.md`.
fn stem(uri: &str) -> &str {
    let (folder, name) = uri.rsplit_once('/').map_or(("", uri), |(folder, _)| {
        let end = folder.len() + 1;
        (&uri[..end], &uri[end..])
    });
    match name.rsplit_once('.') {
        Some((name, _)) if INDEXES.contains(&name) => folder,
        Some((name, _)) if !name.is_empty() => &uri[..folder.len() + name.len()],
        _ => uri,
    }
}

/// Checks the value of `base_url`.
pub(super) fn check(template: &Located<String>) -> Result<(), String> {
    let text = template.get_ref().as_str();
    if text.is_empty() {
        return Ok(());
    }
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    // A link that runs something in a browser is none.
    let runs = ["javascript", "data", "vbscript"].contains(&&*scheme.to_ascii_lowercase());
    if !is_scheme || runs || text.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(
            "this is not a URL; it is written as in \"https://docs.example.org/{path}\"".to_owned()
        );
    }
    let unknown = names(text).find(|(name, _)| !NAMES.contains(name));
    let allowed = NAMES.map(|name| format!("{{{name}}}")).join(", ");
    if let Some((name, _)) = unknown {
        return Err(format!("{{{name}}} is unknown; allowed are {allowed}"));
    }
    let address = text.split('#').next().unwrap_or_default();
    let mut of_address = names(address).map(|(name, _)| name);
    match of_address.any(|name| name == "path" || name == "stem") {
        true => Ok(()),
        false => Err("it needs {path} or {stem}, or all documents would have one URL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_of_a_template() {
        let place =
            LinkPlace { uri: "guide/how to.md", lines: Some((10, 12)), anchor: Some("größe") };
        let check = |template: &str, place: LinkPlace<'_>, expected: &str| {
            assert_eq!(link(template, place).unwrap_or_default(), expected, "{template}");
        };
        check("https://x.org/{path}", place, "https://x.org/guide/how%20to.md");
        check(
            "https://x.org/{stem}/#{anchor}",
            place,
            "https://x.org/guide/how%20to/#gr%C3%B6%C3%9Fe",
        );
        check(
            "https://x.org/{path}#L{line}-L{end_line}",
            place,
            "https://x.org/guide/how%20to.md#L10-L12",
        );
        let bare = LinkPlace { uri: "a.pdf", ..LinkPlace::default() };
        check("https://x.org/{path}#L{line}", bare, "https://x.org/a.pdf");
        check("https://x.org/{path}#{anchor}", bare, "https://x.org/a.pdf");
        check("vscode://file/{path}:{line}", bare, "");
        let page = LinkPlace { uri: "https://x.org/a", anchor: Some("b"), lines: None };
        assert_eq!(link_of_page(page).as_deref(), Some("https://x.org/a#b"));
        assert_eq!(link_of_page(bare), None);
        for (uri, expected) in [
            ("index.md", "s://h/"),
            ("guide/index.html", "s://h/guide/"),
            ("guide/README.md", "s://h/guide/"),
            ("v1.2/notes.md", "s://h/v1.2/notes"),
            ("v1.2/notes", "s://h/v1.2/notes"),
            (".hidden", "s://h/.hidden"),
        ] {
            check("s://h/{stem}", LinkPlace { uri, ..LinkPlace::default() }, expected);
        }
    }

    #[test]
    fn templates_are_checked() {
        let check = |text: &str, expected: &str| {
            let result = super::check(&Located::from(text.to_owned()));
            let said = result.err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        };
        check("", "");
        check("https://x.org/{path}#{anchor}", "");
        check("vscode://file/srv/docs/{path}:{line}", "");
        check("docs.example.org/{path}", "not a URL");
        check("javascript:alert({path})", "not a URL");
        check("https://x.org/{path} x", "not a URL");
        check("https://x.org/{file}", "{file} is unknown; allowed are {path}, {stem}");
        check("https://x.org/#{path}", "it needs {path}");
    }
}
