//! `~` and environment variables in the paths of kb.toml, as a shell expands them.
//!
//! Happens before the paths are checked in any way: what a kb.toml asks for is judged, and shown,
//! by the paths that it means.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{File, Problem, place};
use crate::source::Located;

/// Expands the paths in `file`, whose text is `text`; those that cannot be expanded stay unchanged.
///
/// Returns the problem of the knowledge base, if it has one, and those of sources and programs,
/// which a command may not need.
pub(super) fn paths(file: &mut File, text: &str) -> (Vec<Problem>, Vec<Problem>) {
    let mut problems = Vec::new();
    if let Some(path) = &mut file.kb.path {
        match expanded(path.as_os_str()) {
            Ok(Some(found)) => *path = found.into(),
            Ok(None) => {}
            Err(why) => problems.push(place::of_table(text, "kb", format!("path {why}"))),
        }
    }
    if let Some(path) = &mut file.embed.cache {
        match expanded(path.as_os_str()) {
            Ok(Some(found)) => *path = found.into(),
            Ok(None) => {}
            Err(why) => problems.push(place::of_table(text, "embed", format!("cache {why}"))),
        }
    }
    let mut others = Vec::new();
    for command in &mut file.extract.command {
        let Some(program) = command.run.first_mut() else { continue };
        match expanded_text(program) {
            Ok(Some(found)) => *program = found,
            Ok(None) => {}
            Err(why) => {
                others.push(place::of_table(text, "extract", format!("command.run {why}")));
            }
        }
    }
    let mut add = |kind: &str, key: &str, span, result: Result<(), String>| {
        if let Err(message) = result {
            others.push(Problem { span, key: format!("source.{kind}.{key}"), message });
        }
    };
    let sources = &mut file.source;
    for one in &mut sources.directory {
        add("directory", "path", one.path.span(), replace(&mut one.path));
    }
    for one in &mut sources.archive {
        add("archive", "path", one.path.span(), replace(&mut one.path));
    }
    for one in &mut sources.records {
        add("records", "path", one.path.span(), replace(&mut one.path));
    }
    for one in &mut sources.git {
        let result = match one.has_path().then(|| expanded_text(one.url.get_ref())) {
            Some(Ok(Some(found))) => one.set_path(found),
            Some(Err(why)) => Err(why),
            _ => Ok(()),
        };
        add("git", "url", one.url.span(), result);
    }
    for one in &mut sources.web {
        let mut path = Located::from(std::mem::take(&mut one.url_file));
        let result = replace(&mut path);
        one.url_file = path.get_ref().clone();
        add("web", "url_file", one.name.span(), result);
    }
    (problems, others)
}

fn replace(path: &mut Located<PathBuf>) -> Result<(), String> {
    if let Some(found) = expanded(path.get_ref().as_os_str())? {
        path.replace(found.into());
    }
    Ok(())
}

fn expanded_text(text: &str) -> Result<Option<String>, String> {
    let Some(found) = expanded(text.as_ref())? else { return Ok(None) };
    let not_text = |_| format!("\"{text}\" is expanded to something that is not UTF-8");
    found.into_string().map(Some).map_err(not_text)
}

/// Returns what `path` means; `None` if there is nothing to expand.
fn expanded(path: &OsStr) -> Result<Option<OsString>, String> {
    expanded_with(path, &|name| std::env::var_os(name))
}

/// Does the same with the variables that `variable` returns.
fn expanded_with(
    path: &OsStr,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<OsString>, String> {
    // A text of TOML is UTF-8.
    let Some(text) = path.to_str().filter(|text| text.starts_with('~') || text.contains('$'))
    else {
        return Ok(None);
    };
    let value = |name: &str| match variable(name) {
        Some(value) if !value.is_empty() => Ok(value),
        Some(_) => Err(format!("\"{text}\" names the environment variable {name}, which is empty")),
        None => Err(format!(
            "\"{text}\" names the environment variable {name}, which is not set; `$$` stands for a `$` in a name"
        )),
    };
    let mut whole = OsString::new();
    let mut rest = text;
    if let Some(after) = text.strip_prefix('~') {
        if !after.is_empty() && !after.starts_with('/') {
            return Err(format!(
                "\"{text}\" is the home of a user, which is not expanded: write out the folder, or `./{text}` for \
                 a name that begins with `~`"
            ));
        }
        let home = variable("HOME").filter(|home| Path::new(home).is_absolute());
        whole.push(home.ok_or_else(|| {
            format!("\"{text}\" begins with `~`, and the environment variable HOME is not set")
        })?);
        rest = after;
    }
    while let Some((before, after)) = rest.split_once('$') {
        whole.push(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            whole.push("$");
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            if name_length(name) != name.len() || name.is_empty() || !rest.contains('}') {
                return Err(format!(
                    "\"{text}\" has a `${{` that no name and `}}` follow: write `$$` for a `$` in a name"
                ));
            }
            whole.push(value(name)?);
            rest = after;
        } else {
            let (name, after) = rest.split_at(name_length(rest));
            if name.is_empty() {
                whole.push("$");
            } else {
                whole.push(value(name)?);
            }
            rest = after;
        }
    }
    whole.push(rest);
    Ok(Some(whole))
}

/// Returns the length of the variable's name that `text` begins with.
fn name_length(text: &str) -> usize {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c| !is_of_name(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_expanded_as_by_a_shell() {
        let variable = |name: &str| match name {
            "HOME" => Some(OsString::from("/users/ann")),
            "DOCS" => Some(OsString::from("/srv/$docs")),
            "A_1" => Some(OsString::from("a")),
            "EMPTY" => Some(OsString::new()),
            _ => None,
        };
        let check = |path: &str, expected: &str| {
            let found = expanded_with(path.as_ref(), &variable);
            let shown = match found {
                Ok(Some(found)) => found.to_string_lossy().into_owned(),
                Ok(None) => "unchanged".to_owned(),
                Err(why) => format!("! {why}"),
            };
            assert_eq!(shown, expected, "{path}");
        };
        check("docs", "unchanged");
        check("docs~/a", "unchanged");
        check("~", "/users/ann");
        check("~/docs", "/users/ann/docs");
        check("./~/docs", "unchanged");
        check("./~ann", "unchanged");
        check("$DOCS", "/srv/$docs");
        check("$DOCS/x", "/srv/$docs/x");
        check("${DOCS}x/$A_1.md", "/srv/$docsx/a.md");
        check("~/$A_1$A_1", "/users/ann/aa");
        check("a$$HOME", "a$HOME");
        check("$$$A_1$", "$a$");
        check("cost $5 ($)", "cost $5 ($)");
        let unset = "names the environment variable NONE, which is not set; `$$` stands for a `$` in a name";
        check("$NONE/x", &format!("! \"$NONE/x\" {unset}"));
        check("$EMPTY/x", "! \"$EMPTY/x\" names the environment variable EMPTY, which is empty");
        let home = "is the home of a user, which is not expanded: write out the folder, or `./~bob/x` for a name \
                    that begins with `~`";
        check("~bob/x", &format!("! \"~bob/x\" {home}"));
        for wrong in ["${", "${A_1", "${}", "${A_1:-x}", "${1}"] {
            let why = "has a `${` that no name and `}` follow: write `$$` for a `$` in a name";
            check(wrong, &format!("! \"{wrong}\" {why}"));
        }
        let homeless = expanded_with("~/x".as_ref(), &|_| None).unwrap_err();
        assert_eq!(
            homeless,
            "\"~/x\" begins with `~`, and the environment variable HOME is not set"
        );
    }
}
