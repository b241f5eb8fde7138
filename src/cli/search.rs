//! `kbingest search`.

use std::fmt::Write;

use super::args::SearchArgs;
use super::output::{escape, result};
use super::render::{BOLD, DIM, MATCH};
use super::target::target_and_last;
use super::{Ending, output, render};
use crate::analysis::noise;
use crate::error::Error;
use crate::kb::{Explanation, Filter, Hit, Likeness, LinesIn, Query, Show};
use crate::operations::{self, SearchReport, Target};

/// Runs `search`.
pub fn run(arguments: &SearchArgs) -> Result<Ending, Error> {
    let (target, text) = target_and_last(&arguments.target_and_query);
    let mut target = Target::open(target)?;
    if arguments.trust.trust {
        target.allow();
    }
    let report = operations::search(&target, &query(arguments, &text.to_string_lossy()))?;
    for warning in &report.warnings {
        render::warning(&warning.to_string());
    }
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&hits(&report))?;
    }
    Ok(Ending::Code(0))
}

fn query(arguments: &SearchArgs, text: &str) -> Query {
    Query {
        text: text.to_owned(),
        filter: Filter {
            source: arguments.source.clone(),
            uris: arguments.path.clone(),
            metadata: arguments.meta.clone(),
            after: arguments.after,
            before: arguments.before,
        },
        is_exact: arguments.exact,
        show: Show {
            limit: arguments.limit,
            mode: arguments.mode.search_mode(),
            context: arguments.context,
            folds: !arguments.no_fold,
            marks: true,
            explains: arguments.explain,
            locates: true,
            reranks: !arguments.no_rerank,
        },
    }
}

fn hits(report: &SearchReport) -> String {
    let mut text = interpretation(report);
    if report.hits.is_empty() {
        text.push_str("nothing found\n");
        return text;
    }
    for (rank, hit) in (1..).zip(&report.hits) {
        head(rank, hit, &mut text);
        let passage = marked(&hit.text, &hit.matches);
        for part in [marked(&hit.before, &[]), passage, marked(&hit.after, &[])] {
            for line in part.trim_matches('\n').lines() {
                let _ = writeln!(text, "   {line}");
            }
        }
        for place in &hit.duplicates {
            let uri = escape(&format!("{}:{}", place.source, place.uri), false);
            let lines = format!("{}-{}", place.start_line, place.end_line);
            let where_else = match place.likeness {
                Likeness::Same => "also in",
                Likeness::Similar => "similar in",
                Likeness::Translation => "translated in",
            };
            let _ = writeln!(text, "   {DIM}{where_else} {uri}:{lines}{DIM:#}");
        }
        text.push('\n');
    }
    text
}

/// Returns how the query was understood, unless it is only words.
fn interpretation(report: &SearchReport) -> String {
    let corrected: Vec<_> =
        report.corrected.iter().map(|one| format!("{} -> {}", one.from, one.to)).collect();
    let lines = [
        ("corrected", &corrected),
        ("with", &report.required),
        ("without", &report.excluded),
        ("nothing fits, searched for its words", &report.relaxed),
    ];
    let mut text = String::new();
    for (name, parts) in lines.into_iter().filter(|(_, parts)| !parts.is_empty()) {
        let parts: Vec<_> = parts.iter().map(|part| escape(part, false)).collect();
        let _ = writeln!(text, "{DIM}{name}: {}{DIM:#}", parts.join(", "));
    }
    text
}

fn head(rank: usize, hit: &Hit, text: &mut String) {
    let uri = escape(&format!("{}:{}", hit.source, hit.uri), false);
    let lines = match hit.lines_in {
        LinesIn::File => format!(":{}-{}", hit.start_line, hit.end_line),
        LinesIn::Text => String::new(),
    };
    let name = output::linked(&format!("{BOLD}{uri}{lines}{BOLD:#}"), hit.url.as_deref());
    let _ = write!(text, "{rank}. {name}  {DIM}");
    if let Some(page) = hit.page {
        let _ = write!(text, "page {page}, ");
    }
    // Markdown is read by lines.
    if let Some(anchor) = hit.anchor.as_ref().filter(|_| hit.markdown.is_none()) {
        let _ = write!(text, "#{}, ", escape(anchor, false));
    }
    if hit.lines_in == LinesIn::Text {
        let _ = write!(text, "lines {}-{} of its text, ", hit.start_line, hit.end_line);
    }
    if let Some(score) = hit.rerank_score {
        let _ = write!(text, "reranked {score:.3}, ");
    }
    let _ = write!(text, "score {:.3}", hit.score);
    if let Some(bm25) = hit.bm25 {
        let _ = write!(text, ", bm25 {bm25:.2}");
    }
    if let Some(cosine) = hit.cosine {
        let _ = write!(text, ", cosine {cosine:.3}");
    }
    let _ = writeln!(text, "{DIM:#}");
    let mut path = escape(&hit.title, false);
    if !hit.heading_path.is_empty() && hit.heading_path != hit.title {
        let headings = hit.heading_path.strip_prefix(&format!("{} > ", hit.title));
        path = format!("{path} > {}", escape(headings.unwrap_or(&hit.heading_path), false));
    }
    let _ = writeln!(text, "   {DIM}{path}{DIM:#}");
    if let Some(Explanation { text_part, vector_part, vector_weight, words }) = &hit.explanation {
        let words: Vec<_> = words.iter().map(|word| escape(word, false)).collect();
        let _ = writeln!(
            text,
            "   {DIM}{text_part:.3} from words ({}) + {vector_part:.3} from vectors ({vector_weight} x \
             cosine){DIM:#}",
            words.join(", "),
        );
    }
}

/// Returns the passage with the matched words highlighted, without colours of its own; printing
/// removes the highlights unless it goes to a terminal.
fn marked(passage: &str, marks: &[[usize; 2]]) -> String {
    let mut text = String::new();
    for (words, is_marked) in noise::pieces(passage, marks) {
        let words = escape(&words, true);
        let _ = match is_marked {
            true => write!(text, "{MATCH}{words}{MATCH:#}"),
            false => write!(text, "{words}"),
        };
    }
    text
}
