//! Properties of every text: spans, lines, tokens, coverage, keys.

use kbingest::chunk::ChunkConfig;
use proptest::prelude::*;

use super::corpus;
use crate::fuzz::oracles::chunker::check_text;

/// Pieces of which random documents consist.
const FRAGMENTS: &[&str] = &[
    "# Title",
    "## Part *one* `code`",
    "### Detail {#id}",
    "#",
    "###### Deep",
    "Setext\n===",
    "Other\n---",
    "A short paragraph. It has two sentences.",
    "A paragraph that goes on for a while, over\nmore than one line. It ends! Does it? Yes, it does, in the\nend; e.g. here.",
    "word word word word word word word word word word word word word word word word word word word word word",
    "Averyveryverylongwordthatnobodywouldwrite_but_machines_do/like/this/path/to/something/that/is/long/and/longer",
    "中文没有空格。这是第二句话！还有第三句吗？是的，还有很多很多很多很多很多很多很多很多很多很多很多很多很多很多的字。",
    "使用 Rust 语言。很好 very good。\u{3000}全角空格。",
    "- one\n- two\n  - nested\n    more\n- three\n\n  loose\n\n  ```sh\n  ls -l\n\n  rm x\n  ```\n  tail",
    "1. first\n2. second\n\n   | a | b |\n   |---|---|\n   | 1 | 2 |\n   | 3 | 4 |\n3. third",
    "> quote\n> more\n>\n> - in quote\n> ## not a section\n\n> [!NOTE]\n> An alert.",
    "```rust\nfn main() {\n    let a = 1;\n\n    let b = 2;\n\n    call(a, b, \"some text in it\");\n}\n```",
    "~~~\nno info\n~~~",
    "```\nunterminated",
    "    indented code\n\n    more of it",
    "| head one | head two |\n| --- | :-: |\n| cell | cell |\n| another cell | cell |\n| a third row | with words |",
    "<div>\n\n*inner*\n\n</div>",
    "<!-- a comment\n\nwith a blank -->",
    "<details><summary>x</summary>",
    "[label]: /url \"title\"",
    "[label]: /again",
    "[other]:\n  <url>\n  'a\ntitle'",
    "[^1]: A footnote.\n\n    Its second paragraph.",
    "Text[^1] with [label] and ![image](x.png) and **bold** and <b>html</b>.",
    "---",
    "***",
    "+++\na = 1\n+++",
    "---\ntitle: x\n---",
    "---\n\n---",
    "- [ ] task\n- [x] done",
    "{{#include x.rs}}",
    "import X from './x'\n\n<Tabs>\n  <Tab>text</Tab>\n</Tabs>",
    "$$\nx^2\n$$",
    "\\",
    "* * *",
    "-",
    "1.",
    ">",
    "|",
    "\t",
    "\u{a0}",
    "\u{c}\u{b}",
    "\u{feff}",
    "e\u{301}\u{301}👩‍👩‍👧",
    "\u{0}",
    "&amp; &#x41; &copy;",
    "a\rb\rc",
    "\r\n",
    // Tables of HTML, and rows that are too long.
    "<table><thead>\n<tr><th>Name</th><th>Meaning of it</th></tr></thead>\n<tr><td>a</td><td>one two</td></tr>",
    "<table>\n<tr>\n<td><code>a</code>\n<td>b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k",
    "<tr><th><td></table>",
    "| x \\| y | one two three four five six seven eight nine ten. One two three four five six seven. End |",
    "| a |\n|---|\n|  |\n| b",
    // Headings with braces and tags.
    "## GET /pets/{id}",
    "## {a} {b c} {.x}\n",
    "A<br>B {c}\n===",
    // Configuration and data.
    "kind: Pod\nmetadata: {name: a, labels: {b: c}}\n---\nkind: Pod\nmetadata:\n  name: b",
    "- name: Install it\n  apt:\n    name: x\n  when: linux\n- hosts: all\n  tasks:\n  - run: |\n      - name: no\n",
    "{{- if .Values.a }}\nkind: {{ .Kind }}\n{{- end }}",
    "{\"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}",
    "[table.of]\na = [\n  1,\n]\n\n[[more]]\nb = \"c\"",
    // Markup of other languages.
    ".. meta::\n   :keywords: a\n\n:field: b",
    "[options=header]\n|===\n|a |b\n|===\n:attribute: c",
    "#+TITLE: a\n* Head :tag:\n:PROPERTIES:\n:END:",
    "\\section{A}\n\\begin{tabular}{l}a & b \\\\\n\\end{tabular}",
];

