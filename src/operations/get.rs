//! `get`: the saved text of a document, or some lines of it, with its chunks and headings.

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;

use super::Target;
use crate::domain::{ChunkId, MediaType};
use crate::error::Error;
use crate::kb::{Day, Filter, LinesIn, ListPlace, Reader, WholeDocument};

/// A document; `get --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// Name of the source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Title of the document.
    pub title: String,
    /// The day that its metadata or its name state.
    pub date: Option<Day>,
    /// Name of what extracted it, as in `pdf`.
    pub format: String,
    /// What its text is.
    pub media_type: MediaType,
    /// Its metadata.
    pub metadata: Box<RawValue>,
    /// Whether lines are those of the file, or of the text that was made from it.
    pub lines_in: LinesIn,
    /// First and last line of `text`, from 1.
    pub start_line: usize,
    /// The last one, included.
    pub end_line: usize,
    /// The lines that were asked for, or the whole text.
    pub text: String,
    /// The headings.
    pub outline: Vec<HeadingShown>,
    /// The chunks that have a part of these lines.
    pub chunks: Vec<ChunkOfDocument>,
}

/// A heading of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeadingShown {
    /// The heading and those above it, joined by ` > `.
    pub heading_path: String,
    /// First line of its first chunk.
    pub start_line: u64,
}

/// A chunk of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChunkOfDocument {
    /// Its id in the file.
    pub id: ChunkId,
    /// Identifies the chunk across revisions, 32 hex digits.
    pub key: String,
    /// Headings above it, joined by ` > `.
    pub heading_path: String,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line, included.
    pub end_line: u64,
    /// First byte in the saved text.
    pub start_byte: usize,
    /// One past its last byte.
    pub end_byte: usize,
    /// Tokens of the embedded text.
    pub token_count: u64,
    /// The chunk.
    pub text: String,
}

/// Lines of a document, both included, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lines {
    first: usize,
    last: usize,
}

impl Lines {
    const ALL: Self = Self { first: 1, last: usize::MAX };

    /// Reads `10`, `10-20` or `10-`.
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|&line: &usize| is_number && line > 0)
        };
        let (first, last) = match text.split_once('-') {
            None => (number(text)?, number(text)?),
            Some((first, "")) => (number(first)?, usize::MAX),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        (first <= last).then_some(Self { first, last })
    }

    fn overlaps(self, first: usize, last: usize) -> bool {
        first <= self.last && last >= self.first
    }
}

/// Returns the document of `target` that `name` means, `SOURCE:URI` or `SOURCE:URI:LINES`; takes no
/// lock and writes nothing.
///
/// The source may be left out if only one has the URI. A URI may end like lines, as one with a port
/// does: the longest one that exists counts.
pub fn get(target: &Target, name: &str) -> Result<DocumentReport, Error> {
    let kb = Reader::open(target.kb())?;
    let (place, document, lines) = find_lines(&kb, name)?;
    report(target, place, document, lines)
}

/// Returns the live document that `name` means, `SOURCE:URI`, or the URI alone if only one source
/// has it.
pub(super) fn find(kb: &Reader, name: &str) -> Result<(ListPlace, WholeDocument), Error> {
    match look_up(kb, name)? {
        Some(found) => Ok(found),
        None => Err(unknown(kb, name)?),
    }
}

fn find_lines(kb: &Reader, name: &str) -> Result<(ListPlace, WholeDocument, Lines), Error> {
    if let Some((place, document)) = look_up(kb, name)? {
        return Ok((place, document, Lines::ALL));
    }
    let Some((shorter, lines)) = name.rsplit_once(':') else { return Err(unknown(kb, name)?) };
    let Some(wanted) = Lines::parse(lines) else {
        // What follows a document's name can only be lines.
        return Err(match look_up(kb, shorter)? {
            Some(_) => Error::Usage {
                message: format!("\"{lines}\" are no lines"),
                hint: Some("lines are written 10, 10-20 or 10-".to_owned()),
            },
            None => unknown(kb, name)?,
        });
    };
    let (place, document) = find(kb, shorter)?;
    Ok((place, document, wanted))
}

fn look_up(kb: &Reader, name: &str) -> Result<Option<(ListPlace, WholeDocument)>, Error> {
    for source in kb.source_names()? {
        let Some(uri) = name.strip_prefix(&source).and_then(|rest| rest.strip_prefix(':')) else {
            continue;
        };
        let place = ListPlace { source, uri: uri.to_owned() };
        if let Some(document) = kb.document(&place)? {
            return Ok(Some((place, document)));
        }
    }
    let sources = kb.sources_of(name)?;
    match sources.as_slice() {
        [] => Ok(None),
        [source] => {
            let place = ListPlace { source: source.clone(), uri: name.to_owned() };
            Ok(kb.document(&place)?.map(|document| (place, document)))
        }
        several => Err(Error::Usage {
            message: format!("several sources have {name}"),
            hint: Some(format!("name one of them: {}:{name}", several.join(", "))),
        }),
    }
}

