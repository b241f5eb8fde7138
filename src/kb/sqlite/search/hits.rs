//! Turns ranked chunks into passages for people: reads them, folds repeated and neighbouring ones,
//! adds their context.

use std::borrow::Cow;
use std::ops::Range;

use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;
use serde_json::Value;

use super::filter::{Day, DocumentView, day_of};
use super::locations;
use super::query::Show;
use super::similar::{Likeness, Sketch};
use crate::analysis::{Language, noise};
use crate::domain::ChunkId;
use crate::kb::KbError;
use crate::kb::fusion::{FoundChunk, Fusion};
use crate::kb::sqlite::convert::{format_of, from_sql, size_to_sql, small, to_sql};
use crate::kb::sqlite::index;

/// Limit on the chunks of one passage.
const CHUNKS_PER_PASSAGE: i64 = 4;

/// Name of what extracts Markdown, which leaves it unchanged.
const MARKDOWN: &str = "markdown";

/// A passage that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// Name of the source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Where readers find the passage; `None` if its source names no place.
    pub url: Option<String>,
    /// Title of the document.
    pub title: String,
    /// The day that its metadata or its name state.
    pub date: Option<Day>,
    /// Its metadata, a JSON object, without the places of pages and headings.
    pub metadata: Value,
    /// Language that the text is indexed in, as in `en`; `None` if it is in none.
    pub language: Option<String>,
    /// Headings above the passage, joined by ` > `.
    pub heading_path: String,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line, included.
    pub end_line: u64,
    /// Whether these are lines of the file, or of the text that was made from it, because its
    /// format has no lines or they are unknown.
    pub lines_in: LinesIn,
    /// First byte of the passage in the document's text.
    pub start_byte: u64,
    /// One past its last byte.
    pub end_byte: u64,
    /// Page, slide or sheet that the passage begins on, from 1; `None` if its format has none.
    pub page: Option<u64>,
    /// Fragment of the heading above the passage, as in `guide.html#install`; `None` if there is
    /// none.
    pub anchor: Option<String>,
    /// What hits are ranked by.
    pub score: f64,
    /// BM25 score, larger is better.
    pub bm25: Option<f64>,
    /// Cosine to the query.
    pub cosine: Option<f32>,
    /// Score of the reranker, which comes before `score`; `None` if it did not score the passage.
    pub rerank_score: Option<f32>,
    /// How the score was computed, if asked for.
    pub explanation: Option<Explanation>,
    /// Identifies the chunk across revisions, 32 hex digits; the best one if the passage has
    /// several.
    pub key: String,
    /// Tokens of the embedded texts of its chunks.
    pub token_count: u64,
    /// The passage.
    pub text: String,
    /// Bytes of `text` that the query's words match, as pairs of start and end.
    pub matches: Vec<[usize; 2]>,
    /// Text of the chunks before it, if asked for.
    pub before: String,
    /// Text of the chunks after it, if asked for.
    pub after: String,
    /// Id of the saved text of its document, if that was written in Markdown.
    #[serde(skip)]
    pub markdown: Option<i64>,
    /// Other hits with the same text, and versions and translations of it.
    pub duplicates: Vec<Duplicate>,
}

/// What the lines of a hit belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinesIn {
    /// The file.
    File,
    /// The text that was made from it.
    Text,
}

impl LinesIn {
    /// Returns its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Text => "text",
        }
    }
}

/// How a score was computed: `text_part + vector_part`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// BM25, and the part of its document, relative to the best of this search; 0 if no word
    /// matches.
    pub text_part: f64,
    /// Cosine times its weight.
    pub vector_part: f64,
    /// That weight.
    pub vector_weight: f64,
    /// Words of the title, the headings and the passage that matched, as written there.
    pub words: Vec<String>,
}

/// Another passage with the same text, or nearly, or of the same page in another language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// How it is like the hit.
    pub likeness: Likeness,
    /// Name of the source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line, included.
    pub end_line: u64,
}

/// Limit on the title of any version; a longer one is damage, and is not copied for each of its
/// chunks.
const TITLE_BYTES_MAX: usize = 64 << 10;

