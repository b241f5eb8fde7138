//! `kbingest ls`.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::Ending;
use super::output::{JsonList, Rows, escape};
use super::target::target_and_option;
use crate::error::Error;
use crate::kb::{Filter, ListedDocument, UriGlob};
use crate::operations::{self, Target};
use crate::support::secrets;

/// Arguments of `ls`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest ls [OPTIONS] [KB_TOML] [GLOB]")]
pub struct LsArgs {
    /// The optional target and glob; the command's own text explains them.
    #[arg(value_names = ["KB_TOML", "GLOB"], num_args = 0..=2, hide = true)]
    pub target_and_glob: Vec<OsString>,
    /// Only documents of this source.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Adds the format, the bytes of the text, and why a document failed or is skipped.
    #[arg(short, long)]
    pub long: bool,
    /// The order: by source and URI, or those first that are newest, have most chunks, or the
    /// longest text.
    #[arg(long, value_name = "KEY", value_enum, default_value_t = SortKey::Name)]
    pub sort: SortKey,
    /// Prints one JSON object on stdout, with a document in each line.
    #[arg(long)]
    pub json: bool,
}

/// What documents are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SortKey {
    /// Source, then URI, folder by folder.
    Name,
    /// The day that they state; those without one are last.
    Date,
    /// The number of chunks.
    Chunks,
    /// The bytes of the text.
    Size,
}

/// Runs `ls`.
pub fn run(arguments: &LsArgs) -> Result<Ending, Error> {
    let (target, glob) = target_and_option(&arguments.target_and_glob);
    let target = Target::open(target)?;
    let uris = match glob {
        None => Vec::new(),
        Some(glob) => {
            let glob = UriGlob::from_str(&glob.to_string_lossy());
            vec![glob.map_err(|error| Error::Usage { message: error.to_string(), hint: None })?]
        }
    };
    let filter = Filter { source: arguments.source.clone(), uris, ..Filter::default() };
    if arguments.json {
        let mut list = JsonList::begin(target.kb(), "documents")?;
        documents(&target, &filter, arguments.sort, &mut |document| list.push(&document))?;
        list.end()?;
    } else {
        let mut rows = Rows::default();
        documents(&target, &filter, arguments.sort, &mut |document| {
            rows.write(&row(&document, arguments.long))
        })?;
        rows.end()?;
    }
    Ok(Ending::Code(0))
}

/// Calls `each` with the documents in the order of `sort`: as they are read, if that is possible.
fn documents(
    target: &Target,
    filter: &Filter,
    sort: SortKey,
    each: &mut dyn FnMut(ListedDocument) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    if sort == SortKey::Name {
        return operations::list(target, filter, each);
    }
    let mut documents = Vec::new();
    operations::list(target, filter, &mut |document| {
        documents.push(document);
        Ok(ControlFlow::Continue(()))
    })?;
    // Equal ones stay in the order of names.
    match sort {
        SortKey::Name => {}
        SortKey::Date => documents.sort_by_key(|document| Reverse(document.date)),
        SortKey::Chunks => documents.sort_by_key(|document| Reverse(document.chunks)),
        SortKey::Size => documents.sort_by_key(|document| Reverse(document.text_bytes)),
    }
    for document in documents {
        if each(document)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Returns a row: source, URI, title, date, chunks and state, tab-separated.
fn row(document: &ListedDocument, is_long: bool) -> String {
    let ListedDocument { source, uri, title, date, chunks, state, .. } = document;
    let date = date.map(|day| day.to_string()).unwrap_or_default();
    let mut cells = vec![
        source.clone(),
        uri.clone(),
        title.clone(),
        date,
        chunks.to_string(),
        state.as_str().to_owned(),
    ];
    if is_long {
        cells.push(document.format.clone());
        cells.push(document.text_bytes.to_string());
        cells.push(document.error.clone().unwrap_or_default());
    }
    let cells: Vec<_> = cells.iter().map(|cell| escape(&secrets::hidden(cell), false)).collect();
    format!("{}\n", cells.join("\t"))
}
