//! The rules that the code keeps, checked on the code itself: layers, circles, module docs, sizes
//! of files, where SQL may be, unwanted words, and that nothing of one machine is in the
//! repository. Lints check the others: printing, `unwrap` and long functions (Cargo.toml,
//! clippy.toml, src/lib.rs).
//!
//! Reads the repository and writes nothing. Every rule is a function from text to findings, and the
//! tests at the end feed each of them something bad.

mod circles;
mod rust;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Modules from the top down: one uses only modules in groups further down. A group with several
/// are stages, which never use each other.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["serve"],
    &["operations"],
    &["workers"],
    &["pipeline"],
    &["search"],
    &["error"],
    &["config"],
    &["rerank"],
    &["source", "extract", "chunk", "embed"],
    &["kb"],
    &["analysis", "eval"],
    &["support"],
    &["domain"],
];

/// Circles of imports that are left, with the reason.
const CIRCLES: &[(&[&str], &str)] = &[];

const FILE_LINES_MAX: usize = 600;

const COMMENT_COLUMNS_MAX: usize = 100;

/// Corpora and data: texts about made-up machines, or of other origin.
const DATA: &[&str] = &["examples/handbook/docs/", "tests/data/", "assets/", "LICENSE-"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns path and text of every text file that is or may be committed, in order.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let walk = ignore::WalkBuilder::new(root())
        .hidden(false)
        .parents(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != "target")
        .sort_by_file_path(Path::cmp)
        .build();
    for entry in walk {
        let path: PathBuf = entry.expect("the repository can be listed").into_path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let relative = path.strip_prefix(root()).expect("below the root");
        files.push((relative.to_string_lossy().replace('\\', "/"), text));
    }
    assert!(files.len() > 50, "only {} files: this is the wrong folder", files.len());
    files
}

/// Applies `rule` to the files whose path passes `filter`, and fails with all findings.
fn enforce(filter: impl Fn(&str) -> bool, rule: impl Fn(&str, &str) -> Vec<String>) {
    let mut findings = Vec::new();
    let mut checked = 0;
    for (path, text) in files().iter().filter(|(path, _)| filter(path)) {
        checked += 1;
        findings.extend(rule(path, text).into_iter().map(|finding| format!("{path}: {finding}")));
    }
    assert!(checked > 0, "no file was checked");
    assert!(findings.is_empty(), "{} finding(s):\n{}", findings.len(), findings.join("\n"));
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs") && !path.starts_with("tests/data/")
}

/// Source of the program or of one of the crates that it is made of.
fn is_source(path: &str) -> bool {
    let of_a_crate = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/'));
    is_rust(path) && of_a_crate.map_or(path, |(_, inside)| inside).starts_with("src/")
}

fn is_layered(path: &str) -> bool {
    is_source(path) && path.starts_with("src/")
}

fn group_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|group| group.contains(&module))
}

/// Returns the modules at the top that a file names, each with its line.
fn modules_used(path: &str, text: &str) -> Vec<(usize, String)> {
    let named = rust::read(path, text).paths;
    let modules =
        named.iter().map(|named| Some((named.line, named.seen_from_root()?.into_iter().next()?)));
    let mut modules: Vec<_> = modules.flatten().collect();
    modules.dedup();
    modules
}

/// Uses of a module above, or of another stage.
fn layer_findings(path: &str, text: &str) -> Vec<String> {
    let Some(from) = rust::module_of(path).into_iter().next() else { return Vec::new() };
    let Some(above) = group_of(&from) else {
        return vec![format!("module {from} is not in the table of layers")];
    };
    let mut findings = Vec::new();
    for (line, to) in modules_used(path, text) {
        match group_of(&to) {
            None => findings.push(format!("{line}: {to} is not in the table of layers")),
            Some(below) if above < below || from == to => {}
            Some(_) => findings.push(format!("{line}: {from} must not use {to}")),
        }
    }
    findings
}

/// What main.rs uses beside the module that it hands over to.
fn main_findings(path: &str, text: &str) -> Vec<String> {
    let others = modules_used(path, text).into_iter().filter(|(_, to)| to != "cli");
    others.map(|(line, to)| format!("{line}: main uses {to}; it only hands over to cli")).collect()
}