/// Returns the title in `column`.
pub fn title(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<String> {
    let bytes = row.get_ref(column)?.as_bytes_or_null()?.map_or(0, <[u8]>::len);
    if bytes > TITLE_BYTES_MAX {
        return Err(rusqlite::Error::IntegralValueOutOfRange(column, i64::MAX));
    }
    row.get(column)
}

impl Explanation {
    /// Returns the explanation of a score, without words.
    fn of(chunk: &FoundChunk, fusion: &Fusion) -> Self {
        Self {
            text_part: fusion.text_part(chunk),
            vector_part: fusion.vector_part(chunk),
            vector_weight: fusion.vector_weight,
            words: Vec::new(),
        }
    }
}

/// A hit with the rows it is made of.
struct Passage {
    hit: Hit,
    /// The best one of its chunks.
    chunk: ChunkId,
    content: i64,
    revision: i64,
    ordinals: (i64, i64),
    /// Its chunks, to compare with those of other documents.
    sketches: Vec<Sketch>,
}

/// Reads the hits to `show` of `ranked` chunks. With folding, neighbours are joined, repeated texts
/// are left out, and the next ones move up. The scores are explained by `fusion`, except for the
/// words; `languages` are those of the index.
pub fn read(
    tx: &Transaction<'_>,
    ranked: &[FoundChunk],
    fusion: &Fusion,
    show: &Show,
    languages: &[Language],
) -> Result<Vec<Hit>, KbError> {
    let mut passages: Vec<Passage> = Vec::new();
    for chunk in ranked {
        if passages.len() == show.limit {
            break;
        }
        // A run has replaced it since it was found, or the file is damaged.
        let Some(mut new) = read_one(tx, chunk)? else { continue };
        if show.folds && fold(tx, &mut passages, &mut new)? {
            continue;
        }
        if show.explains {
            new.hit.explanation = Some(Explanation::of(chunk, fusion));
        }
        passages.push(new);
    }
    for one in &mut passages {
        if show.locates {
            let language = index::language_of(tx, one.chunk, languages)?;
            one.hit.language = language.map(|language| language.code().to_owned());
            (one.hit.page, one.hit.anchor) = locations::find(tx, one.revision, one.hit.start_byte)?;
        }
        if show.context > 0 {
            (one.hit.before, one.hit.after) = read_neighbours(tx, one, show.context)?;
        }
    }
    Ok(passages.into_iter().map(|one| one.hit).collect())
}

/// Adds `new` to a hit that it adjoins or repeats; returns whether there was one.
fn fold(
    tx: &Transaction<'_>,
    passages: &mut [Passage],
    new: &mut Passage,
) -> Result<bool, KbError> {
    let ordinal = new.ordinals.0;
    let neighbour = passages.iter_mut().find(|one| {
        let (first, last) = one.ordinals;
        one.revision == new.revision
            && last - first + 1 < CHUNKS_PER_PASSAGE
            && (ordinal == first - 1 || ordinal == last + 1)
    });
    if let Some(one) = neighbour {
        one.ordinals = (one.ordinals.0.min(ordinal), one.ordinals.1.max(ordinal));
        one.sketches.push(Sketch::of(&new.hit.text, &new.hit.uri, ordinal));
        let (hit, other) = (&mut one.hit, &new.hit);
        hit.start_line = hit.start_line.min(other.start_line);
        hit.end_line = hit.end_line.max(other.end_line);
        hit.start_byte = hit.start_byte.min(other.start_byte);
        hit.end_byte = hit.end_byte.max(other.end_byte);
        hit.token_count += other.token_count;
        hit.heading_path = common_path(&hit.heading_path, &other.heading_path);
        hit.text = slice(tx, one.content, to_sql(hit.start_byte)..to_sql(hit.end_byte))?;
        return Ok(true);
    }
    let sketch = Sketch::of(&new.hit.text, &new.hit.uri, ordinal);
    let likeness = |one: &Passage| {
        let is_other = one.revision != new.revision;
        let is_same = one.hit.text == new.hit.text;
        let alike = || one.sketches.iter().find_map(|known| known.likeness(&sketch));
        if is_same { Some(Likeness::Same) } else { alike().filter(|_| is_other) }
    };
    let repeated = passages.iter_mut().find_map(|one| Some((likeness(one)?, one)));
    if let Some((likeness, one)) = repeated {
        let Hit { source, uri, start_line, end_line, .. } = new.hit.clone();
        one.hit.duplicates.push(Duplicate { likeness, source, uri, start_line, end_line });
        return Ok(true);
    }
    new.sketches.push(sketch);
    Ok(false)
}

/// Returns the headings that two paths share from the top.
fn common_path(a: &str, b: &str) -> String {
    const SEPARATOR: &str = " > ";
    let pairs = a.split(SEPARATOR).zip(b.split(SEPARATOR));
    let shared: Vec<_> = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    shared.join(SEPARATOR)
}

/// Returns the metadata of a hit, without the places of all pages and headings of its document: the
/// one that counts is in the hit.
fn shown(metadata: &str) -> Value {
    let mut metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    if let Some(members) = metadata.as_object_mut() {
        members.retain(|name, value| !value.is_array() || name != "pages" && name != "anchors");
    }
    metadata
}

fn read_one(tx: &Transaction<'_>, chunk: &FoundChunk) -> Result<Option<Passage>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT document.source, document.uri, revision.title, chunk.heading_path,
                chunk.start_line, chunk.end_line, chunk.start_byte, chunk.end_byte,
                lower(hex(chunk.key)),
                substr(content.text, chunk.start_byte + 1, chunk.end_byte - chunk.start_byte),
                revision.content_id, chunk.revision_id, chunk.ordinal, content.lines = x'',
                revision.metadata, chunk.token_count, revision.extract_fp
         FROM chunk JOIN revision ON revision.id = chunk.revision_id
         JOIN document ON document.id = revision.document_id
         JOIN content ON content.id = revision.content_id
         WHERE chunk.id = ?1",
    )?;
    let found = statement.query_row([chunk.id.0], |row| {
        let number = |column: usize| small(row, column).map(from_sql);
        let (source, uri, metadata): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(14)?);
        let hit = Hit {
            date: day_of(DocumentView { source: &source, uri: &uri, metadata: &metadata }),
            metadata: shown(&metadata),
            language: None,
            token_count: number(15)?,
            url: None,
            source,
            uri,
            title: title(row, 2)?,
            heading_path: row.get(3)?,
            start_line: number(4)?,
            end_line: number(5)?,
            lines_in: if row.get::<_, Option<bool>>(13)? == Some(true) {
                LinesIn::Text
            } else {
                LinesIn::File
            },
            start_byte: number(6)?,
            end_byte: number(7)?,
            page: None,
            anchor: None,
            score: chunk.score,
            bm25: chunk.bm25,
            cosine: chunk.cosine,
            rerank_score: chunk.rerank_score,
            explanation: None,
            key: row.get(8)?,
            text: readable(row.get(9)?),
            matches: Vec::new(),
            before: String::new(),
            after: String::new(),
            markdown: (format_of(&row.get::<_, String>(16)?) == MARKDOWN).then_some(row.get(10)?),
            duplicates: Vec::new(),
        };
        let ordinal = small(row, 12)?;
        let (content, revision) = (row.get(10)?, row.get(11)?);
        Ok(Passage {
            hit,
            chunk: chunk.id,
            content,
            revision,
            ordinals: (ordinal, ordinal),
            sketches: Vec::new(),
        })
    });
    Ok(found.optional()?)
}