/// Between fragments.
const JOINS: &[&str] =
    &["\n", "\n\n", "\n\n", "\n\n\n", "", " ", "\r\n", "\r\n\r\n", "\n> ", "\n  ", "\n    ", "\r"];

fn document() -> impl Strategy<Value = String> {
    let piece = (prop::sample::select(FRAGMENTS), prop::sample::select(JOINS), 1..4usize);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| {
        pieces
            .iter()
            .map(|(fragment, join, times)| format!("{fragment}{join}").repeat(*times))
            .collect()
    })
}

fn config() -> impl Strategy<Value = ChunkConfig> {
    (32..200usize, 0..100usize).prop_map(|(max_tokens, overlap)| ChunkConfig {
        max_tokens,
        overlap_tokens: (overlap / 2).min(max_tokens / 2 - 1),
    })
}

// PROPTEST_CASES sets the number of texts.
proptest! {
    #[test]
    fn invariants_hold_on_markdown(text in document(), config in config()) {
        check_text(&text, &config);
    }

    #[test]
    fn invariants_hold_on_any_text(text in "\\PC{0,300}", config in config()) {
        check_text(&text, &config);
    }

    #[test]
    fn invariants_hold_on_markup_noise(
        text in "[-#>*_`~|\\[\\]()<>!:.\\\\ \t\n\r\u{3000}\u{85}a1é中&;=+\"']{0,300}",
        config in config(),
    ) {
        check_text(&text, &config);
    }
}

/// Texts that once broke a property.
#[test]
fn invariants_hold_on_texts_that_broke_them() {
    let words = "word ".repeat(60);
    let cases = [
        // Headings above take half of the budget: the last one stays with its text.
        (
            "| x \\| y | one two three four five six seven eight nine ten. One two three four five six \
             seven. End |A<br>B {c}\n===\n## GET /pets/{id}\nA short paragraph. It has two sentences.\n",
            (32, 0),
        ),
        (
            &*format!("{words}\n===\n## GET /pets/{{id}}\n{words}\n\n## GET /pets/{{id}}\nx\n"),
            (68, 13),
        ),
        // A paragraph that begins with a blank line to us and not to CommonMark.
        (
            "#\n\u{a0}\nText[^1] with [label] and ![image](x.png) and **bold** and <b>html</b>.# Title\
             ---\r\n---\r\n",
            (68, 13),
        ),
    ];
    for (text, (max_tokens, overlap_tokens)) in cases {
        for max_tokens in [32, 48, max_tokens, 100, 200] {
            check_text(text, &ChunkConfig { max_tokens, overlap_tokens });
        }
    }
}

/// Checks every document of a corpus with several settings.
fn check_corpus(folders: &[&str], configs: &[(usize, usize)]) {
    for (path, text) in folders.iter().flat_map(|folder| corpus(folder)) {
        for &(max_tokens, overlap_tokens) in configs {
            println!("{} with max_tokens = {max_tokens}", path.display());
            check_text(&text, &ChunkConfig { max_tokens, overlap_tokens });
        }
    }
}

#[test]
#[ignore = "needs KBINGEST_CORPORA"]
fn invariants_hold_on_the_specifications() {
    let configs = [(32, 0), (64, 20), (512, 64)];
    check_corpus(&["formats/commonmark", "formats/gfm"], &configs);
}

#[test]
#[ignore = "needs KBINGEST_CORPORA"]
fn invariants_hold_on_documentation() {
    let folders = ["docs/rust-book", "docs/prometheus-docs", "docs/asciidoctor-org"];
    check_corpus(&folders, &[(64, 20), (256, 0)]);
}