/// A file that does not say what it is for.
fn doc_findings(_: &str, text: &str) -> Vec<String> {
    let says = text.strip_prefix("//! ").is_some_and(|rest| !rest.trim_start().is_empty());
    if says { Vec::new() } else { vec!["does not begin with //!".to_owned()] }
}

/// A file that is too long.
fn file_size_findings(_: &str, text: &str) -> Vec<String> {
    match text.lines().count() {
        lines if lines > FILE_LINES_MAX => vec![format!("{lines} lines, at most {FILE_LINES_MAX}")],
        _ => Vec::new(),
    }
}

/// Lines of comments that are too long, unless a URL is in them.
fn comment_findings(_: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let columns = text.chars().count();
        let is_comment = text.trim_start().starts_with("//");
        if is_comment && columns > COMMENT_COLUMNS_MAX && !text.contains("://") {
            let most = COMMENT_COLUMNS_MAX;
            findings.push(format!("{line}: a comment of {columns} columns, at most {most}"));
        }
    }
    findings
}

/// Strings that are SQL.
fn sql_findings(path: &str, text: &str) -> Vec<String> {
    const VERBS: [&str; 9] =
        ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "PRAGMA", "WITH"];
    let is_sql = |string: &str| {
        let (verb, rest) = string.trim_start().split_once(char::is_whitespace).unwrap_or_default();
        VERBS.contains(&verb) && !rest.is_empty()
    };
    rust::read(path, text)
        .strings
        .into_iter()
        .filter(|(_, string)| is_sql(string))
        .map(|(line, string)| format!("{line}: SQL outside kb: {string:?}"))
        .collect()
}

/// Paths of one machine, and packages from anywhere but the public index.
fn machine_findings(path: &str, text: &str) -> Vec<String> {
    // Put together here so that this file passes its own test.
    let homes = ["home", "root", "Users", "work"].map(|name| format!("/{name}/"));
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        for home in &homes {
            let starts_a_path = |at: usize| {
                let before = text[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "._-~/}".contains(c))
            };
            if text.match_indices(home.as_str()).any(|(at, _)| starts_a_path(at)) {
                findings.push(format!("{line}: a path of one machine: {}", text.trim()));
            }
        }
        let source = text.strip_prefix("source = ").filter(|_| path.ends_with("Cargo.lock"));
        if source.is_some_and(|s| s != "\"registry+https://github.com/rust-lang/crates.io-index\"")
        {
            findings.push(format!("{line}: a package from elsewhere: {text}"));
        }
        if hosts(text).any(|host| !is_public(host)) {
            findings.push(format!("{line}: a host that not everyone reaches: {}", text.trim()));
        }
    }
    findings
}

/// Returns host and port of every URL in `text`.
fn hosts(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("://").filter_map(|(at, _)| {
        let scheme = text[..at].rsplit(|c: char| !c.is_ascii_alphabetic()).next();
        let rest = &text[at + 3..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-:@_".contains(c)));
        let host = &rest[..end.unwrap_or(rest.len())];
        (scheme.is_some_and(|scheme| scheme.starts_with("http")) && !host.is_empty())
            .then_some(host.trim_end_matches('.'))
    })
}

/// Reports whether a host is one for everybody: a name with a dot, no port and no password; or an
/// example.
fn is_public(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or(host);
    if ["localhost", "127.0.0.1"].contains(&name) {
        return true;
    }
    let is_name = name.contains('.') && name.chars().any(|c| c.is_ascii_alphabetic());
    is_name
        && !host.contains([':', '@'])
        && ![".internal", ".local", ".lan"].iter().any(|end| name.ends_with(end))
}

#[test]
fn modules_use_only_what_stands_below_them() {
    enforce(is_layered, layer_findings);
    enforce(|path| path == "src/main.rs", main_findings);
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let mut crates: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (path, text) in files() {
        if let Some((root, _)) = path.split_once("src/").filter(|_| is_source(&path))
            && path != "src/main.rs"
        {
            crates.entry(root.to_owned()).or_default().push((path, text));
        }
    }
    let circles: Vec<_> = crates.values().flat_map(|files| circles::circles(files)).collect();
    let ties = circles
        .iter()
        .filter(|circle| !CIRCLES.iter().any(|(files, _)| circle.files == *files))
        .map(|circle| circle.ties.join("\n") + "\n");
    let ties: Vec<_> = ties.collect();
    assert!(ties.is_empty(), "{} circle(s):\n{}", ties.len(), ties.join("\n"));
    for (files, reason) in CIRCLES {
        let is_left = circles.iter().any(|circle| circle.files == *files);
        assert!(is_left, "{files:?} is not a circle any more, strike it from the list ({reason})");
    }
}

#[test]
fn lib_declares_the_layers_in_their_order() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, LAYERS.concat());
}

