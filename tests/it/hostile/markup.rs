//! Markdown and front matter that are hard for parsers: the pathological inputs of cmark's test
//! suite (test/pathological_tests.py) and similar ones, each in two sizes.
//!
//! All of it is text, so all of it is ingested.

use super::Hostile;

/// Sizes of every bomb: repetitions. The small one finds stack overflows, the large one superlinear
/// time.
const REPETITIONS: [usize; 2] = [2_000, 30_000];

/// Parts in order, each repeated.
struct Bomb(&'static str, &'static [(&'static str, Times)]);

enum Times {
    Once,
    N,
}
use Times::{N, Once};

const BOMBS: &[Bomb] = &[
    Bomb("quotes", &[(">", N), ("a", Once)]),
    Bomb("quotes-spaced", &[("> ", N), ("a", Once)]),
    Bomb("quote-lines", &[("> > > > > > > >\n", N)]),
    Bomb("list-in-list", &[("- ", N), ("a", Once)]),
    Bomb("ordered-in-ordered", &[("1. ", N), ("a", Once)]),
    Bomb("quote-in-list", &[("- > ", N), ("a", Once)]),
    Bomb("list-items", &[("- a\n\n", N)]),
    Bomb("task-items", &[("- [ ] a\n", N)]),
    Bomb("list-markers", &[("*\n", N)]),
    Bomb("brackets-open", &[("[", N), ("a", Once)]),
    Bomb("brackets-close", &[("a", Once), ("]", N)]),
    Bomb("brackets-nested", &[("[", N), ("a", Once), ("]", N)]),
    Bomb("links-open", &[("[a](", N)]),
    Bomb("links-open-angle", &[("[a](<b", N)]),
    Bomb("links-nested", &[("[", N), ("a", Once), ("](b)", N)]),
    Bomb("images-nested", &[("![", N), ("a", Once), ("](b)", N)]),
    Bomb("links-empty", &[("[]()", N)]),
    Bomb("link-emphasis", &[("**x [a*b**c*](d)", N)]),
    Bomb("link-closers-emphasis", &[("[ a_", N)]),
    Bomb("link-titles", &[("[a](b \"", N)]),
    Bomb("reference-definitions", &[("[a]: b\n", N)]),
    Bomb("reference-uses", &[("[a]: b\n\n", Once), ("[a] ", N)]),
    Bomb("reference-unknown", &[("[a][b]", N)]),
    Bomb("reference-chains", &[("[a]: <", N)]),
    Bomb("footnotes", &[("[^a]: [^a]\n", N)]),
    Bomb("footnote-uses", &[("[^a] ", N), ("\n\n[^a]: x\n", Once)]),
    Bomb("emphasis-open", &[("*a **a ", N)]),
    Bomb("emphasis-close", &[("a* a** ", N)]),
    Bomb("emphasis-nested", &[("*a **a ", N), ("b", Once), (" a** a*", N)]),
    Bomb("emphasis-mixed", &[("*a_ ", N)]),
    Bomb("emphasis-thirds", &[("a***b**c*", N)]),
    Bomb("stars", &[("*", N)]),
    Bomb("underscores", &[("_", N)]),
    Bomb("tildes", &[("~", N)]),
    Bomb("strikethrough", &[("~~a ", N)]),
    Bomb("backticks", &[("`", N)]),
    Bomb("backtick-pairs", &[("`a``b```c````", N)]),
    Bomb("backslashes", &[("\\", N)]),
    Bomb("escapes", &[("\\a\\*", N)]),
    Bomb("entities", &[("&amp;", N)]),
    Bomb("entities-unknown", &[("&nosuchentity", N)]),
    Bomb("entities-out-of-range", &[("&#x110000;&#0;&#99999999999;", N)]),
    Bomb("html-comment-open", &[("<!--", N)]),
    Bomb("html-declaration-open", &[("a <!A ", N)]),
    Bomb("html-processing-open", &[("a <? ", N)]),
    Bomb("html-cdata-open", &[("a <![CDATA[", N)]),
    Bomb("html-tags-open", &[("<a ", N)]),
    Bomb("html-attributes", &[("<a ", Once), ("b=c ", N), (">", Once)]),
    Bomb("html-nested", &[("<div>", N), ("a", Once), ("</div>", N)]),
    Bomb("html-blocks", &[("<div>\n\n", N)]),
    Bomb("html-script", &[("<script>\n", Once), ("a < b\n", N)]),
    Bomb("less-than", &[("<", N)]),
    Bomb("autolinks", &[("<http://a.org/", N)]),
    Bomb("addresses", &[("a@b.", N)]),
    Bomb("table-columns", &[("|a", N), ("|\n", Once), ("|-", N), ("|\n", Once), ("|b", N)]),
    Bomb("table-rows", &[("|a|\n|-|\n", Once), ("|b|\n", N)]),
    Bomb("table-short-rows", &[("|a|b|c|\n|-|-|-|\n", Once), ("|\n", N)]),
    Bomb("table-pipes", &[("|", N)]),
    Bomb("table-delimiters", &[("|-\n", N)]),
    Bomb("table-header-only", &[("a | b\n", N)]),
    Bomb("headings", &[("# a\n", N)]),
    Bomb("headings-empty", &[("#\n", N)]),
    Bomb("headings-levels", &[("# a\n## b\n### c\n#### d\n##### e\n###### f\n", N)]),
    Bomb("heading-long", &[("# ", Once), ("a ", N)]),
    Bomb("heading-attributes", &[("# a {", Once), (".b ", N), ("}", Once)]),
    Bomb("hashes", &[("#", N)]),
    Bomb("underlines", &[("a\n===\n", N)]),
    Bomb("underline-long", &[("a\n", Once), ("=", N)]),
    Bomb("rules", &[("---\n", N)]),
    Bomb("rule-long", &[("- ", N), ("\n", Once)]),
    Bomb("fence-backticks-open", &[("```\n", Once), ("a\n", N)]),
    Bomb("fence-tildes-open", &[("~~~\n", Once), ("a\n", N)]),
    Bomb("fences", &[("```\na\n```\n", N)]),
    Bomb("fences-never-closed", &[("````\n```\n", N)]),
    Bomb("fence-info", &[("```", Once), ("a ", N), ("\nb\n```\n", Once)]),
    Bomb("fence-in-quote", &[("> ```\n", N)]),
    Bomb("indented", &[("    a\n\n", N)]),
    Bomb("indented-deep", &[(" ", N), ("a", Once)]),
    Bomb("tabs", &[("\t", N), ("a", Once)]),
    Bomb("line-ends", &[("\n", N), ("a", Once)]),
    Bomb("carriage-returns", &[("a\r", N)]),
    Bomb("hard-breaks", &[("a  \n", N)]),
    Bomb("form-feeds", &[("a\u{c}", N)]),
    Bomb("line-separators", &[("a\u{2028}\u{2029}\u{85}", N)]),
    Bomb("no-break-spaces", &[("a\u{a0}", N)]),
    Bomb("combining", &[("a", Once), ("\u{301}\u{327}\u{489}", N)]),
    Bomb("joiners", &[("\u{1f469}\u{200d}", N)]),
    Bomb("flags", &[("\u{1f1e6}", N)]),
    Bomb("right-to-left", &[("\u{202e}\u{5d0}\u{2066}", N)]),
    Bomb("byte-order-marks", &[("\u{feff}", N)]),
    Bomb("replacements", &[("\u{fffd}", N)]),
    Bomb("private-and-unassigned", &[("\u{e000}\u{10ffff}\u{378}", N)]),
    Bomb("word-without-end", &[("abcdefghij", N)]),
    Bomb("ideographs", &[("\u{6f22}", N)]),
    Bomb("thai", &[("\u{e01}\u{e33}", N)]),
    Bomb("hangul", &[("\u{1112}\u{1161}\u{11ab}", N)]),
    Bomb("digits", &[("0123456789", N)]),
    Bomb("punctuation", &[(".,;:!?", N)]),
];

/// Front matter, whole files; `N` parts are repeated 20,000 times.
const FRONT_MATTERS: &[Bomb] = &[
    Bomb("unterminated", &[("---\n", Once), ("a: b\n", N)]),
    Bomb("huge", &[("---\n", Once), ("# a comment\n", N), ("a: b\n---\ntext\n", Once)]),
    Bomb("flow-nesting", &[("---\na: ", Once), ("[", N), ("\n---\ntext\n", Once)]),
    Bomb("flow-maps", &[("---\na: ", Once), ("{a: ", N), ("\n---\ntext\n", Once)]),
    Bomb("sequence-nesting", &[("---\na: ", Once), ("- ", N), ("b\n---\ntext\n", Once)]),
    Bomb("question-marks", &[("---\n", Once), ("? ", N), ("\n---\ntext\n", Once)]),
    Bomb("long-title", &[("---\ntitle: ", Once), ("ab", N), ("\n---\ntext\n", Once)]),
    Bomb("many-keys", &[("---\n", Once), ("a: 1\n", N), ("---\ntext\n", Once)]),
    Bomb("quotes", &[("---\na: ", Once), ("'", N), ("\n---\ntext\n", Once)]),
    Bomb("many-anchors", &[("---\na: [", Once), ("&a b, ", N), ("]\n---\ntext\n", Once)]),
    Bomb("own-alias", &[("---\na: &a [*a]\n---\ntext\n", Once)]),
    Bomb("merge-of-itself", &[("---\na: &a\n  <<: *a\n---\ntext\n", Once)]),
    Bomb("binary-tag", &[("---\ntitle: !!binary AAEC\n---\ntext\n", Once)]),
    Bomb("foreign-tag", &[("---\na: !!python/object:os.system x\n---\ntext\n", Once)]),
    Bomb(
        "numbers",
        &[("---\na: 1e999999999\nb: .nan\nc: -.inf\nd: 0x", Once), ("f", N), ("\n---\n", Once)],
    ),
    Bomb("list-for-map", &[("---\n- a\n- b\n---\ntext\n", Once)]),
    Bomb("scalar-for-map", &[("---\njust a text\n---\ntext\n", Once)]),
    Bomb("title-of-controls", &[("---\ntitle: \"\\0\\x07\\e[31m\\n\"\n---\ntext\n", Once)]),
    Bomb("title-of-map", &[("---\ntitle: {a: b}\n---\ntext\n", Once)]),
    Bomb("documents", &[("---\na: b\n", N)]),
    Bomb("empty", &[("---\n---\n", Once)]),
    Bomb("tabs", &[("---\n\ta: b\n---\ntext\n", Once)]),
    Bomb("key-of-map", &[("---\n{a: b}: c\n---\ntext\n", Once)]),
    Bomb("toml-nesting", &[("+++\na = ", Once), ("[", N), ("\n+++\ntext\n", Once)]),
    Bomb("toml-inline", &[("+++\na = ", Once), ("{b = ", N), ("\n+++\ntext\n", Once)]),
    Bomb("toml-dotted", &[("+++\na", Once), (".a", N), (" = 1\n+++\ntext\n", Once)]),
    Bomb("toml-headers", &[("+++\n[a", Once), (".a", N), ("]\n+++\ntext\n", Once)]),
    Bomb("toml-arrays", &[("+++\n", Once), ("[[a]]\n", N), ("+++\ntext\n", Once)]),
    Bomb("toml-unterminated", &[("+++\n", Once), ("a = 1\n", N)]),
    Bomb("toml-text-unterminated", &[("+++\na = '''\n", Once), ("b\n", N), ("+++\n", Once)]),
    Bomb("toml-numbers", &[("+++\na = 99999999999999999999\nb = 0001-00-00\n+++\ntext\n", Once)]),
];

impl Bomb {
    fn text(&self, repetitions: usize) -> String {
        let part = |(part, times): &(&str, Times)| match times {
            Once => (*part).to_owned(),
            N => part.repeat(repetitions),
        };
        self.1.iter().map(part).collect()
    }
}

/// Nine levels of aliases, each of nine: 9^9 values unless something limits them.
fn alias_bomb() -> String {
    let mut yaml = "---\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        yaml += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    yaml + "---\ntext\n"
}

fn deep_yaml() -> String {
    let levels: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    format!("---\n{levels}---\ntext\n")
}

/// Each line one deeper than the one before.
fn stairs(step: &str, depth: usize) -> String {
    (0..depth).map(|depth| format!("{}- a\n", step.repeat(depth))).collect()
}

fn backtick_runs() -> String {
    (1..800).map(|length| format!("a{}", "`".repeat(length))).collect()
}

pub fn hostile() -> Vec<Hostile> {
    let mut files = Vec::new();
    for bomb in BOMBS {
        for repetitions in REPETITIONS {
            let name = format!("markdown/{}-{repetitions}.md", bomb.0);
            files.push(Hostile::text(name, bomb.text(repetitions)));
        }
    }
    for bomb in FRONT_MATTERS {
        files.push(Hostile::text(format!("front/{}.md", bomb.0), bomb.text(20_000)));
    }
    let own = [
        ("front/alias-bomb.md", alias_bomb()),
        ("front/deep-yaml.md", deep_yaml()),
        ("markdown/list-stairs.md", stairs("  ", 800)),
        ("markdown/quote-stairs.md", stairs("> ", 800)),
        ("markdown/backtick-runs.md", backtick_runs()),
    ];
    files.extend(own.into_iter().map(|(name, text)| Hostile::text(name, text)));
    // The same characters through the other two chunkers.
    for bomb in BOMBS.iter().step_by(6) {
        files.push(Hostile::text(format!("plain/{}.txt", bomb.0), bomb.text(2_000)));
        files.push(Hostile::text(format!("code/{}.rs", bomb.0), bomb.text(2_000)));
    }
    files
}
