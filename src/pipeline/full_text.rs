//! Rows of the full-text index, made from the texts of revisions on the pool.

use super::Threads;
use crate::analysis::{self, Analyser};
use crate::chunk;
use crate::kb::{IndexRows, QueuedChunk, Unit};

/// Returns the full-text rows of whole revisions, ascending by chunk, in parts.
pub fn rows(units: &[&Unit], analyser: &Analyser, threads: &Threads) -> Vec<IndexRows> {
    let mut units = units.to_vec();
    units.sort_unstable_by_key(|unit| unit.chunks.first().map(|first| first.id));
    threads.map(shares(&units, threads.count()), |units: &[&Unit]| {
        let mut rows = IndexRows::for_text(units.iter().map(|unit| unit.text.len()).sum());
        units.iter().for_each(|unit| add_unit(unit, analyser, &mut rows));
        rows.finish();
        rows
    })
}

/// Splits `units` into at most `count` shares with about the same amount of text.
fn shares<'a, 'b>(mut units: &'a [&'b Unit], count: usize) -> Vec<&'a [&'b Unit]> {
    let bytes: usize = units.iter().map(|unit| unit.text.len()).sum();
    let mut shares = Vec::with_capacity(count);
    while !units.is_empty() {
        let mut share_bytes = 0;
        let is_within = |unit: &&&Unit| {
            let is_within = share_bytes < bytes.div_ceil(count);
            share_bytes += unit.text.len();
            is_within
        };
        let length = units.iter().take_while(is_within).count().max(1);
        let (share, rest) = units.split_at(length);
        shares.push(share);
        units = rest;
    }
    shares
}

/// Adds the full-text rows of a whole revision to `rows`.
fn add_unit(unit: &Unit, analyser: &Analyser, rows: &mut IndexRows) {
    let language = analyser.language_of(&unit.text);
    let column = |rows: &mut IndexRows, text: &str| {
        rows.column(|column| analysis::for_each_token(text, language, |token| column.add(token)))
    };
    let (title, path) = (column(rows, &unit.title), column(rows, &unit.uri.replace('/', " ")));
    let code = rows.column(|column| column.add(language.code().as_bytes()));
    for QueuedChunk { id, chunk, .. } in &unit.chunks {
        let heading = column(rows, &chunk.heading_path);
        let body = column(rows, &chunk::body_text(&unit.text, chunk));
        rows.push(*id, unit.revision, [title, heading, body, path, code]);
    }
}