#[test]
fn every_file_says_what_it_is_for() {
    enforce(is_rust, doc_findings);
}

#[test]
fn files_are_of_a_size_to_read() {
    enforce(is_rust, file_size_findings);
}

#[test]
fn comments_fit_a_screen() {
    enforce(is_rust, comment_findings);
}

#[test]
fn sql_stands_in_kb_only() {
    enforce(|path| is_source(path) && !path.starts_with("src/kb/"), sql_findings);
}

#[test]
fn nothing_of_one_machine_is_in_the_repository() {
    enforce(|path| !DATA.iter().any(|data| path.starts_with(data)), machine_findings);
}

#[test]
fn words_are_plain() {
    enforce(words::applies_to, words::findings);
}

// From here on: every rule finds what it is there to find.

fn check(rule: impl Fn(&str, &str) -> Vec<String>, path: &str, text: &str, expected: &[&str]) {
    assert_eq!(rule(path, text), expected, "{path}: {text}");
}

#[test]
fn layer_findings_are_found() {
    let check = |path, text, expected: &[&str]| check(layer_findings, path, text, expected);
    check("src/cli/status.rs", "use crate::domain::Phase;", &[]);
    check("src/kb/mod.rs", "use crate::pipeline::plan;", &["1: kb must not use pipeline"]);
    check("src/chunk/mod.rs", "\nuse crate::embed::Hash;", &["2: chunk must not use embed"]);
    check("src/chunk/mod.rs", "use crate::chunk::key;", &[]);
    check(
        "src/kb/mod.rs",
        "use crate::{domain::Phase, cli};\nfn f() { crate::source::open() }",
        &["1: kb must not use cli", "2: kb must not use source"],
    );
    check(
        "src/kb/mod.rs",
        "use crate::{\n  support::{lock, retry},\n  error::Error,\n};",
        &["3: kb must not use error"],
    );
    check("src/config.rs", "use super::error::Error;", &["1: config must not use error"]);
    check("src/kb/mod.rs", "pub(in super::source) fn f() {}", &["1: kb must not use source"]);
    check("src/kb/sqlite/a.rs", "use super::super::super::cli;", &["1: kb must not use cli"]);
    check("src/source/a.rs", "use super::chunk;", &[]);
    check("src/kb/mod.rs", "// use crate::cli;\n/* crate::cli */ \"crate::cli\"", &[]);
    check("src/kb/mod.rs", "pub(crate) fn f() {}", &[]);
    self::check(main_findings, "src/main.rs", "fn main() { kbingest::cli::main() }", &[]);
    self::check(
        main_findings,
        "src/main.rs",
        "fn main() { kbingest::kb::main() }",
        &["1: main uses kb; it only hands over to cli"],
    );
    check("src/kb/mod.rs", "use crate::util;", &["1: util is not in the table of layers"]);
    check("src/util.rs", "use crate::kb;", &["module util is not in the table of layers"]);
}

