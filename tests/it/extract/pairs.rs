//! Extraction compared with known texts: the pairs of `formats/pairs.jsonl` in the corpora.
//!
//! Word F1 is that of the multisets of words, order the share of expected runs of four words that
//! are there, must the share of expected strings. Prints the table that docs/formats.md shows:
//! `KBINGEST_CORPORA=… cargo test --test it pairs -- --ignored --nocapture`

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use kbingest::extract::{ExtractConfig, Extraction};
use serde_json::Value;

use crate::support::corpora;

/// What must not get worse: suite, format, word F1 and order in percent.
const BARS: [(&str, &str, f64, f64); 7] = [
    ("docling", "docx", 97.0, 90.0),
    ("docling", "html", 98.0, 96.0),
    ("docling", "pptx", 93.0, 86.0),
    ("docling", "xlsx", 96.0, 77.0),
    ("docling", "pdf", 96.0, 77.0),
    ("docling", "csv", 99.0, 99.0),
    ("markitdown", "pdf", 95.0, 90.0),
];

#[derive(Default)]
struct Score {
    pairs: usize,
    extracted: usize,
    f1: Vec<f64>,
    order: Vec<f64>,
    must: Vec<f64>,
}

/// Leaves out the targets of links, comments and marks. Comments of Word documents go too, as none
/// of the expected texts has them.
fn plain(text: &str, kind: &str) -> String {
    let mut text = text.to_owned();
    if kind != "text" {
        let is_text = |line: &&str| !line.starts_with("[Comment by ");
        text = text.lines().filter(is_text).collect::<Vec<_>>().join("\n");
        while let Some((before, after)) = text.split_once("<!--") {
            let after = after.split_once("-->").map_or("", |(_, after)| after);
            text = format!("{before} {after}");
        }
        let mut parts = text.split("](");
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            kept.push(' ');
            kept.push_str(part.split_once(')').map_or(part, |(_, after)| after));
        }
        text = kept.replace(['*', '_', '`', '#', '|', '\\'], " ");
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text, |text, (entity, character)| text.replace(entity, character))
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Score {
    fn add(&mut self, root: &Path, pair: &Value, text: Option<&str>) {
        self.pairs += 1;
        self.extracted += usize::from(text.is_some());
        let text = text.unwrap_or_default();
        let kind = pair["kind"].as_str().unwrap();
        if let Some(must) = pair["must"].as_array() {
            let text = squeezed(text);
            let found = |wanted: &Value| text.contains(&squeezed(wanted.as_str().unwrap()));
            self.must.extend(must.iter().map(|wanted| f64::from(u8::from(found(wanted)))));
        }
        let Some(expected) = pair["expected_file"].as_str().filter(|_| kind != "json") else {
            return;
        };
        let expected = std::fs::read(root.join(expected)).unwrap();
        let expected = words(&plain(&String::from_utf8_lossy(&expected), kind));
        let actual = words(&plain(text, "markdown"));
        if expected.is_empty() {
            return;
        }
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        expected.iter().for_each(|word| counts.entry(word).or_default().0 += 1);
        actual.iter().for_each(|word| counts.entry(word).or_default().1 += 1);
        let common: usize = counts.values().map(|(left, right)| left.min(right)).sum();
        self.f1.push(2.0 * common as f64 / (expected.len() + actual.len()) as f64);
        if expected.len() >= 4 {
            let there: HashSet<&[String]> = actual.windows(4).collect();
            let found = expected.windows(4).filter(|run| there.contains(run)).count();
            self.order.push(found as f64 / (expected.len() - 3) as f64);
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[test]
#[ignore = "needs KBINGEST_CORPORA"]
fn known_texts_come_out() {
    let root = corpora("formats");
    let extraction = Extraction::open(&ExtractConfig::default(), None);
    let pairs = std::fs::read_to_string(root.join("pairs.jsonl")).unwrap();
    let mut scores: BTreeMap<(String, String), Score> = BTreeMap::new();
    for line in pairs.lines() {
        let pair: Value = serde_json::from_str(line).unwrap();
        let suite = pair["suite"].as_str().unwrap();
        let input = pair["input"].as_str().unwrap();
        let bytes = std::fs::read(root.join(input)).unwrap();
        let result = extraction.extract(input, bytes.clone()).result;
        let text = result.as_ref().ok().map(|extracted| extracted.text.as_str());
        // Markdown is kept to the byte.
        if matches!(suite, "commonmark" | "gfm") {
            assert_eq!(text.map(str::as_bytes), Some(&bytes[..]), "{input}");
            continue;
        }
        let key = (suite.to_owned(), pair["format"].as_str().unwrap().to_owned());
        scores.entry(key).or_default().add(&root, &pair, text);
    }
    println!(
        "| suite | format | files | extracted | word F1 | order | must |\n|---|---|---|---|---|---|---|"
    );
    let shown = |values: &[f64]| mean(values).map_or("-".to_owned(), |mean| format!("{mean:.3}"));
    for ((suite, format), score) in &scores {
        let Score { pairs, extracted, f1, order, must } = score;
        let (f1, order, must) = (shown(f1), shown(order), shown(must));
        println!("| {suite} | {format} | {pairs} | {extracted} | {f1} | {order} | {must} |");
    }
    for (suite, format, f1, order) in BARS {
        let score = &scores[&(suite.to_owned(), format.to_owned())];
        let actual = (mean(&score.f1).unwrap() * 100.0, mean(&score.order).unwrap() * 100.0);
        assert!(actual.0 >= f1 && actual.1 >= order, "{suite} {format}: {actual:?}");
    }
}
