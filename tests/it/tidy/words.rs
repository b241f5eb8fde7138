//! Words that the project does not use, each with a better one.

/// Where the rule does not hold: documents and data of other origin, texts that tests read, steps
/// of the file format, which are never edited, and the rule itself.
const EXCEPTIONS: &[&str] = &[
    "LICENSE-",
    "assets/",
    "examples/handbook/docs/",
    "src/kb/sqlite/migrations/",
    "tests/data/",
    "tests/fuzz/seeds/",
    "tests/it/snapshots/",
    "tests/it/tidy.rs",
    "tests/it/tidy/words.rs",
];

/// Words and phrases in lower case, with what to write instead. A hit is nearly always wrong; if
/// not, another wording is easy to find.
const WORDS: &[(&str, &str)] = &[
    ("all the same", "nevertheless"),
    ("an uri", "a URI"),
    ("an url", "a URL"),
    ("anew", "again, from scratch"),
    ("apart by", "separated by"),
    ("apart from each other", "separately"),
    ("as it now is", "in its current version"),
    ("as it stands", "unchanged"),
    ("as it was", "unchanged"),
    ("as they now are", "in their current version"),
    ("as they were", "unchanged"),
    ("belong into", "belong in"),
    ("belongs into", "belongs in"),
    ("by the letter", "exactly"),
    ("came of", "resulted from"),
    ("can be had", "is available"),
    ("cannot be had", "is unavailable"),
    ("come of", "result from"),
    ("comes of", "results from"),
    ("cut again", "re-chunked"),
    ("for ever", "forever"),
    ("for want of", "for lack of"),
    ("gave back", "returned"),
    ("give back", "return"),
    ("give out", "assign, reserve"),
    ("given back", "returned"),
    ("given out", "assigned, reserved"),
    ("gives back", "returns"),
    ("gives out", "assigns, reserves"),
    ("go on with", "continue, resume"),
    ("goes by", "is called, is identified by"),
    ("goes on with", "continues, resumes"),
    ("going on with", "continuing, resuming"),
    ("gone on with", "continued, resumed"),
    ("how-manieth", "index"),
    ("in line with", "up to date with"),
    ("insist on", "require"),
    ("insisted on", "required"),
    ("insists on", "requires"),
    ("is taken for", "counts as"),
    ("is there already", "exists already"),
    ("looked at", "examined, compared, checked"),
    ("looks at", "examines, compares, checks"),
    ("mend", "repair"),
    ("mended", "repaired"),
    ("mends", "repairs"),
    ("passed over", "skipped, ignored"),
    ("passes over", "skips, ignores"),
    ("sees to", "ensures"),
    ("set aside", "quarantined"),
    ("sets aside", "quarantines"),
    ("sign of life", "heartbeat"),
    ("sites without end", "crawler traps"),
    ("take in", "ingest, include"),
    ("take over", "reuse"),
    ("taken in", "ingested, included"),
    ("taken over", "reused"),
    ("takes in", "ingests, includes"),
    ("takes over", "reuses"),
    ("tell apart", "distinguish"),
    ("tells apart", "distinguishes"),
    ("tells whether", "reports whether"),
    ("thereof", "of it"),
    ("thrice", "three times"),
    ("to be had", "available"),
    ("told", "detected, reported, rendered"),
    ("what becomes of", "what happens to"),
    ("where it differs", "if it differs"),
    ("where none", "if none"),
    ("where nothing", "if nothing"),
    ("where several", "if several"),
    ("where there are", "if there are"),
    ("where there is", "if there is"),
    ("where they differ", "if they differ"),
    ("wholly", "entirely"),
    ("wished for", "optional"),
];

/// Reports whether the rule holds for the file at `path`.
pub fn applies_to(path: &str) -> bool {
    !EXCEPTIONS.iter().any(|exception| path.starts_with(exception))
}

/// Finds words of [`WORDS`], and counts with a noun that ends in "(s)".
pub fn findings(_: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let words = words(text);
    for at in 0..words.len() {
        for (unwanted, better) in WORDS {
            let phrase = unwanted.split(' ');
            if phrase.clone().eq(words[at..].iter().take(phrase.count()).map(|(_, word)| &**word)) {
                findings.push(format!("{}: \"{unwanted}\": write \"{better}\"", words[at].0));
            }
        }
    }
    for (line, text) in (1..).zip(text.lines()) {
        // A noun after a number or a placeholder, as in `{count} page(s)`.
        let is_plural = |before: &str| {
            let number = before.trim_end_matches(|c: char| c.is_ascii_lowercase());
            let number = number.strip_suffix(' ').filter(|_| number.len() < before.len());
            number.is_some_and(|number| number.ends_with(|c: char| c == '}' || c.is_ascii_digit()))
        };
        if text.match_indices("(s)").any(|(at, _)| is_plural(&text[..at])) {
            findings
                .push(format!("{line}: \"(s)\": write a plural, with `support::numbers::counted`"));
        }
    }
    findings
}

/// Returns the words of a text with their lines, in lower case; comment markers count as blanks.
fn words(text: &str) -> Vec<(usize, String)> {
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '\'');
    let mut words = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let found =
            text.split(|c| !is_inside(c)).filter(|word| word.contains(char::is_alphanumeric));
        words.extend(found.map(|word| (line, word.to_lowercase())));
    }
    words
}
