//! Documents with the files that they include.

use crate::support::{Place, assert_same, assert_sound, rows};

fn texts(place: &Place) -> Vec<String> {
    let sql = "SELECT uri, text FROM chunks ORDER BY uri, ordinal";
    rows(&place.kb(), sql).into_iter().map(|row| row.replace('\n', "/")).collect()
}

/// Ingests documents, and returns the text of the one at `uri`.
fn text_of(uri: &str, files: &[(&str, &str)]) -> String {
    let place = Place::in_memory();
    for (uri, text) in files {
        place.write(uri, *text);
    }
    place.ingest();
    let texts = texts(&place);
    let own = texts.iter().filter_map(|row| row.strip_prefix(&format!("{uri}|")));
    own.collect::<Vec<_>>().join("/").replace("//", "/")
}

#[test]
fn a_file_takes_the_place_of_the_line_that_names_it() {
    let check = |uri: &str, text: &str, other: (&str, &str), expected: &str| {
        assert_eq!(text_of(uri, &[(uri, text), other]), expected, "{text}");
    };
    let rope = "Ropes are wet.\n";
    for (uri, line) in [
        ("a/x.rst", ".. include:: ../b/rope.txt"),
        ("a/x.rst", ".. include:: /b/rope.txt\n   :start-line: 0"),
        ("a/x.adoc", "include::../b/rope.txt[]"),
        ("a/x.org", "#+INCLUDE: \"../b/rope.txt\""),
        ("a/x.tex", "\\input{../b/rope.txt}"),
        ("a/x.md", "{{< include ../b/rope.txt >}}"),
        ("a/x.md", "{{< include \"../b/rope.txt\" >}}"),
        ("a/x.md", "{{#include ../b/rope.txt}}"),
        ("a/x.md", "--8<-- \"../b/rope.txt\""),
    ] {
        let text = format!("Before.\n\n{line}\n\nAfter.\n");
        check(uri, &text, ("b/rope.txt", rope), "Before./Ropes are wet./After.");
    }
    check("x.md", "![[rope]]\n", ("rope.md", "---\ntitle: T\n---\nRopes.\n"), "Ropes.");
    check("a/x.md", "![[rope|shown]]\n", ("rope.md", "Ropes.\n"), "Ropes.");
    let sections = "# Ropes\nAll.\n## Wet\nDry them.\n## Old\nBurn them.\n";
    check("x.md", "![[rope#Wet]]\n", ("rope.md", sections), "## Wet/Dry them.");
    let code = "one = 1\n# tag::x[]\ntwo = 2\n# end::x[]\nthree = 3\n";
    let listing = "[source,py]\n----\ninclude::c.py[tag=x]\n----\n";
    check("x.adoc", listing, ("c.py", code), "```py/two = 2/```");
    let literal = ".. literalinclude:: c.py\n   :language: py\n   :lines: 5\n\nAfter.\n";
    check("x.rst", literal, ("c.py", code), "```py/three = 3/```/After.");
    let listing = "```py\n{{#include c.py:5}}\n```\n";
    check("x.md", listing, ("c.py", code), "```py/three = 3/```");
    check("x.org", "#+include: c.py src py :lines \"5-\"\n", ("c.py", code), "```py/three = 3/```");
    check(
        "x.adoc",
        "= A\n\nWords.\n\ninclude::b.adoc[leveloffset=+1]\n",
        ("b.adoc", "= B\n\nText.\n"),
        "# A/Words./## B/Text.",
    );
}

#[test]
fn a_line_stays_if_its_file_is_not_there() {
    let check = |text: &str, files: &[(&str, &str)]| {
        let files = [&[("x.md", text)], files].concat();
        assert_eq!(text_of("x.md", &files), text.trim_end().replace('\n', "/"), "{text}");
    };
    check("{{< include gone.md >}}\n", &[]);
    check("![[gone]]\n", &[]);
    check("![[picture.png]]\n", &[("picture.png.md", "No.\n")]);
    check("See ![[rope]] here.\n", &[("rope.md", "No.\n")]);
    check("```\n![[rope]]\n```\n", &[("rope.md", "No.\n")]);

    check("{{< include ../../outside.md >}}\n", &[]);
    check("{{< include .hidden.md >}}\n", &[(".hidden.md", "Secret.\n")]);
    check("{{#include rope.md:nowhere}}\n", &[("rope.md", "No.\n")]);
    check("    ![[rope]]\n", &[("rope.md", "No.\n")]);
    let example = |text: &str| text_of("x.rst", &[("x.rst", text), ("p.rst", "No.\n")]);
    let include = "   .. include:: p.rst";
    for before in ["Use it so::", ".. code-block:: rst", ".. note::\n\n  So::\n"] {
        let text = example(&format!("{before}\n\n{include}\n"));
        assert!(!text.contains("No."), "{before}: {text}");
    }
    assert!(example(&format!(".. note::\n\n{include}\n")).contains("No."));
    // Itself.
    check("![[x]]\n", &[]);
}

#[test]
fn files_that_include_each_other_end() {
    let files = [("a.md", "A.\n\n![[b]]\n"), ("b.md", "B.\n\n![[a]]\n")];
    assert_eq!(text_of("a.md", &files), "A./B./![[a]]");
    let many = "![[b]]\n".repeat(500);
    let text = text_of("a.md", &[("a.md", &many), ("b.md", "Ferry.\n")]);
    assert_eq!((text.matches("Ferry.").count(), text.matches("![[b]]").count()), (200, 300));
}

#[test]
fn a_change_of_the_file_changes_the_document() {
    let place = Place::in_memory();
    place.write("x.rst", "Before.\n\n.. include:: parts/rope.inc\n\nAfter.\n");
    place.write("parts/rope.inc", "Ropes are wet.\n");
    place.ingest();
    let unchanged = place.dump();
    let run = place.ingest();
    assert_eq!((run.metrics.documents_changed, run.metrics.chunks_queued), (0, 0));
    assert_same(&place.dump(), &unchanged, "nothing changed");
    place.write("parts/rope.inc", "Ropes are dry.\n");
    assert_eq!(place.ingest().metrics.documents_changed, 2);
    assert_eq!(texts(&place)[1], "x.rst|Before.//Ropes are dry.//After.");
    place.remove("parts/rope.inc");
    place.ingest();
    assert_eq!(texts(&place)[0], "x.rst|Before.//After.");
    assert_sound(&place.kb());
}

#[test]
fn an_included_line_comes_from_the_line_that_names_its_file() {
    let place = Place::in_memory();
    place.write("x.md", "# X\n\nOne.\n\n{{< include y.md >}}\n\n# Z\n\nTwo.\n");
    place.write("y.md", "# Y\n\nMore.\n\nEven more.\n");
    place.ingest();
    let sql = "SELECT start_line, end_line, text FROM chunks WHERE uri = 'x.md' ORDER BY ordinal";
    let found: Vec<_> = rows(&place.kb(), sql).iter().map(|row| row.replace('\n', "/")).collect();
    assert_eq!(found, ["1|5|# X//One.//# Y//More.//Even more.", "7|9|# Z//Two."]);
}
