//! Inline reStructuredText: literals, roles and links.

/// Converts literals, roles and links to Markdown.
pub(super) fn inline(text: &str) -> String {
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let before = &rest[..at];
        let quoted = &rest[at..];
        let parsed = if let Some(literal) = quoted.strip_prefix("``") {
            literal
                .split_once("``")
                .map(|(code, after)| (before.to_owned(), format!("`{code}`"), after))
        } else {
            quoted[1..].split_once('`').map(|(inside, after)| {
                let (before, role) = without_role(before);
                let is_link = after.starts_with('_');
                (
                    before.to_owned(),
                    interpreted(inside, role, is_link),
                    after.trim_start_matches('_'),
                )
            })
        };
        let Some((before, markdown, after)) = parsed else { break };
        rendered.push_str(&before);
        rendered.push_str(&markdown);
        rest = after;
    }
    rendered.push_str(rest);
    rendered
}

/// Removes a role such as `:func:` from the end of the text before a quotation.
fn without_role(before: &str) -> (&str, Option<&str>) {
    let role = before.strip_suffix(':').and_then(|start| {
        let at = start
            .rfind(|c: char| !(c.is_alphanumeric() || "-_:.+".contains(c)))
            .map_or(0, |at| at + start[at..].chars().next().map_or(1, char::len_utf8));
        start[at..].strip_prefix(':').map(|role| (&before[..at], Some(role)))
    });
    role.unwrap_or((before, None))
}

fn interpreted(inside: &str, role: Option<&str>, is_link: bool) -> String {
    let (text, target) = match inside.strip_suffix('>').and_then(|inside| inside.rsplit_once('<')) {
        Some((text, target)) => (text.trim(), Some(target)),
        None => (inside, None),
    };
    match (role, target) {
        (None, Some(target)) if is_link => format!("[{text}]({target})"),
        (None, _) if is_link => text.to_owned(),
        (Some("doc" | "ref" | "term" | "numref" | "pep" | "rfc"), _) => text.to_owned(),
        (Some(_), _) => {
            let name =
                text.strip_prefix('~').map_or(text, |path| path.rsplit('.').next().unwrap_or(path));
            format!("`{name}`")
        }
        (None, _) => format!("*{text}*"),
    }
}
