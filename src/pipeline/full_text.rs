//! Rows of the full-text index, made from the texts of revisions on the pool.

use super::Threads;
use crate::analysis::{self, Analyser, noise};
use crate::chunk;
use crate::kb::{IndexRows, LoadedRevision, QueuedChunk};

/// Bytes at the start of a text whose words show its language.
const LANGUAGE_BYTES: usize = 4 << 10;

/// Returns the full-text rows of whole revisions, ascending by chunk, in parts.
pub fn rows(
    revisions: &[&LoadedRevision],
    analyser: &Analyser,
    threads: &Threads,
) -> Vec<IndexRows> {
    let mut revisions = revisions.to_vec();
    revisions.sort_unstable_by_key(|revision| revision.chunks.first().map(|first| first.id));
    threads.map(shares(&revisions, threads.count()), |revisions: &[&LoadedRevision]| {
        let mut rows =
            IndexRows::for_text(revisions.iter().map(|revision| revision.text.len()).sum());
        revisions.iter().for_each(|revision| add_revision(revision, analyser, &mut rows));
        rows.finish();
        rows
    })
}

/// Splits `revisions` into at most `count` shares with about the same amount of text.
fn shares<'a, 'b>(
    mut revisions: &'a [&'b LoadedRevision],
    count: usize,
) -> Vec<&'a [&'b LoadedRevision]> {
    let bytes: usize = revisions.iter().map(|revision| revision.text.len()).sum();
    let mut shares = Vec::with_capacity(count);
    while !revisions.is_empty() {
        let mut share_bytes = 0;
        let is_within = |revision: &&&LoadedRevision| {
            let is_within = share_bytes < bytes.div_ceil(count);
            share_bytes += revision.text.len();
            is_within
        };
        let length = revisions.iter().take_while(is_within).count().max(1);
        let (share, rest) = revisions.split_at(length);
        shares.push(share);
        revisions = rest;
    }
    shares
}

/// Adds the full-text rows of a whole revision to `rows`.
fn add_revision(revision: &LoadedRevision, analyser: &Analyser, rows: &mut IndexRows) {
    let beginning = 0..revision.text.floor_char_boundary(LANGUAGE_BYTES);
    let noise = revision.noise();
    let here = noise::within(noise, beginning.clone());
    let language = analyser.language_of(&noise::words(&revision.text, beginning, here));
    let column = |rows: &mut IndexRows, text: &str| {
        rows.column(|column| analysis::for_each_token(text, language, |token| column.add(token)))
    };
    // Program text seldom says what language it is in, and questions do.
    let title = match (analysis::language_words(&revision.uri), revision.about.as_str()) {
        ("", "") => column(rows, &revision.title),
        (words, about) => column(rows, &[&revision.title, words, about].join("\n")),
    };
    let path = column(rows, &revision.uri.replace('/', " "));
    let code = rows.column(|column| column.add(language.code().as_bytes()));
    for QueuedChunk { id, chunk, .. } in &revision.chunks {
        let heading = column(rows, &chunk.heading_path);
        let body = column(rows, &chunk::body_text(&revision.text, noise, chunk));
        rows.push(*id, revision.id, [title, heading, body, path, code]);
    }
}
