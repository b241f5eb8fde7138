//! The chunkers: golden files, config, embedded text and stable keys here; properties of every text
//! in `invariants`, hostile input in `hostile`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use kbingest::chunk::{ChunkConfig, body_text, chunker, context_line, embedded_text, keys};
use kbingest::domain::{Chunk, LineRange, MediaType};

use crate::fuzz::oracles::chunker::{chunks, count};
use crate::support::corpora;

mod hostile;
mod invariants;

fn markdown(text: &str, max_tokens: usize, overlap_tokens: usize) -> Vec<Chunk> {
    let config = ChunkConfig { max_tokens, overlap_tokens };
    chunks("", text, MediaType::Markdown, &config)
}

/// Returns the text files of a folder of the corpora, sorted.
fn corpus(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![corpora(folder)];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the corpus can be read") {
            let path = entry.expect("the corpus can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push((path, text));
            }
        }
    }
    texts.sort();
    assert!(!texts.is_empty(), "{folder} is empty");
    texts
}

/// Shows every chunk: position, tokens, what is repeated, and its text with a margin.
fn shown(text: &str, chunks: &[Chunk]) -> String {
    let mut lines = Vec::new();
    for chunk in chunks {
        let LineRange { first, last } = chunk.lines;
        lines.push(format!("{first}-{last} ({} tokens) {}", chunk.token_count, chunk.heading_path));
        lines.extend(chunk.prefix.map(|prefix| format!("  prefix: {}", prefix.of(text))));
        lines.extend(chunk.row_head.map(|row| format!("  row: {}", row.of(text))));
        lines.extend(chunk.overlap.map(|overlap| format!("  overlap: {:?}", overlap.of(text))));
        lines.extend(chunk.span.of(text).lines().map(|line| format!("  | {line}")));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Compares the chunks of a file in tests/data/chunker with its snapshot.
fn check_golden(file: &str, media_type: MediaType, max_tokens: usize, overlap_tokens: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chunker");
    let text = std::fs::read_to_string(folder.join(file)).expect("the file is in the repository");
    let config = ChunkConfig { max_tokens, overlap_tokens };
    let chunks = chunks("Pump guide", &text, media_type, &config);
    insta::assert_snapshot!(format!("{file}@{max_tokens}"), shown(&text, &chunks));
}

#[test]
fn sections_keep_their_headings_and_small_ones_are_joined() {
    check_golden("guide.md", MediaType::Markdown, 128, 0);
    check_golden("guide.md", MediaType::Markdown, 40, 0);
}

#[test]
fn long_blocks_are_cut_by_kind() {
    check_golden("long_blocks.md", MediaType::Markdown, 48, 0);
    check_golden("long_blocks.md", MediaType::Markdown, 32, 12);
}

#[test]
fn containers_notes_and_html_are_kept_together() {
    check_golden("containers.md", MediaType::Markdown, 64, 0);
}

#[test]
fn plain_text_is_cut_at_sentences_and_overlaps() {
    check_golden("notes.txt", MediaType::Plain, 32, 12);
}

#[test]
fn lines_that_are_paragraphs_stay_whole_with_the_short_line_above() {
    let paragraph = "Water runs into the tank. ".repeat(10);
    let text: String =
        (1..=4).map(|number| format!("Part {number}\n{}\n", paragraph.trim_end())).collect();
    for media_type in [MediaType::Markdown, MediaType::Plain] {
        let config = ChunkConfig { max_tokens: 100, overlap_tokens: 0 };
        let lines: Vec<_> = chunks("", &text, media_type, &config)
            .iter()
            .map(|chunk| (chunk.lines.first, chunk.lines.last))
            .collect();
        assert_eq!(lines, [(1, 2), (3, 4), (5, 6), (7, 8)]);
    }
}

#[test]
fn a_paragraph_that_is_cut_begins_a_chunk_unless_the_one_before_is_short() {
    let long = "Water runs into the tank. ".repeat(20);
    let is_joined = |before: &str| {
        let text = format!("{before}\n\n{long}\n");
        let chunks = markdown(&text, 64, 0);
        chunks[0].span.of(&text).contains("tank")
    };
    assert!(is_joined("Pumps need air."));
    assert!(!is_joined(&"Pumps need air. ".repeat(6)));
}

#[test]
fn program_text_is_cut_at_lines_and_does_not_overlap() {
    check_golden("service.py", MediaType::Source, 32, 12);
}

#[test]
fn no_chunk_is_only_a_heading() {
    let check = |body: &str| {
        let text = format!("# A heading\n\n{body}");
        let first = markdown(&text, 32, 0)[0].span.of(&text).to_owned();
        assert!(first.contains("word"), "{first:?}");
    };
    let words = "word ".repeat(100);
    check(&words);
    let line = "word ".repeat(28);
    check(&format!("```sh\n\n\n{line}\n\n{line}\n```"));
    check(&format!("\u{a0}\n\n{}", "word ".repeat(29)));
    check(&format!("- {words}"));
    check(&format!("> {words}"));
    check(&format!("| word |\n|------|\n| {words} |\n"));
    check(&format!("## Another\n\n<div>\n{words}\n</div>"));
}

#[test]
fn no_chunk_is_only_a_closing_fence() {
    for lines in 20..40 {
        let text = format!("```\n{}```\n", "word\n".repeat(lines));
        for chunk in markdown(&text, 32, 0) {
            assert!(chunk.span.of(&text).contains("word"), "{chunk:?} of {lines} lines");
        }
    }
}

#[test]
fn small_sections_are_joined_with_their_siblings_only() {
    let check = |text: &str, expected: &[&str]| {
        let chunks = markdown(text, 64, 20);
        let paths: Vec<&str> = chunks.iter().map(|chunk| chunk.heading_path.as_str()).collect();
        assert_eq!(paths, expected, "{text:?}");
        assert!(chunks.iter().all(|chunk| chunk.overlap.is_none()), "{text:?}");
    };
    check("# A\n\n## B\n\none.\n\n## C\n\ntwo.\n", &["A"]);
    check("# A\n\n## B\n\none.\n\n### C\n\ntwo.\n", &["A > B", "A > B > C"]);
    check("# A\n\n## B\n\none.\n\n# C\n\ntwo.\n", &["A > B", "C"]);
    check(
        "# A\n\n## B\n\none two three four five six seven.\n\n## C\n\ntwo.\n",
        &["A > B", "A > C"],
    );
}

#[test]
fn front_matter_is_only_at_the_start() {
    let check = |text: &str, expected: &[&str]| {
        let bodies = markdown(text, 256, 0).into_iter().map(|chunk| chunk.span.of(text));
        assert_eq!(bodies.collect::<Vec<_>>(), expected, "{text:?}");
    };
    check("---\na: b\n---\ntext", &["text"]);
    check("\u{feff}---\r\na: b\r\n...\r\n\r\ntext\r\n", &["text"]);
    check("+++\na = 1\n+++\n\ntext", &["text"]);
    check("---\n\na: b\n---\ntext", &["text"]);
    // It is the text of a document of nothing else.
    check("---\na: b\n---\n", &["---\na: b\n---"]);
    check("---\na: b\nloose\n---\ntext", &["loose", "text"]);
    check("---\nA slide\n\n---\n\nNext.\n", &["---\nA slide\n\n---\n\nNext."]);
    check("text\n\n+++\na = 1\n+++\n", &["text\n\n+++\na = 1\n+++"]);
    check("---\na: b\n", &["---\na: b"]);
}

#[test]
fn the_title_is_not_repeated() {
    let check = |title, path, expected| assert_eq!(context_line(title, path), expected);
    check("Guide", "", "Guide");
    check("", "Start", "Start");
    check("", "", "");
    check("Guide", "Start > Now", "Guide > Start > Now");
    check("Guide", "Guide", "Guide");
    check("Guide", "Guide > Start", "Guide > Start");
    check("Guide", "Guided > Start", "Guide > Guided > Start");
}

#[test]
fn the_embedded_text_repeats_prefix_and_overlap() {
    let table = format!("| a | b |\n|---|---|\n{}", "| one | two |\n".repeat(12));
    let of_table = markdown(&table, 32, 0);
    let second = &of_table[1];
    assert!(body_text(&table, &[], second).starts_with("| a | b |\n| one | two |\n"));
    assert!(embedded_text("T", &table, &[], second).starts_with("T\n| a | b |\n| one"));

    let prose = "One two three four five. Six seven eight nine ten. ".repeat(4);
    let of_prose = markdown(&prose, 32, 8);
    let second = &of_prose[1];
    let overlap = second.overlap.expect("prose overlaps").of(&prose);
    assert_eq!(overlap, "Six seven eight nine ten. ");
    assert!(body_text(&prose, &[], second).starts_with(overlap));
}

#[test]
fn the_config_says_what_is_allowed() {
    let check = |max_tokens, overlap_tokens, expected: Result<(), &str>| {
        let config = ChunkConfig { max_tokens, overlap_tokens };
        assert_eq!(config.validate(), expected.map_err(str::to_owned));
    };
    check(256, 0, Ok(()));
    check(32, 15, Ok(()));
    check(31, 0, Err("max_tokens must be 32 to 8192, not 31"));
    check(8193, 0, Err("max_tokens must be 32 to 8192, not 8193"));
    check(32, 16, Err("overlap_tokens must be less than half of max_tokens (16), not 16"));
}

#[test]
fn the_fingerprint_names_chunker_and_settings() {
    let config = ChunkConfig::default();
    let fingerprints =
        |tokens| MediaType::ALL.map(|it| config.fingerprint(chunker(it), tokens).to_string());
    let all = [fingerprints("wordpiece"), fingerprints("words")].concat();
    insta::assert_snapshot!(all.join("\n"), @r"
    markdown@5:max_tokens=256,overlap_tokens=0
    plain@4:max_tokens=256,overlap_tokens=0
    source@5:max_tokens=256,overlap_tokens=0
    markdown@5:max_tokens=256,overlap_tokens=0,tokens=words
    plain@4:max_tokens=256,overlap_tokens=0,tokens=words
    source@5:max_tokens=256,overlap_tokens=0,tokens=words
    ");
}

#[test]
fn keys_tell_documents_and_occurrences_apart() {
    let text = "Same text.\n\n# A\n\nSame text.\n\n# B\n\nSame text.\n";
    let text = &text.replace("Same text.", &"Same text. ".repeat(30));
    let of_text = markdown(text, 64, 0);
    let in_document = |source, uri| keys(source, uri, text, &of_text);
    let all = [in_document("s", "ab"), in_document("sa", "b"), in_document("s", "b")].concat();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
}

#[test]
fn keys_do_not_depend_on_place_or_blanks() {
    let text = "# A\n\nThe text.\n\n# B\n\nOther text, which is long enough to stand alone here.\n";
    let moved = format!("# New\n\n{}\n\n\n{text}", "A new text. ".repeat(20));
    let before = keys("s", "u", text, &markdown(text, 32, 0));
    let after = keys("s", "u", &moved, &markdown(&moved, 32, 0));
    assert!(after.ends_with(&before), "{before:?} {after:?}");
}

/// Edits one sentence of the text at a time, and returns how many keys are new per edit.
fn new_keys_per_edit(texts: &[String]) -> f64 {
    let keys_of = |text: &str| keys("s", "u", text, &markdown(text, 256, 0));
    let mut random = 1_u64;
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) as usize % limit
    };
    let (mut edits, mut changed) = (0, 0);
    for text in texts {
        let before: HashSet<_> = keys_of(text).into_iter().collect();
        let ends: Vec<usize> = text.match_indices(". ").map(|(at, _)| at).collect();
        for round in 0..if ends.is_empty() { 0 } else { 20 } {
            let at = ends[below(ends.len())];
            let word = text[..at].rfind(char::is_whitespace).unwrap_or(0);
            let mut edited = text.clone();
            match round % 4 {
                0 => edited.insert_str(at, " indeed"),
                1 => edited.insert_str(at + 2, "Here is one more sentence with nine words. "),
                2 => edited.replace_range(word..at, ""),
                _ => edited.replace_range(word + 1..at, "another"),
            }
            changed += keys_of(&edited).iter().filter(|key| !before.contains(*key)).count();
            edits += 1;
        }
    }
    f64::from(changed as u32) / f64::from(edits)
}

fn check_new_keys_per_edit(texts: &[String]) {
    let mean = new_keys_per_edit(texts);
    println!("{mean:.3} keys change per edited sentence");
    assert!(mean < 1.6, "{mean} keys change per edited sentence");
}

#[test]
fn an_edited_sentence_changes_about_one_key() {
    let paragraph = "The pump moves water from the well to the tank. Read this first. ".repeat(5);
    let section =
        |index: usize| format!("## Part {index}\n\n{}\n", format!("{paragraph}\n\n").repeat(8));
    check_new_keys_per_edit(&[(0..10).map(section).collect()]);
}

#[test]
#[ignore = "needs KBINGEST_CORPORA"]
fn an_edited_sentence_of_a_book_changes_about_one_key() {
    let texts: Vec<_> = corpus("docs/rust-book").into_iter().map(|(_, text)| text).collect();
    check_new_keys_per_edit(&texts);
}

fn source(title: &str, text: &str, max_tokens: usize) -> Vec<(String, String)> {
    let config = ChunkConfig { max_tokens, overlap_tokens: 0 };
    let chunks = chunks(title, text, MediaType::Source, &config);
    let shown = |chunk: &Chunk| (chunk.heading_path.clone(), chunk.span.of(text).to_owned());
    chunks.iter().map(shown).collect()
}

fn paths(title: &str, text: &str, max_tokens: usize) -> Vec<String> {
    source(title, text, max_tokens).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn routes_of_openapi_are_keys_with_what_is_below_them() {
    let text = "openapi: 3.0.0\npaths:\n  /pets/{id}:\n    get:\n      summary: Fetch one pet\n    \
                delete:\n      summary: Remove one pet\n  /shops:\n    get:\n      summary: List shops\n";
    assert_eq!(paths("o.yaml", text, 256), ["paths", "paths > /pets/{id}, /shops"]);
    let route = |number: usize| {
        let operation = |name: &str| {
            format!(
                "    {name}:\n      summary: {name} the thing with number {number}\n      responses:\n        \"200\":\n          description: The thing\n"
            )
        };
        format!(
            "  /things/{{id}}/{number}:\n{}{}{}",
            operation("get"),
            operation("put"),
            operation("delete")
        )
    };
    let text = format!("paths:\n{}", (0..15).map(route).collect::<String>());
    let all = source("o.yaml", &text, 256);
    assert!(all.len() <= 15, "{} chunks", all.len());
    for (path, span) in &all {
        for line in span.lines().filter(|line| line.starts_with("  /")) {
            let route = line.trim().trim_end_matches(':');
            assert!(path.contains(route), "{route} is not in {path}");
        }
    }
    // One that does not fit says in each of its chunks whose it is.
    let paths = paths("o.yaml", &text, 64);
    assert!(paths.iter().all(|path| path.starts_with("paths > /things/{id}/")), "{paths:?}");
}

#[test]
fn documents_of_one_file_have_kind_and_name() {
    let spec = (0..12).map(|n| format!("  key{n}: a value of several words\n")).collect::<String>();
    let document =
        |kind: &str, name: &str| format!("kind: {kind}\nmetadata:\n  name: {name}\nspec:\n{spec}");
    let text = format!("{}---\n{}", document("Deployment", "web"), document("Service", "db"));
    let paths = paths("a.yaml", &text, 64);
    let of = |name: &str| paths.iter().filter(|path| path.starts_with(name)).count();
    assert_eq!(of("Deployment web") + of("Service db"), paths.len(), "{paths:?}");
    assert!(of("Deployment web") > 1 && of("Service db") > 1, "{paths:?}");
    // A text below a key has no keys.
    let text = "a:\n  run: |\n    if x:\n      y:\n        z\n  b:\n    c: d\n";
    assert_eq!(source("a.yaml", text, 256)[0].0, "a > run, b");
}

#[test]
fn functions_share_a_chunk_up_to_the_budget() {
    let function = |name: &str| format!("fn {name}() {{\n    call(one, two, three);\n}}\n\n");
    let text: String = ["a", "b", "c", "d", "e", "f"].map(function).concat();
    assert_eq!(paths("a.rs", &text, 256), ["fn a, fn b, fn c, fn d, fn e, fn f"]);
    let halves = paths("a.rs", &text, 40);
    assert!(halves.len() > 1 && halves.len() < 6, "{halves:?}");
    // A class begins a chunk if it does not fit with all that is in it.
    let method =
        |name: &str| format!("    def {name}(self):\n        return call(one, two, three)\n\n");
    let methods = ["m", "n", "o", "p"].map(method).concat();
    let text = format!("def a():\n    return 1\n\nclass B:\n{methods}");
    assert_eq!(paths("a.py", &text, 256), ["def a, class B"]);
    let split = paths("a.py", &text, 32);
    assert_eq!(split[0], "def a", "{split:?}");
    assert!(split[1].starts_with("class B > def m"), "{split:?}");
}

#[test]
fn chunks_of_a_transcript_end_with_sentences() {
    let sentence = "and then we went down to the harbour to look at the barges. ";
    let text = sentence.repeat(60);
    for media_type in [MediaType::Markdown, MediaType::Plain] {
        let config = ChunkConfig { max_tokens: 64, overlap_tokens: 0 };
        for chunk in chunks("", &text, media_type, &config) {
            assert!(chunk.span.of(&text).ends_with("barges."), "{:?}", chunk.span.of(&text));
        }
    }
}

/// Returns prefix, first cell and the beginning of each chunk of a table, after the first chunk.
fn heads(text: &str) -> Vec<[String; 3]> {
    let chunks = markdown(text, 40, 0);
    let rest = chunks.iter().skip(1).map(|chunk| {
        let head = |span: Option<kbingest::domain::Span>| {
            span.map_or(String::new(), |span| span.of(text).to_owned())
        };
        let start: Vec<&str> = chunk.span.of(text).split_whitespace().take(2).collect();
        [head(chunk.prefix), head(chunk.row_head), start.join(" ")]
    });
    rest.collect()
}

#[test]
fn a_row_that_is_split_names_its_row() {
    let words = |name: char, count: usize| -> String {
        (0..count).map(|number| format!("{name}{number} ")).collect()
    };
    let check = |text: String, expected: &[[&str; 3]]| assert_eq!(heads(&text), expected, "{text}");
    let rows = format!("| one | {}|\n|  | {}|\n", words('a', 50), words('b', 40));
    let header = "| Name | Text |";
    check(
        format!("{header}\n|---|---|\n{rows}"),
        &[[header, "| one |", "a30 a31"], [header, "", "b9 b10"]],
    );
    // In a list, without bars at the sides, and with a header that is too long to be repeated.
    let wide = format!("{}|{}", words('w', 15), words('v', 15));
    check(
        format!("- x\n\n  {wide}\n  --|--\n  one | {}\n", words('a', 60)),
        &[["", "one |", "a5 a6"], ["", "one |", "a43 a44"]],
    );
    // In HTML, rows begin with their tags.
    let header = "<tr><th>Name</th><th>Text</th>";
    let row = |name: char, count: usize| {
        format!("<tr>\n<td><b>{name}</b></td>\n<td>{}</td>\n</tr>\n", words(name, count))
    };
    check(
        format!("<table><thead>{header}</tr></thead>\n{}{}</table>\n", row('c', 50), row('d', 8)),
        &[[header, "<td><b>c</b>", "c28 c29"], [header, "", "<tr> <td><b>d</b></td>"]],
    );
    // Without a header, nothing is repeated but the name of the row.
    check(format!("<table>\n{}</table>\n", row('c', 60)), &[["", "<td><b>c</b>", "c35 c36"]]);
}

#[test]
fn braces_are_text_of_a_heading_unless_they_are_attributes() {
    let text = "# Zoo\n\n## GET /pets/{id}\n\nOne.\n\n## Sets {a, b}\n\nTwo.\n\n## Next {#next .x}\n\nThree.\n\n\
                ## A<br>B\n\nFour.\n";
    let chunks = markdown(text, 10, 0);
    let paths: Vec<_> = chunks.iter().map(|chunk| chunk.heading_path.as_str()).collect();
    assert_eq!(paths, ["Zoo > GET /pets/{id}", "Zoo > Sets {a, b}", "Zoo > Next", "Zoo > A B"]);
}

#[test]
fn items_of_yaml_have_their_names() {
    let task = |name: &str, package: &str| {
        format!("    - name: {name}\n      apt:\n        name: {package}\n      when: linux\n")
    };
    let play = |name: &str, tasks: &str| format!("- name: {name}\n  hosts: all\n  tasks:\n{tasks}");
    let tasks = ["Install nginx", "Install curl", "Start nginx"].map(|name| task(name, "x"));
    let playbook =
        format!("---\n{}{}", play("Web", &tasks.concat()), play("Data", &task("Make users", "y")));
    assert_eq!(
        paths("site.yml", &playbook, 44),
        ["Web", "Web > tasks > Install nginx, Install curl, Start nginx", "Data > tasks",]
    );
    // Items may be indented like their key; lines of a text are no items.
    let steps = "jobs:\n  test:\n    steps:\n    - name: Check out\n      uses: a\n    - name: Build\n      \
                 run: |\n        - name: no\n    env: b\n";
    let chunks = source("ci.yml", steps, 12);
    let (path, text) = chunks.iter().find(|(_, text)| text.contains("name: no")).unwrap();
    assert!(path.ends_with("steps > Build") && text.contains("run: |"), "{path}: {text}");
    let list = "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  metadata:\n    name: a\n  spec: one two \
                three\n- kind: Pod\n  metadata: {name: b}\n  spec: four five six\n";
    let chunks = source("list.yaml", list, 18);
    let path_of = |words| chunks.iter().find(|(_, text)| text.contains(words)).unwrap().0.as_str();
    assert_eq!((path_of("three"), path_of("six")), ("items > Pod a", "items > Pod b"));
}

#[test]
fn routes_of_openapi_in_json_share_chunks() {
    let route = |name: &str| {
        format!(
            "## /{name}/{{id}}\n\n### get\n\n- summary: One {name}\n\n### put\n\n- summary: New {name}\n\n"
        )
    };
    let text = format!("# paths\n\n{}", ["cat", "dog", "emu", "fox"].map(route).concat());
    let config = ChunkConfig { max_tokens: 50, overlap_tokens: 0 };
    let chunks = chunks("api.json", &text, MediaType::Markdown, &config);
    let paths: Vec<_> = chunks.iter().map(|chunk| chunk.heading_path.as_str()).collect();
    assert_eq!(paths, ["paths > /cat/{id}, /dog/{id}", "paths > /emu/{id}, /fox/{id}",]);
}
