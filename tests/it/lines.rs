//! The lines that hits name are those of the file, also where its text was converted.

use std::fmt::Write;

use serde_json::Value;

use crate::support::{Place, program, rows};

/// Replaces each `@` by a word that names its line, as in `line17`.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let _ = writeln!(marked, "{}", line.replace('@', &format!("line{number}")));
    }
    marked
}

/// Returns the lines that the words in a text name.
fn named(text: &str) -> Vec<u64> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix("line")?.parse().ok()).collect()
}

/// Checks that every chunk of a file names the lines that its words come from, with at most `slack`
/// further ones: fences and blank lines.
fn check(uri: &str, text: &str, slack: u64) {
    let place = Place::in_memory();
    let text = marked(text);
    place.write(uri, text.clone());
    place.ingest();
    let sql = "SELECT start_line, end_line, text FROM chunks ORDER BY ordinal";
    let chunks = rows(&place.kb(), sql);
    assert!(chunks.len() > 1, "{uri}: {chunks:?}");
    let mut seen = Vec::new();
    for chunk in &chunks {
        let mut cells = chunk.splitn(3, '|');
        let mut number = || cells.next().and_then(|cell| cell.parse::<u64>().ok()).unwrap();
        let (start, end) = (number(), number());
        let lines = named(cells.next().unwrap());
        let (Some(&first), Some(&last)) = (lines.iter().min(), lines.iter().max()) else {
            continue;
        };
        let message = format!("{uri}: {chunk}\n{text}");
        assert!(start <= first && first - start <= slack, "{message}");
        assert!(last <= end && end - last <= slack, "{message}");
        seen.extend(lines);
    }
    let missing: Vec<_> = named(&text).into_iter().filter(|line| !seen.contains(line)).collect();
    assert!(missing.is_empty(), "{uri}: {missing:?} {chunks:#?}");
}

#[test]
fn lines_of_light_markup_are_those_of_the_file() {
    let prose = "The ferry @ leaves\nat noon @ or later\nwhen the tide @ allows it.\n\n".repeat(4);
    check(
        "a.rst",
        &format!(
            ".. comment\n   more\n\nTitle @\n=======\n\n{prose}.. note:: Beware @\n   of the @ rocks\n\n   and @ shoals here\n\n\
             .. |x| replace:: y\n\n.. code-block:: sh\n   :caption: x\n\n   run @ |x|\n\n   stop @\n\n\
             ===== =====\nname  what\n===== =====\na     @\nb     @\n      @\n===== =====\n\n\
             .. list-table::\n   :header-rows: 1\n\n   * - x @\n     - y\n   * - z @\n     - w\n       @\n\n{prose}\
             .. csv-table::\n   :header: a, b\n\n   one, @\n   two, @\n\n.. [1] note @\n   goes on @\n"
        ),
        3,
    );
    check(
        "a.adoc",
        &format!(
            "= Title @\n:name: value\n\n{prose}[source,sh]\n----\nrun @ {{name}}\n\nstop @\n----\n\n|===\n|Name |What\n\n\
             |a @\n|b\n\n|c @\n|d @\n|===\n\n|===\n|x |y @\n|z |w @\n|===\n\n////\nhidden\nmore\n////\n\n* item @\n* item @\n\n{prose}"
        ),
        3,
    );
    check(
        "a.org",
        &format!(
            "#+title: T\n\n* One @\n:PROPERTIES:\n:id: 7\n:END:\n{prose}#+begin_src sh\nrun @\n\nstop @\n#+end_src\n\n\
             | a | @ |\n|---+---|\n| b | @ |\n\n# comment\n#+begin_quote\nsaid @\nand @\n#+end_quote\n\n{prose}: fixed @\n: fixed @\n"
        ),
        3,
    );
    check(
        "a.tex",
        &format!(
            "\\documentclass{{article}}\n% comment\n\\begin{{document}}\n\\section{{One @}}\n{prose}% more\n\
             \\begin{{itemize}}\\item first @\n\\item second @ \\item third\n\\end{{itemize}}\n\n\\begin{{verbatim}}\nrun @\n\nstop @\n\
             \\end{{verbatim}}\n\n\\begin{{tabular}}{{ll}}\nhead & @ \\\\ \\hline\n a & @ \\\\\n b &\n @ \\\\\n\\end{{tabular}}\n\n{prose}\
             \\end{{document}}\n"
        ),
        3,
    );
    check(
        "a.1",
        &format!(
            ".TH FERRY 1\n.SH NAME @\nferry \\- @ crosses\n.SH DESCRIPTION @\n{}.TP\n.B \\-x\nterm @ text\n.SH MORE @\n{}",
            prose.replace("\n\n", "\n.PP\n"),
            prose.replace("\n\n", "\n.PP\n")
        ),
        3,
    );
}

