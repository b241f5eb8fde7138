//! The floors of an ingest: what each of its steps costs by itself, with the same libraries.
//!
//! CPU seconds of this process. Only the chunker and the tokenizer are shared with the program, so
//! that an overhead of the program cannot hide in its floor. Each floor is documented at its
//! function.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use kbingest::analysis::noise;
use kbingest::analysis::{self, Language};
use kbingest::chunk::{ChunkConfig, ChunkInput, body_text, chunker};
use kbingest::domain::MediaType;
use kbingest::embed::{Builtin, Embedder, VOCABULARY, WordCache, WordPiece};
use rusqlite::{Connection, params};
use snowball_stemmers_rs::{Algorithm, Stemmer};

use crate::clock::cpu_seconds;

const DIM: usize = 256;

/// A step with its CPU seconds.
pub type Floor = (&'static str, f64);

/// A chunk as the store receives it.
struct Cut {
    title: String,
    path: String,
    heading: String,
    body: String,
}

/// Walks `folder` with `ignore`'s own parallel walker and reads each file's metadata; returns the
/// files.
pub fn walk(folder: &Path) -> Vec<PathBuf> {
    let (sender, files) = std::sync::mpsc::channel();
    ignore::WalkBuilder::new(folder).threads(2).build_parallel().run(|| {
        let sender = sender.clone();
        Box::new(move |entry| {
            if let Ok(entry) = entry
                && entry.metadata().is_ok_and(|metadata| metadata.is_file())
            {
                let _ = sender.send(entry.into_path());
            }
            ignore::WalkState::Continue
        })
    });
    drop(sender);
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort();
    files
}

/// Returns the CPU seconds of [`walk`].
pub fn walk_cpu_seconds(folder: &Path) -> f64 {
    timed(|| std::hint::black_box(walk(folder))).1
}

/// Measures every floor on the documents below `folder`.
pub fn measure(folder: &Path, scratch: &Path) -> Result<Vec<Floor>, Box<dyn Error>> {
    let (files, walked) = timed(|| walk(folder));
    let (texts, read) =
        timed(|| files.iter().map(fs::read_to_string).collect::<Result<Vec<_>, _>>());
    let texts = texts?;
    let ((), hashed) = timed(|| {
        texts.iter().for_each(|text| {
            std::hint::black_box(blake3::hash(text.as_bytes()));
        });
    });
    let (_, parsed) = timed(|| {
        let options = pulldown_cmark::Options::all();
        texts
            .iter()
            .map(|text| pulldown_cmark::Parser::new_ext(text, options).into_offset_iter().count())
            .sum::<usize>()
    });
    let embedder = Builtin::new();
    let _ = embedder.count_tokens("the model is unpacked before the clock runs");
    let (_, tokenised) =
        timed(|| texts.iter().map(|text| embedder.count_tokens(text)).sum::<usize>());
    let gathered = gather(&texts);
    let cuts = cut(folder, &files, &texts);
    let analysed = analyse(&cuts);
    let rows = rows(&texts, &cuts, &scratch.join("rows.db"))?;
    let index = index(&cuts, &scratch.join("index.db"))?;
    Ok(vec![
        ("walk and stat", walked),
        ("read", read),
        ("hash", hashed),
        ("parse", parsed),
        ("tokenise", tokenised),
        ("gather", gathered),
        ("analyse", analysed),
        ("rows", rows),
        ("full text", index),
    ])
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = cpu_seconds();
    let value = work();
    (value, cpu_seconds() - before)
}

/// Adds up a row of signed bytes for each token.
fn gather(texts: &[String]) -> f64 {
    let words = WordPiece::new(VOCABULARY);
    let table: Vec<[u8; DIM]> =
        (0..words.len()).map(|row| std::array::from_fn(|at| (row * 31 + at) as u8)).collect();
    let mut cache = WordCache::new();
    let ids: Vec<Vec<u32>> = texts.iter().map(|text| words.ids(&mut cache, text)).collect();
    let ((), seconds) = timed(|| {
        for ids in &ids {
            let mut sum = [0_u16; DIM];
            for &id in ids {
                for (sum, &value) in sum.iter_mut().zip(&table[id as usize]) {
                    *sum = sum.wrapping_add(u16::from(value));
                }
            }
            std::hint::black_box(sum);
        }
    });
    seconds
}

fn cut(folder: &Path, files: &[PathBuf], texts: &[String]) -> Vec<Cut> {
    let embedder = Builtin::new();
    let count = |text: &str| embedder.count_tokens(text);
    let mut cuts = Vec::new();
    for (file, text) in files.iter().zip(texts) {
        let path = file.strip_prefix(folder).unwrap_or(file).to_string_lossy();
        let title = text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        let noise = &noise::of(text);
        let input = ChunkInput { title, text, noise, media_type: MediaType::Markdown };
        for chunk in chunker(input.media_type).chunk(&input, &ChunkConfig::default(), &count) {
            let body = body_text(text, noise, &chunk).into_owned();
            let heading = chunk.heading_path;
            cuts.push(Cut { title: title.to_owned(), path: path.replace('/', " "), heading, body });
        }
    }
    cuts
}

/// Writes the stem of every word: stemmed the first time, then looked up.
fn analyse(cuts: &[Cut]) -> f64 {
    let stemmer = Stemmer::create(Algorithm::English);
    let ((), seconds) = timed(|| {
        let mut stems: HashMap<&str, String> = HashMap::new();
        for cut in cuts {
            let mut tokens = String::with_capacity(cut.body.len());
            let words = cut.body.split(|character: char| !character.is_alphanumeric());
            for word in words.filter(|word| !word.is_empty()) {
                let stem = || stemmer.stem(&word.to_lowercase()).into_owned();
                tokens.push_str(stems.entry(word).or_insert_with(stem));
                tokens.push(' ');
            }
            std::hint::black_box(tokens);
        }
    });
    seconds
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
    )?;
    Ok(connection)
}

