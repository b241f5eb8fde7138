//! A corpus of Markdown with the shape of real documentation, the same for one seed and size.
//!
//! Words come from the model's vocabulary, with frequencies by their rank in it (Zipf); sizes,
//! headings, lists, tables, code and identifiers are as frequent as in documentation of programs.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use kbingest::embed::VOCABULARY;

/// Number of documents in one folder.
const FOLDER_DOCUMENTS: usize = 100;

/// Makes documents below `folder` with `size_bytes` in total; returns the paths.
pub fn make(folder: &Path, size_bytes: u64) -> io::Result<()> {
    let mut writer = Writer::new(1);
    let (mut written, mut number) = (0, 0);
    while written < size_bytes {
        let below = folder.join(format!("part-{}", number / FOLDER_DOCUMENTS));
        fs::create_dir_all(&below)?;
        let text = writer.document(number);
        fs::write(below.join(format!("page-{number}.md")), &text)?;
        written += text.len() as u64;
        number += 1;
    }
    Ok(())
}

/// Adds a sentence to every `nth` document below `folder`; returns the bytes of these documents.
pub fn edit(paths: &[std::path::PathBuf], nth: usize) -> io::Result<u64> {
    let mut changed = 0;
    for (number, path) in paths.iter().enumerate().step_by(nth) {
        let text = fs::read_to_string(path)?;
        let middle =
            text[text.len() / 2..].find("\n\n").map_or(text.len(), |at| text.len() / 2 + at);
        let edited =
            format!("{}\n\nEdited once, number {number}.{}", &text[..middle], &text[middle..]);
        changed += edited.len() as u64;
        fs::write(path, edited)?;
    }
    Ok(changed)
}

struct Writer {
    state: u64,
    words: Vec<&'static str>,
    /// Cumulative weights of the words.
    sums: Vec<f64>,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let is_word = |word: &&str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
        let words: Vec<_> = VOCABULARY.lines().filter(is_word).collect();
        let mut sum = 0.0;
        let sums = (0..words.len())
            .map(|rank| {
                sum += 1.0 / (rank as f64 + 2.7);
                sum
            })
            .collect();
        Self { state: seed, words, sums }
    }

    /// Returns a number from 0 to below 1.
    fn draw(&mut self) -> f64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.draw() * (high - low + 1) as f64) as usize
    }

    fn word(&mut self) -> &'static str {
        let at = self.draw() * self.sums.last().copied().unwrap_or_default();
        let rank = self.sums.partition_point(|sum| *sum < at);
        self.words[rank.min(self.words.len() - 1)]
    }

    fn identifier(&mut self) -> String {
        format!("{}_{}", self.word(), self.word())
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<_> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn sentence(&mut self) -> String {
        let count = self.between(6, 24);
        let mut sentence = self.words(count);
        if self.draw() < 0.15 {
            let identifier = self.identifier();
            let _ = write!(sentence, ", see `{identifier}`");
        }
        if self.draw() < 0.08 {
            let (text, page) = (self.words(2), self.between(0, 5000));
            let _ = write!(sentence, ", in [{text}](page-{page}.md)");
        }
        sentence[..1].make_ascii_uppercase();
        sentence + "."
    }

    fn paragraph(&mut self) -> String {
        let sentences: Vec<_> = (0..self.between(2, 6)).map(|_| self.sentence()).collect();
        sentences.join(" ")
    }

    fn block(&mut self) -> String {
        let kind = self.draw();
        let mut block = String::new();
        if kind < 0.12 {
            for _ in 0..self.between(3, 8) {
                let count = self.between(4, 14);
                let words = self.words(count);
                let _ = writeln!(block, "- {words}");
            }
        } else if kind < 0.26 {
            block += "```sh\n";
            for _ in 0..self.between(2, 14) {
                let (name, words, value) =
                    (self.identifier(), self.words(2), self.between(0, 9999));
                let _ = writeln!(block, "{name} --{words} {value}");
            }
            block += "```\n";
        } else if kind < 0.31 {
            block += "| name | meaning |\n| --- | --- |\n";
            for _ in 0..self.between(3, 12) {
                let (name, words) = (self.identifier(), self.words(6));
                let _ = writeln!(block, "| `{name}` | {words} |");
            }
        } else {
            block = self.paragraph() + "\n";
        }
        block
    }

    fn document(&mut self, number: usize) -> String {
        let title = self.words(3);
        let mut text = format!("# {title} {number}\n");
        // Most pages are short, a few are very long.
        let sections = 1 + (self.draw().powi(4) * 60.0) as usize;
        for _ in 0..sections {
            let (marks, heading) = (if self.draw() < 0.6 { "##" } else { "###" }, self.words(3));
            let _ = write!(text, "\n{marks} {heading}\n");
            for _ in 0..self.between(1, 6) {
                text.push('\n');
                text += &self.block();
            }
        }
        text
    }
}
