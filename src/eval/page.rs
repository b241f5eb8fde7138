//! Renders an evaluation as one HTML page with plots: no script, nothing to load, no server needed.

use std::fmt::Write;

use super::report::EvalReport;
use super::summary::{ModeSummary, RANK_BINS};
use crate::support::numbers::counted;

const COLOURS: [&str; 3] = ["#2a6f97", "#e09f3e", "#7a9e7e"];
/// Height of the plots' area, in CSS pixels.
const HEIGHT: f64 = 180.0;
/// Measures of the first plot; those that were not measured are left out.
const PLOTTED: [&str; 9] = [
    "ndcg@10",
    "mrr@10",
    "recall@5",
    "recall@10",
    "recall@20",
    "success@1",
    "success@5",
    "span_recall@5",
    "precision_omega",
];

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;\
color:#222}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse}\
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child,\
.left td,.left th{text-align:left}svg{max-width:100%}svg text{font:11px system-ui,sans-serif;fill:#444}\
.bad{color:#b00020;font-weight:600}.note{color:#666}";

/// Returns the page of `report`.
pub fn page(report: &EvalReport) -> String {
    let name = report.knowledge_base.file_name().unwrap_or_default().to_string_lossy();
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Retrieval of {0}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>Retrieval of {0}</h1>\n\
         <p class=\"note\">{1} of {2}</p>\n",
        escape(&name),
        counted(report.queries as u64, "query"),
        escape(&report.queries_file.to_string_lossy()),
    );
    for warning in &report.warnings {
        let _ = writeln!(html, "<p class=\"bad\">{}</p>", escape(warning));
    }
    shortfalls(report, &mut html);
    metrics(&report.modes, &mut html);
    ranks(&report.modes, &mut html);
    latency(&report.modes, &mut html);
    differences(report, &mut html);
    worst(report, &mut html);
    html += "</body>\n</html>\n";
    html
}

fn shortfalls(report: &EvalReport, html: &mut String) {
    if report.shortfalls.is_empty() {
        return;
    }
    *html += "<h2 class=\"bad\">The gate failed</h2>\n<table>\n\
              <tr><th>measure</th><th>value</th><th>wanted</th><th>baseline</th></tr>\n";
    for short in &report.shortfalls {
        let baseline = short.baseline.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let _ = writeln!(
            html,
            "<tr><td>{}:{}</td><td>{:.4}</td><td>{:.4}</td><td>{baseline}</td></tr>",
            short.mode,
            escape(&short.metric),
            short.value,
            short.wanted
        );
    }
    *html += "</table>\n";
}

fn metrics(modes: &[ModeSummary], html: &mut String) {
    *html += "<h2>Measures</h2>\n";
    let shown: Vec<&str> = PLOTTED
        .into_iter()
        .filter(|name| modes.iter().any(|mode| mode.metrics.get(name).is_some()))
        .collect();
    let value = |mode: &ModeSummary, at: usize| mode.metrics.get(shown[at]).unwrap_or(0.0);
    bars(modes, &shown, 1.0, value, |value| format!("{value:.3}"), html);
    *html += "<table>\n<tr><th></th>";
    for mode in modes {
        let _ = write!(html, "<th>{}</th>", mode.mode);
    }
    *html += "</tr>\n";
    for (name, _) in modes.first().map_or(&[][..], |mode| &mode.metrics.0) {
        let _ = write!(html, "<tr><td>{name}</td>");
        for mode in modes {
            let _ = write!(html, "<td>{:.4}</td>", mode.metrics.get(name).unwrap_or(0.0));
        }
        *html += "</tr>\n";
    }
    *html += "</table>\n";
}

fn ranks(modes: &[ModeSummary], html: &mut String) {
    *html += "<h2>Rank of the first document that answers</h2>\n";
    let mut labels: Vec<String> = RANK_BINS
        .iter()
        .map(|&(first, last)| match last {
            _ if first == last => first.to_string(),
            usize::MAX => format!("{first}+"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    labels.push("none".to_owned());
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let value = |mode: &ModeSummary, at: usize| mode.first_relevant_ranks[at] as f64;
    let counts = modes.iter().flat_map(|mode| (0..labels.len()).map(move |at| value(mode, at)));
    let largest = counts.fold(1.0, f64::max);
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    bars(modes, &labels, largest, value, |value| format!("{value:.0}"), html);
}

fn latency(modes: &[ModeSummary], html: &mut String) {
    *html += "<h2>Milliseconds of a search</h2>\n";
    let value = |mode: &ModeSummary, at: usize| {
        [mode.latency_ms.p50, mode.latency_ms.p95, mode.latency_ms.max][at]
    };
    let largest = modes.iter().map(|mode| mode.latency_ms.max).fold(f64::MIN_POSITIVE, f64::max);
    bars(modes, &["p50", "p95", "max"], largest, value, |value| format!("{value:.2}"), html);
}

/// Draws a group of bars for each label, one bar per mode, with its value above.
fn bars(
    modes: &[ModeSummary],
    labels: &[&str],
    largest: f64,
    value: impl Fn(&ModeSummary, usize) -> f64,
    shown: impl Fn(f64) -> String,
    html: &mut String,
) {
    const BAR: usize = 34;
    const TOP: f64 = 18.0;
    let group = modes.len() * BAR + 24;
    let (width, bottom) = (labels.len() * group + 10, HEIGHT + TOP);
    let _ = writeln!(
        html,
        "<svg viewBox=\"0 0 {width} {:.0}\" width=\"{width}\" role=\"img\">",
        bottom + 40.0
    );
    for (at, label) in labels.iter().enumerate() {
        for (number, mode) in modes.iter().enumerate() {
            let (x, value) = (10 + at * group + number * BAR, value(mode, at));
            let height = (value / largest).clamp(0.0, 1.0) * HEIGHT;
            let (y, middle) = (bottom - height, x + BAR / 2 - 1);
            let _ = writeln!(
                html,
                "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{}\" height=\"{height:.1}\" fill=\"{}\"/>\
                 <text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                BAR - 2,
                COLOURS[number % COLOURS.len()],
                y - 4.0,
                shown(value),
            );
        }
        let middle = 10 + at * group + modes.len() * BAR / 2;
        let _ = writeln!(
            html,
            "<text x=\"{middle}\" y=\"{:.0}\" text-anchor=\"middle\">{label}</text>",
            bottom + 16.0
        );
    }
    for (number, mode) in modes.iter().enumerate() {
        let (x, y) = (10 + number * 90, bottom + 26.0);
        let _ = writeln!(
            html,
            "<rect x=\"{x}\" y=\"{y:.0}\" width=\"10\" height=\"10\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"{:.0}\">{}</text>",
            COLOURS[number % COLOURS.len()],
            x + 15,
            y + 9.0,
            mode.mode
        );
    }
    *html += "</svg>\n";
}

fn differences(report: &EvalReport, html: &mut String) {
    if report.differences.is_empty() {
        return;
    }
    *html += "<h2>Differences, with 95 % intervals (paired bootstrap over queries)</h2>\n<table>\n\
              <tr><th>measure</th><th>of</th><th>against</th><th>mean</th><th>from</th><th>to</th></tr>\n";
    for one in &report.differences {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:+.4}</td><td>{:+.4}</td><td>{:+.4}</td></tr>",
            one.metric, one.of, one.against, one.mean, one.low, one.high
        );
    }
    *html += "</table>\n";
}

fn worst(report: &EvalReport, html: &mut String) {
    if report.worst.is_empty() {
        return;
    }
    *html += "<h2>Worst queries</h2>\n<table class=\"left\">\n<tr><th>id</th><th>query</th><th>nDCG@10</th>\
              <th>rank</th><th>wanted</th><th>found first</th></tr>\n";
    for one in &report.worst {
        let rank = one.first_relevant_rank.map_or("-".to_owned(), |rank| rank.to_string());
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{:.4}</td><td>{rank}</td><td>{}</td><td>{}</td></tr>",
            escape(&one.id),
            escape(&one.query),
            one.ndcg,
            escape(&one.wanted.join(", ")),
            escape(one.found.as_deref().unwrap_or("-")),
        );
    }
    *html += "</table>\n";
}

/// Escapes `text` for HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            _ if character.is_control() => escaped.extend(character.escape_default()),
            _ => escaped.push(character),
        }
    }
    escaped
}