#[test]
fn lines_of_data_are_those_of_the_file() {
    let mut csv = "name @,what\n\n".to_owned();
    for number in 0..40 {
        let _ =
            writeln!(csv, "a{number},@ {}", if number % 7 == 0 { "\"two\nlines @\"" } else { "" });
    }
    check("a.csv", &csv, 0);
    check("a.tsv", &csv.replace(',', "\t"), 0);
    let mut json = "{\n  \"title\": \"T @\",\n  \"pumps @\": [\n".to_owned();
    for number in 0..20 {
        let _ = writeln!(json, "    {{\"id\": \"@\",\n     \"bar\": {number}, \"at\": \"@\"}},");
    }
    json.push_str("    {\"id\": \"@\", \"bar\": 1, \"at\": \"@\"}\n  ],\n  \"tags\": [\n    \"@\",\n    \"@\"\n  ],\n");
    json.push_str("  \"deep @\": {\n    \"er @\": {\n      \"still\": \"@\"\n    },\n    \"value\": \"@\"\n  }\n}\n");
    check("a.json", &json, 1);
    let lines = "{\"id\": \"@\", \"at\": {\"x\": \"@ @\"}}\n\n".repeat(30);
    check("a.jsonl", &lines, 0);
}

#[test]
fn lines_of_a_page_are_those_of_its_html() {
    let prose = "<p>The ferry @ leaves\n  at <b>noon @</b> or later<!-- a\n comment --> when\nthe tide @ allows it.</p>\n\n".repeat(3);
    check(
        "a.html",
        &format!(
            "<!DOCTYPE html>\n<html><head><title>T</title>\n<style>\np {{}}\n</style></head><body><main>\n<h1\n  id=x>One @</h1>\n\
             {prose}<ul>\n<li>item @</li>\n<li>\n item @\n</li></ul>\n<pre>\nrun @\n\nstop @\n</pre>\n\
             <table>\n<tr><th>a</th><th>b @</th></tr>\n<tr>\n<td>c @</td>\n<td>d @</td>\n</tr></table>\n<h2>Two @</h2>\n{prose}</main></body></html>\n"
        ),
        3,
    );
}

#[test]
fn what_has_no_lines_says_so() {
    let place = Place::in_memory();
    place.write("a.rtf", r"{\rtf1 The ferry leaves at noon.\par}");
    place.write("b.md", "# Ferries\n\nThe ferry leaves at one.\n");
    place.ingest();
    let search = |arguments: &[&str]| {
        let mut command = program();
        let output = command.args(["search", "kb.toml", "ferry", "--mode", "text"]).args(arguments);
        let output = output.current_dir(place.path("")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let report: Value = serde_json::from_str(&search(&["--json"])).unwrap();
    let mut hits: Vec<_> = report["hits"].as_array().unwrap().iter().collect();
    hits.sort_by_key(|hit| hit["uri"].as_str());
    let shown = |hit: &Value| (hit["lines_in"].clone(), hit["start_line"].clone());
    assert_eq!(shown(hits[0]), ("text".into(), 1.into()));
    assert_eq!(shown(hits[1]), ("file".into(), 1.into()));
    let text = search(&[]);
    assert!(text.contains("docs:a.rtf  lines 1-1 of its text, score"), "{text}");
    assert!(text.contains("docs:b.md:1-3  score"), "{text}");
}