/// Returns the text of up to `context` chunks before and after a hit.
fn read_neighbours(
    tx: &Transaction<'_>,
    passage: &Passage,
    context: usize,
) -> Result<(String, String), KbError> {
    let context = size_to_sql(context);
    let (first, last) = passage.ordinals;
    let (start, end): (i64, i64) = tx
        .prepare_cached(
            "SELECT min(start_byte), max(end_byte) FROM chunk
             WHERE revision_id = ?1 AND ordinal BETWEEN ?2 AND ?3",
        )?
        .query_row(
            [passage.revision, first.saturating_sub(context), last.saturating_add(context)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
    let before = slice(tx, passage.content, start..to_sql(passage.hit.start_byte))?;
    let after = slice(tx, passage.content, to_sql(passage.hit.end_byte)..end)?;
    Ok((before, after))
}

fn slice(tx: &Transaction<'_>, content: i64, bytes: Range<i64>) -> Result<String, KbError> {
    let mut statement =
        tx.prepare_cached("SELECT substr(text, ?2 + 1, ?3 - ?2) FROM content WHERE id = ?1")?;
    let text = statement.query_row([content, bytes.start, bytes.end], |row| row.get(0))?;
    Ok(readable(text))
}

/// Returns a passage with `…` in place of data, even if some of its bytes are damaged: one document
/// must not make every search that finds it fail. `check --read-data` finds the damage.
pub fn readable(text: Option<Vec<u8>>) -> String {
    // `substr` gives NULL if the span is outside of the text.
    let text = String::from_utf8(text.unwrap_or_default())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    match noise::shown(&text) {
        Cow::Owned(shown) => shown,
        Cow::Borrowed(_) => text,
    }
}
