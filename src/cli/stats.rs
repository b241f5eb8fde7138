//! `kbingest stats`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;

use super::output::{bytes, escape, result};
use super::render::{BOLD, DIM};
use super::{Ending, output};
use crate::error::Error;
use crate::kb::Part;
use crate::operations::{self, ChunkTokens, StatsReport, Target};
use crate::support::numbers::{counted, number};

/// Columns if stdout is no terminal.
const COLUMNS: usize = 80;
/// Columns of a bar's label and number.
const LABEL_COLUMNS: usize = 28;

/// Arguments of `stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Runs `stats`.
pub fn run(arguments: &StatsArgs) -> Result<Ending, Error> {
    let report = operations::stats(&Target::open(&arguments.target)?)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        let terminal = console::Term::stdout();
        let style = match terminal.is_term() {
            true => {
                BarStyle { columns: terminal.size().1.into(), parts: "▏▎▍▌▋▊▉█" }
            }
            false => BarStyle { columns: COLUMNS, parts: "#" },
        };
        result(&text(&report, style))?;
    }
    Ok(Ending::Code(0))
}

/// How bars are drawn.
#[derive(Clone, Copy)]
struct BarStyle {
    /// Columns of a line.
    columns: usize,
    /// A column by its parts, the whole one last.
    parts: &'static str,
}

impl BarStyle {
    /// Returns a bar for `value`, whose length is that of the whole line for `most`.
    fn bar(self, value: u64, most: u64) -> String {
        let parts: Vec<char> = self.parts.chars().collect();
        let columns = self.columns.saturating_sub(LABEL_COLUMNS).max(10);
        let whole = (columns * parts.len()) as u128;
        let length = u128::from(value) * whole / u128::from(most.max(1));
        // What there is can be seen.
        let length = usize::try_from(length).unwrap_or(columns).max(usize::from(value > 0));
        let (full, rest) = (length / parts.len(), length % parts.len());
        let mut bar: String = std::iter::repeat_n(parts[parts.len() - 1], full).collect();
        bar.extend(rest.checked_sub(1).map(|at| parts[at]));
        bar
    }
}

fn text(report: &StatsReport, style: BarStyle) -> String {
    let composition = &report.composition;
    let mut text = String::new();
    for (name, parts) in [("source", &composition.sources), ("format", &composition.formats)] {
        table(name, parts, &mut text);
    }
    if !composition.languages.is_empty() {
        let languages = composition.languages.iter();
        let languages = languages.map(|one| format!("{} {}", number(one.chunks), one.language));
        let languages = languages.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "{BOLD}chunks by language{BOLD:#}\n  {languages}\n");
    }
    lengths(&report.chunk_tokens, style, &mut text);
    let _ = writeln!(text, "{BOLD}largest documents{BOLD:#}");
    for document in &composition.largest {
        let name = escape(&format!("{}:{}", document.source, document.uri), false);
        let chunks = counted(document.chunks, "chunk");
        let _ =
            writeln!(text, "  {:>10}  {name}  {DIM}{chunks}{DIM:#}", bytes(document.text_bytes));
    }
    if composition.duplicate_documents > 0 {
        let copies = counted(composition.duplicate_documents, "document");
        let verb = if composition.duplicate_documents == 1 { "repeats" } else { "repeat" };
        let _ =
            writeln!(text, "\n{BOLD}duplicates{BOLD:#}\n  {copies} {verb} the content of another");
        for same in &composition.duplicates {
            let names: Vec<_> = same.examples.iter().map(|name| escape(name, false)).collect();
            let hidden = same.documents.saturating_sub(names.len() as u64);
            let more =
                if hidden > 0 { format!(", … {} more", number(hidden)) } else { String::new() };
            let _ = writeln!(text, "  {} x {}{more}", number(same.documents), names.join(", "));
        }
    }
    text
}

fn table(name: &str, parts: &[Part], text: &mut String) {
    let names: Vec<_> = parts.iter().map(|part| escape(&part.name, false)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default().max(8);
    let _ = writeln!(
        text,
        "{BOLD}{name:width$}  {:>10}  {:>10}  {:>10}{BOLD:#}",
        "documents", "chunks", "text"
    );
    for (name, part) in names.iter().zip(parts) {
        let (documents, chunks) = (number(part.documents), number(part.chunks));
        let _ = writeln!(
            text,
            "{name:width$}  {documents:>10}  {chunks:>10}  {:>10}",
            bytes(part.text_bytes)
        );
    }
    text.push('\n');
}

fn lengths(tokens: &ChunkTokens, style: BarStyle, text: &mut String) {
    let _ = writeln!(
        text,
        "{BOLD}chunks by tokens{BOLD:#}  {DIM}median {}, 95 % up to {}, longest {}, {} in all{DIM:#}",
        tokens.median,
        tokens.p95,
        tokens.max,
        number(tokens.total),
    );
    let most = tokens.histogram.iter().map(|range| range.chunks).max().unwrap_or_default();
    for range in &tokens.histogram {
        let label = format!("{}-{}", range.from, range.to);
        let (count, bar) = (number(range.chunks), style.bar(range.chunks, most));
        let _ = writeln!(text, "{}", format!("  {label:>11}  {count:>10}  {bar}").trim_end());
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill_the_line() {
        let plain = BarStyle { columns: 48, parts: "#" };
        assert_eq!(plain.bar(10, 10), "#".repeat(20));
        assert_eq!(plain.bar(5, 10), "#".repeat(10));
        assert_eq!(plain.bar(1, 1_000_000), "#");
        assert_eq!(plain.bar(0, 10), "");
        assert_eq!(plain.bar(0, 0), "");
        let fine = BarStyle { columns: 38, parts: "▏▎▍▌▋▊▉█" };
        assert_eq!(fine.bar(1, 4), "██▌");
        assert_eq!(fine.bar(u64::MAX, u64::MAX), "█".repeat(10));
    }
}
