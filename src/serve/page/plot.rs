//! The number of documents after each run, as a drawing (SVG) with its sentence for those who do
//! not see it.

use std::fmt::Write;

use maud::{Markup, html};

use super::dates::minute;
use super::runs::Ran;
use crate::support::numbers::{counted, number};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 160.0;
/// Room for the numbers on the left, and for what is above and below the curve.
const LEFT: f64 = 56.0;
const EDGE: f64 = 24.0;

/// Returns the drawing of at least two `runs`; nothing of fewer.
pub fn plot(runs: &[Ran]) -> Markup {
    let [first, .., last] = runs else { return html! {} };
    let most = runs.iter().map(|run| run.documents).max().unwrap_or_default().max(1);
    let (right, bottom) = (WIDTH - EDGE, HEIGHT - EDGE);
    let steps = (runs.len() - 1) as f64;
    let points: Vec<(f64, f64)> = (0_u32..)
        .zip(runs)
        .map(|(index, run)| {
            let x = LEFT + f64::from(index) / steps * (right - LEFT);
            (x, bottom - run.documents as f64 / most as f64 * (bottom - EDGE))
        })
        .collect();
    let curve = curve(&points);
    let sentence = format!(
        "Documents after each of the last {}: {} at {}, {} at {} (UTC)",
        counted(runs.len() as u64, "run"),
        number(first.documents),
        minute(first.started_ms),
        number(last.documents),
        minute(last.started_ms),
    );
    html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(sentence) {
                @for (y, count) in [(EDGE, most), (bottom, 0)] {
                    line .grid x1=(LEFT) x2=(right) y1=(y) y2=(y) {}
                    text x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" { (number(count)) }
                }
                path .area d={ (curve) " L" (right) " " (bottom) " L" (LEFT) " " (bottom) " Z" } {}
                path .curve d=(curve) {}
                @for ((x, y), run) in points.iter().zip(runs) {
                    circle cx={ (format!("{x:.1}")) } cy={ (format!("{y:.1}")) } r="3" {
                        title {
                            "Run " (run.id) ", " (minute(run.started_ms)) ": "
                            (counted(run.documents, "document"))
                        }
                    }
                }
                text x=(LEFT) y=(HEIGHT - 6.0) { (minute(first.started_ms)) }
                text x=(right) y=(HEIGHT - 6.0) text-anchor="end" { (minute(last.started_ms)) }
            }
            figcaption { "Documents after each of the last " (counted(runs.len() as u64, "run")) }
        }
    }
}

fn curve(points: &[(f64, f64)]) -> String {
    let mut curve = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let letter = if index == 0 { "M" } else { " L" };
        let _ = write!(curve, "{letter}{x:.1} {y:.1}");
    }
    curve
}
