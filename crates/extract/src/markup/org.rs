//! Org mode, after the syntax of orgmode.org.

use super::Scribe;

pub(super) fn scan(text: &str, scribe: &mut Scribe) {
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        scribe.at(line);
        let trimmed = line.trim_start();
        let stars = line.len() - line.trim_start_matches('*').len();
        if line.is_empty() {
            scribe.flush();
        } else if stars > 0 && line[stars..].starts_with(' ') {
            let (text, tags) = heading(&line[stars..]);
            scribe.add_tags(tags);
            scribe.heading(stars, &inline(text));
        } else if let Some((kind, rest)) = begin(trimmed) {
            let end = format!("#+end_{kind}");
            let is_end = |line: &str| line.trim_start().to_ascii_lowercase().starts_with(&end);
            let block: Vec<_> = lines.by_ref().take_while(|line| !is_end(line)).collect();
            match kind.as_str() {
                "src" => scribe.code(rest.split_whitespace().next().unwrap_or_default(), &block),
                "example" | "export" => scribe.code("", &block),
                "comment" => {}
                _ => {
                    scribe.flush();
                    for line in block {
                        scribe.at(line);
                        scribe.line(format!("> {}", inline(line)));
                    }
                    scribe.flush();
                }
            }
        } else if let Some(keyword) = trimmed.strip_prefix("#+") {
            keyword_line(keyword, scribe);
        } else if trimmed.starts_with(':')
            && trimmed.ends_with(':')
            && trimmed.len() > 2
            && !trimmed.contains(' ')
        {
            let is_drawer =
                matches!(trimmed.to_ascii_uppercase().as_str(), ":PROPERTIES:" | ":LOGBOOK:");
            if is_drawer {
                lines.by_ref().find(|line| line.trim().eq_ignore_ascii_case(":end:"));
            }
        } else if trimmed.starts_with('|') {
            table_line(trimmed, scribe);
        } else if trimmed.starts_with("# ") || trimmed == "#" {
        } else if let Some(fixed) = fixed_width(trimmed) {
            let mut block = vec![fixed];
            while let Some(fixed) =
                lines.clone().next().and_then(|line| fixed_width(line.trim_start()))
            {
                block.push(fixed);
                lines.next();
            }
            scribe.code("", &block);
        } else {
            // What follows a table without a blank line would become a row of it.
            if scribe.lines.last().is_some_and(|(_, line)| line.starts_with('|')) {
                scribe.flush();
            }
            scribe.line(inline(line));
        }
    }
}

/// Returns the text of a line of fixed width: after a colon.
fn fixed_width(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(':')?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

/// Returns the text of a heading, without its keyword and priority, and its tags.
fn heading(text: &str) -> (&str, &str) {
    let text = text.trim();
    let text = ["TODO ", "DONE "].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
    let text = match text.strip_prefix("[#").and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest.trim_start(),
        None => text,
    };
    match text.rsplit_once(' ') {
        Some((before, tags)) if tags.len() > 2 && tags.starts_with(':') && tags.ends_with(':') => {
            (before.trim_end(), tags)
        }
        _ => (text, ""),
    }
}

/// Returns kind and parameters of a line that begins a block.
fn begin(line: &str) -> Option<(String, &str)> {
    let start = line.get(..8).filter(|start| start.eq_ignore_ascii_case("#+begin_"))?;
    let rest = &line[start.len()..];
    let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((kind.to_ascii_lowercase(), rest))
}

fn keyword_line(keyword: &str, scribe: &mut Scribe) {
    let Some((name, value)) = keyword.split_once(':') else { return };
    match name.to_ascii_lowercase().as_str() {
        "title" => scribe.title = crate::title::clean(value),
        name @ ("author" | "date" | "language" | "description" | "keywords" | "lastmod") => {
            scribe.note(name, value);
        }
        "filetags" => scribe.add_tags(value),
        "caption" => scribe.line(inline(value.trim())),
        _ => {}
    }
}

fn table_line(line: &str, scribe: &mut Scribe) {
    let is_first = scribe.lines.last().is_none_or(|(_, line)| !line.starts_with('|'));
    if is_first {
        scribe.flush();
    }
    if line.starts_with("|-") {
        return;
    }
    let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| inline(cell.trim())).collect();
    scribe.line(format!("| {} |", cells.join(" | ")));
    if is_first {
        scribe.line(format!("|{}", " --- |".repeat(cells.len())));
    }
}

/// Turns links and code into Markdown.
fn inline(text: &str) -> String {
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[[") {
        rendered.push_str(before);
        let Some((link, after)) = after.split_once("]]") else {
            rendered.push_str("[[");
            rest = after;
            break;
        };
        match link.split_once("][") {
            Some((target, shown)) => rendered.push_str(&format!("[{shown}]({target})")),
            None => rendered.push_str(link),
        }
        rest = after;
    }
    rendered.push_str(rest);
    code(&rendered)
}

/// Converts `~code~` and `=verbatim=` to code if they are separate words.
fn code(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let marked = ['~', '='].into_iter().find_map(|mark| {
            let rest = word.trim_start_matches(['(', '"']).strip_prefix(mark)?;
            let (inside, after) = rest.rsplit_once(mark)?;
            let is_mark = !inside.is_empty() && after.chars().all(|c| c.is_ascii_punctuation());
            let before = &word[..word.len() - rest.len() - 1];
            is_mark.then(|| format!("{before}`{inside}`{after}"))
        });
        words.push(marked.unwrap_or_else(|| word.to_owned()));
    }
    words.join(" ")
}