#[test]
fn size_and_doc_findings_are_found() {
    check(doc_findings, "a.rs", "//! What it is for.\n", &[]);
    check(doc_findings, "a.rs", "// What\n", &["does not begin with //!"]);
    check(doc_findings, "a.rs", "use a;\n//! What\n", &["does not begin with //!"]);
    check(file_size_findings, "a.rs", &"x\n".repeat(600), &[]);
    check(file_size_findings, "a.rs", &"x\n".repeat(601), &["601 lines, at most 600"]);
    let comment = format!("fn f() {{\n    // {}\n}}", "x".repeat(93));
    check(comment_findings, "a.rs", &comment, &[]);
    let found = ["2: a comment of 101 columns, at most 100"];
    check(comment_findings, "a.rs", &comment.replace("// ", "//  "), &found);
    check(comment_findings, "a.rs", &format!("// https://a.org/{}", "x".repeat(100)), &[]);
}

#[test]
fn misplaced_code_is_found() {
    let sql = "f(\"DELETE FROM a\"); // \"SELECT a\"";
    check(sql_findings, "a.rs", sql, &["1: SQL outside kb: \"DELETE FROM a\""]);
    let raw = "f(r#\"\n  SELECT a\n\"#)";
    check(sql_findings, "a.rs", raw, &["1: SQL outside kb: \"\\n  SELECT a\\n\""]);
    check(sql_findings, "a.rs", "f(\"SELECT\"); g(\"Select one\")", &[]);
}

#[test]
fn unwanted_words_are_found() {
    let check = |text, expected: &[&str]| check(words::findings, "a.md", text, expected);
    check("Made\n/// anew.", &["2: \"anew\": write \"again, from scratch\""]);
    check("it goes on\n//! with it", &["1: \"goes on with\": write \"continues, resumes\""]);
    check("renew; goes on; without", &[]);
    let plural = ["1: \"(s)\": write a plural, with `support::numbers::counted`"];
    check("format!(\"{count} page(s)\")", &plural);
    check("its 3 page(s)", &plural);
    check("Some(s) => sha256(s), f(s)", &[]);
    assert!(words::applies_to("src/main.rs") && !words::applies_to("LICENSE-MIT"));
}

#[test]
fn traces_of_a_machine_are_found() {
    let check = |path, text: &str, count| {
        let findings = machine_findings(path, text);
        assert_eq!(findings.len(), count, "{text}: {findings:?}");
    };
    let home = concat!("/", "home/me/x");
    check("README.md", home, 1);
    check("README.md", &format!("see `{home}`"), 1);
    check("README.md", &format!("docs{home} and https://a.org{home}"), 0);
    check("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"", 0);
    check("Cargo.lock", "source = \"registry+https://example.org/index\"", 1);
    check("a.toml", concat!("url = \"http", "://mirror:8080/simple\""), 1);
    check("a.toml", concat!("url = \"http", "://me@mirror.example.org/simple\""), 1);
    check("a.toml", concat!("url = \"http", "://10.0.0.7/simple\""), 1);
    check("a.toml", "url = \"http://127.0.0.1:8080/\" # https://semver.org/spec.", 0);
}

#[test]
fn strings_and_paths_are_read() {
    let text = "//! \"a::b\"\nf(\"x // y\\\"\", 'b', '\"', b\"z\", r\"\\\")\n/* d /* e */ c::d */ g::<m::A<'a>>(cr#\"\"h\"\"#)";
    let read = rust::read("src/m.rs", text);
    assert_eq!(
        read.strings,
        [(2, "x // y\\\""), (2, "z"), (2, "\\"), (3, "\"h\"")]
            .map(|(line, text)| (line, text.to_owned()))
    );
    let paths: Vec<_> = read.paths.iter().map(|path| path.segments.join("::")).collect();
    assert_eq!(paths, ["m::A"]);
    let tests = rust::read(
        "src/m.rs",
        "use a::{b as c, d::{self}};\n#[cfg(test)]\nmod t { f::g as u8; }\nmod u { h!(<T>::n, i::j); }",
    );
    let paths = tests.paths.iter().map(|path| {
        let name = path.imported_as.as_deref().unwrap_or("-");
        format!(
            "{} {} {name} {} {}",
            path.line,
            path.segments.join("::"),
            path.scope.join("::"),
            path.is_in_tests
        )
    });
    assert_eq!(
        paths.collect::<Vec<_>>(),
        ["1 a::b c m false", "1 a::d d m false", "3 f::g - m::t true", "4 i::j - m::u false"]
    );
}
