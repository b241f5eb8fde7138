//! `kbingest export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Ending;
use super::output::Sink;
use crate::error::Error;
use crate::kb::{Filter, UriGlob};
use crate::operations::{self, ChunkRecord, DocumentRecord, ExportRecord, ExportUnit, Target};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// The form of the output.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = ExportForm::Jsonl)]
    pub format: ExportForm,
    /// Exports chunks, not documents.
    #[arg(long)]
    pub chunks: bool,
    /// Adds the vector of each chunk.
    #[arg(long, requires = "chunks")]
    pub vectors: bool,
    /// Only documents of this source.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only documents whose URI matches this glob, as in "operations/**"; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<UriGlob>,
    /// Writes this file, which appears or is replaced when it is complete; default: stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values (RFC 4180) with a header.
    Csv,
    /// Markdown, each text behind a front matter of its own.
    Md,
}

/// Runs `export`.
pub fn run(arguments: &ExportArgs) -> Result<Ending, Error> {
    let target = Target::open(&arguments.target)?;
    let unit = match arguments.chunks {
        true => ExportUnit::Chunks { vectors: arguments.vectors },
        false => ExportUnit::Documents,
    };
    let filter = Filter {
        source: arguments.source.clone(),
        uris: arguments.path.clone(),
        ..Filter::default()
    };
    let mut sink = Sink::open(arguments.output.as_deref())?;
    if arguments.format == ExportForm::Csv {
        let _ = sink.write(&csv(header(unit))?)?;
    }
    operations::export(&target, &filter, unit, &mut |record| {
        let text = match arguments.format {
            ExportForm::Jsonl => json(&record)? + "\n",
            ExportForm::Csv => csv(&row(&record)?)?,
            ExportForm::Md => markdown(&record)?,
        };
        sink.write(&text)
    })?;
    sink.end()?;
    Ok(Ending::Code(0))
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal { place: "export", message: error.to_string() }
}

/// Returns the names of the columns.
fn header(unit: ExportUnit) -> &'static [&'static str] {
    const DOCUMENT: [&str; 8] =
        ["source", "uri", "title", "date", "format", "media_type", "metadata", "text"];
    const CHUNK: [&str; 16] = [
        "id",
        "key",
        "source",
        "uri",
        "title",
        "date",
        "heading_path",
        "ordinal",
        "start_line",
        "end_line",
        "lines_in",
        "start_byte",
        "end_byte",
        "token_count",
        "text",
        "vector",
    ];
    match unit {
        ExportUnit::Documents => &DOCUMENT,
        ExportUnit::Chunks { vectors: true } => &CHUNK,
        ExportUnit::Chunks { vectors: false } => &CHUNK[..CHUNK.len() - 1],
    }
}

/// Returns the cells of a record: a text as it is, other values as JSON, and nothing for `null`.
fn row(record: &ExportRecord) -> Result<Vec<String>, Error> {
    let date = |day: &Option<crate::kb::Day>| day.map(|day| day.to_string()).unwrap_or_default();
    match record {
        ExportRecord::Document(document) => {
            let DocumentRecord { source, uri, title, format, metadata, text, .. } = document;
            let media_type = document.media_type.as_str();
            let cells = [source, uri, title, &date(&document.date), format, media_type];
            let texts = [metadata.get(), text.as_str()];
            Ok(cells.into_iter().chain(texts).map(str::to_owned).collect())
        }
        ExportRecord::Chunk(chunk) => {
            let ChunkRecord { id, key, source, uri, title, heading_path, text, .. } = chunk;
            let mut cells = vec![
                id.to_string(),
                key.clone(),
                source.clone(),
                uri.clone(),
                title.clone(),
                date(&chunk.date),
                heading_path.clone(),
                chunk.ordinal.to_string(),
                chunk.start_line.to_string(),
                chunk.end_line.to_string(),
                chunk.lines_in.as_str().to_owned(),
                chunk.start_byte.to_string(),
                chunk.end_byte.to_string(),
                chunk.token_count.to_string(),
                text.clone(),
            ];
            cells.extend(chunk.vector.as_ref().map(json).transpose()?);
            Ok(cells)
        }
    }
}

/// Returns a row with the quotes that it needs, ending with CRLF.
fn csv<T: AsRef<[u8]>>(cells: &[T]) -> Result<String, Error> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells).map_err(internal)?;
    String::from_utf8(writer.into_inner().map_err(internal)?).map_err(internal)
}

/// Returns a text behind a front matter, whose values are written as JSON, which is YAML, too.
fn markdown(record: &ExportRecord) -> Result<String, Error> {
    let (fields, text) = match record {
        ExportRecord::Document(one) => (
            vec![
                ("source", json(&one.source)?),
                ("uri", json(&one.uri)?),
                ("title", json(&one.title)?),
                ("date", json(&one.date)?),
                ("metadata", one.metadata.get().to_owned()),
            ],
            &one.text,
        ),
        ExportRecord::Chunk(one) => (
            vec![
                ("source", json(&one.source)?),
                ("uri", json(&one.uri)?),
                ("title", json(&one.title)?),
                ("heading_path", json(&one.heading_path)?),
                ("start_line", one.start_line.to_string()),
                ("end_line", one.end_line.to_string()),
                ("vector", json(&one.vector)?),
            ],
            &one.text,
        ),
    };
    let fields = fields.into_iter().filter(|(_, value)| value != "null");
    let fields: String = fields.map(|(name, value)| format!("{name}: {value}\n")).collect();
    Ok(format!("---\n{fields}---\n{}\n\n", text.trim_end_matches('\n')))
}