/// Stores texts, chunks and vectors in one transaction.
fn rows(texts: &[String], cuts: &[Cut], path: &Path) -> Result<f64, Box<dyn Error>> {
    let mut connection = open(path)?;
    connection.execute_batch(
        "CREATE TABLE content (id INTEGER PRIMARY KEY, text BLOB) STRICT;
         CREATE TABLE chunk (id INTEGER PRIMARY KEY, start INTEGER, end INTEGER, heading TEXT, key BLOB) STRICT;
         CREATE TABLE vector (id INTEGER PRIMARY KEY, scale REAL, embedding BLOB) STRICT;",
    )?;
    let (result, seconds) = timed(|| -> rusqlite::Result<()> {
        let tx = connection.transaction()?;
        for text in texts {
            tx.prepare_cached("INSERT INTO content (text) VALUES (?1)")?
                .execute([text.as_bytes()])?;
        }
        for (at, cut) in cuts.iter().enumerate() {
            tx.prepare_cached(
                "INSERT INTO chunk (start, end, heading, key) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                at as i64,
                (at + cut.body.len()) as i64,
                cut.heading,
                [7_u8; 16]
            ])?;
            tx.prepare_cached("INSERT INTO vector (scale, embedding) VALUES (?1, ?2)")?
                .execute(params![0.5, [1_u8; DIM]])?;
        }
        tx.commit()
    });
    result?;
    Ok(seconds)
}

/// Fills the full-text index of the file format with existing tokens, in one transaction. Its hash
/// fits the caches of a processor, as in the program, whose commits are small: 32 MiB take longer.
fn index(cuts: &[Cut], path: &Path) -> Result<f64, Box<dyn Error>> {
    let mut connection = open(path)?;
    connection.execute_batch(
        "CREATE VIRTUAL TABLE chunk_fts USING fts5
           (title, heading, text, path, language, content = '', contentless_delete = 1,
            tokenize = \"ascii tokenchars '_.-/:@+#'\");
         INSERT INTO chunk_fts (chunk_fts, rank)
         VALUES ('automerge', 0), ('crisismerge', 64), ('hashsize', 4194304);",
    )?;
    let language = Language::English;
    let tokens = |text: &str| analysis::tokens(text, language);
    let rows: Vec<_> = cuts
        .iter()
        .map(|cut| [&cut.title, &cut.heading, &cut.body, &cut.path].map(|text| tokens(text)))
        .collect();
    let (result, seconds) = timed(|| -> rusqlite::Result<()> {
        let tx = connection.transaction()?;
        for (at, [title, heading, body, path]) in (1_i64..).zip(&rows) {
            tx.prepare_cached(
                "INSERT INTO chunk_fts (rowid, title, heading, text, path, language)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![at, title, heading, body, path, language.code()])?;
        }
        tx.commit()
    });
    result?;
    Ok(seconds)
}