/// Returns the error of a document that does not exist, with the nearest names.
fn unknown(kb: &Reader, name: &str) -> Result<Error, Error> {
    let mut near: Vec<(f64, String)> = Vec::new();
    kb.list_documents(&Filter::default(), &ListPlace::default(), &mut |document| {
        if document.is_live {
            let known = format!("{}:{}", document.source, document.uri);
            let likeness = likeness(&known, name);
            if likeness >= LIKENESS_MIN {
                near.push((likeness, known));
            }
            if near.len() > 10 * NEAR_MAX {
                keep_best(&mut near);
            }
        }
        ControlFlow::Continue(())
    })?;
    keep_best(&mut near);
    let near = near.into_iter().map(|(_, name)| name).collect();
    Ok(Error::UnknownDocument { name: name.to_owned(), near })
}

/// Near names that are shown.
const NEAR_MAX: usize = 3;
/// The least likeness of a name that may be meant.
const LIKENESS_MIN: f64 = 0.7;

fn keep_best(near: &mut Vec<(f64, String)>) {
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    near.truncate(NEAR_MAX);
}

/// Returns how likely `known` is meant by `name`, 0 to 1: by the last parts of both, which are what
/// people know, and a little by the rest.
fn likeness(known: &str, name: &str) -> f64 {
    fn last(name: &str) -> &str {
        let name = name.trim_end_matches('/');
        name.rsplit(['/', ':']).find(|part| Lines::parse(part).is_none()).unwrap_or(name)
    }
    let of_last = strsim::normalized_levenshtein(last(known), last(name));
    if of_last < LIKENESS_MIN {
        return 0.0;
    }
    0.9 * of_last + 0.1 * strsim::normalized_levenshtein(known, name)
}

fn report(
    target: &Target,
    place: ListPlace,
    document: WholeDocument,
    lines: Lines,
) -> Result<DocumentReport, Error> {
    let (text, start_line, end_line) = lines_of(&document, lines)?;
    let shown = |passage: &&crate::kb::Passage| {
        let line = |line| usize::try_from(line).unwrap_or(usize::MAX);
        lines.overlaps(line(passage.start_line), line(passage.end_line))
    };
    let chunks = document.passages.iter().filter(shown).map(|passage| ChunkOfDocument {
        id: passage.id,
        key: passage.key.clone(),
        heading_path: passage.heading_path.clone(),
        start_line: passage.start_line,
        end_line: passage.end_line,
        start_byte: passage.start_byte,
        end_byte: passage.end_byte,
        token_count: passage.token_count,
        text: document.text_of(passage).to_owned(),
    });
    let outline = document.headings().map(|(_, passage)| HeadingShown {
        heading_path: passage.heading_path.clone(),
        start_line: passage.start_line,
    });
    Ok(DocumentReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        source: place.source,
        uri: place.uri,
        date: document.date,
        format: document.format.clone(),
        media_type: document.media_type,
        lines_in: document.lines_in,
        start_line,
        end_line,
        chunks: chunks.collect(),
        outline: outline.collect(),
        metadata: RawValue::from_string(document.metadata).unwrap_or_default(),
        title: document.title,
        text,
    })
}

/// Returns the lines of the text that come from `lines` of the file, with the first and last of the
/// file that they come from.
fn lines_of(document: &WholeDocument, lines: Lines) -> Result<(String, usize, usize), Error> {
    let mut text = String::new();
    let (mut first, mut last, mut end) = (usize::MAX, 0, 1);
    for (number, line) in (1..).zip(document.text.split_inclusive('\n')) {
        let (from, to) = document.lines.in_file(number..=number).into_inner();
        end = end.max(to);
        if lines.overlaps(from, to) {
            text.push_str(line);
            (first, last) = (first.min(from), last.max(to));
        }
    }
    if last > 0 {
        return Ok((text, first, last));
    }
    if lines == Lines::ALL {
        // The text is empty.
        return Ok((text, 1, 1));
    }
    Err(Error::Usage {
        message: format!("it has no line {}: its last one is {end}", lines.first),
        hint: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_people_write_them() {
        let lines = |first, last| Some(Lines { first, last });
        for (text, expected) in [
            ("10", lines(10, 10)),
            ("10-20", lines(10, 20)),
            ("10-", lines(10, usize::MAX)),
            ("0", None),
            ("20-10", None),
            ("-5", None),
            ("+5", None),
            ("10-20-30", None),
            ("", None),
            ("8080/a", None),
        ] {
            assert_eq!(Lines::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_alike_by_their_last_parts() {
        let check = |known: &str, name: &str, is_alike: bool| {
            assert_eq!(likeness(known, name) >= LIKENESS_MIN, is_alike, "{known} {name}");
        };
        check("docs:runbooks/queue-disk-full.md", "docs:queue-disk-full.md", true);
        check("docs:runbooks/queue-disk-full.md", "runbooks/queue-disc-full.md:10-20", true);
        check("web:https://x.org/install/", "https://x.org/instal", true);
        check("docs:runbooks/queue-disk-full.md", "docs:runbooks/README.md", false);
    }
}
