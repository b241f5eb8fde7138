//! Writes to stdout and stderr; a closed pipe or a full disk is no panic.

use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Error;
use crate::support::files::NewFile;

/// Prints a result on stdout. A closed pipe is not an error.
pub fn result(text: &str) -> Result<(), Error> {
    let mut stdout = anstream::AutoStream::auto(io::stdout().lock());
    ignore_closed_pipe(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Returns the error of writing to stdout, unless its reader has closed the pipe.
pub fn ignore_closed_pipe(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Output { source: error })
        }
        _ => Ok(()),
    }
}

/// Prints, for `--version -v`, which parts of the sandbox confine the processes that extract
/// documents.
pub fn sandbox(parts: &[&str]) -> io::Result<()> {
    let parts = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
    writeln!(io::stdout(), "sandbox: {parts}")
}

/// Prints a document's text unchanged; on a terminal, control characters are escaped.
pub fn text(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    let shown = if io::stdout().is_terminal() { escape(text, true) } else { text.to_owned() };
    ignore_closed_pipe(stdout.write_all(shown.as_bytes()).and_then(|()| stdout.flush()))
}

/// Prints a report as one JSON object on stdout.
pub fn json(report: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(report).map_err(unserializable)?;
    text.push('\n');
    let text = escape_json(&text);
    // Without anstream: its filter for colours would remove DEL characters from documents.
    let mut stdout = io::stdout().lock();
    ignore_closed_pipe(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Rows of a result on stdout, written as they come.
pub struct Rows(BufWriter<StdoutLock<'static>>);

impl Default for Rows {
    fn default() -> Self {
        Self(BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()))
    }
}

impl Rows {
    /// Writes `text`; breaks if nobody reads any more.
    pub fn write(&mut self, text: &str) -> Result<ControlFlow<()>, Error> {
        match self.0.write_all(text.as_bytes()) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            failed => ignore_closed_pipe(failed).map(|()| ControlFlow::Break(())),
        }
    }

    /// Writes what is left.
    pub fn end(mut self) -> Result<(), Error> {
        ignore_closed_pipe(self.0.flush())
    }
}

/// Where a long result goes: to stdout, or to a file that appears when it is complete.
pub enum Sink {
    /// Stdout.
    Stdout(Rows),
    /// A file, and its path.
    File(PathBuf, BufWriter<NewFile>),
}

impl Sink {
    /// Opens the file at `path`, or stdout.
    pub fn open(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else { return Ok(Self::Stdout(Rows::default())) };
        let file = NewFile::create_result(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self::File(path.to_owned(), BufWriter::with_capacity(BUFFER_BYTES, file)))
    }

    /// Writes `text`; breaks if nobody reads any more.
    pub fn write(&mut self, text: &str) -> Result<ControlFlow<()>, Error> {
        match self {
            Self::Stdout(rows) => rows.write(text),
            Self::File(path, file) => {
                file.write_all(text.as_bytes()).map_err(|error| unwritable(path, &error))?;
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    /// Writes what is left.
    pub fn end(self) -> Result<(), Error> {
        match self {
            Self::Stdout(rows) => rows.end(),
            Self::File(path, file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error);
                file.and_then(NewFile::finish).map_err(|error| unwritable(&path, &error))
            }
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::Usage {
        message: format!("cannot write {}: {error}", path.display()),
        hint: Some("name a file that can be written".to_owned()),
    }
}

/// One JSON object on stdout whose last value is a list, written as it comes, an object a line.
pub struct JsonList {
    rows: Rows,
    is_empty: bool,
}

impl JsonList {
    /// Begins an object about the knowledge base at `path` with a list called `name`.
    pub fn begin(path: &Path, name: &str) -> Result<Self, Error> {
        let path = to_json(&path.to_string_lossy())?;
        let mut rows = Rows::default();
        let head = format!("{{\"schema\":1,\"knowledge_base\":{path},\"{name}\":[");
        let _ = rows.write(&head)?;
        Ok(Self { rows, is_empty: true })
    }

    /// Adds an object to the list; breaks if nobody reads any more.
    pub fn push(&mut self, object: &impl Serialize) -> Result<ControlFlow<()>, Error> {
        let start = if self.is_empty { "\n" } else { ",\n" };
        self.is_empty = false;
        self.rows.write(&format!("{start}{}", to_json(object)?))
    }

    /// Ends the list and the object.
    pub fn end(mut self) -> Result<(), Error> {
        let _ = self.rows.write("\n]}\n")?;
        self.rows.end()
    }
}

/// Returns `value` as JSON in one line.
fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    Ok(escape_json(&serde_json::to_string(value).map_err(unserializable)?))
}

fn unserializable(error: serde_json::Error) -> Error {
    Error::Internal { place: "report", message: error.to_string() }
}

/// Prints a message on stderr; if that fails, there is nowhere to report it.
pub fn message(text: &str) {
    let mut stderr = anstream::AutoStream::auto(io::stderr().lock());
    let _ = writeln!(stderr, "{text}");
}

/// Returns `text` as a link to `url` (OSC 8) if stdout is a terminal that shows colours.
pub fn linked(text: &str, url: Option<&str>) -> String {
    let stdout = io::stdout();
    let is_shown = stdout.is_terminal()
        && anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
    match url.filter(|url| is_shown && url.bytes().all(|byte| byte.is_ascii_graphic())) {
        Some(url) => format!("\u{1b}]8;;{url}\u{1b}\\{text}\u{1b}]8;;\u{1b}\\"),
        None => text.to_owned(),
    }
}

/// Reports whether a terminal obeys `character` instead of showing it: control characters,
/// direction marks, line separators, and invisible tags.
pub fn controls_terminal(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Returns JSON with the characters that control a terminal as `\u` and four digits: the same data,
/// safe to print. Outside of strings JSON has no control characters but line feeds.
fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || !controls_terminal(character) {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

/// Returns `text` with the characters that control a terminal escaped, so that neither a file name
/// nor a document can do so; `keep_lines` keeps line feeds and tabs.
pub fn escape(text: &str, keep_lines: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' if keep_lines => escaped.push(character),
            '\r' if keep_lines => {}
            _ if controls_terminal(character) => {
                let _ = write!(escaped, "{}", character.escape_default());
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Returns a size in binary units, such as `1.5 MiB`.
pub fn bytes(value: u64) -> String {
    indicatif::BinaryBytes(value).to_string()
}

/// Returns a duration for people, such as `1.2 s` or `3 min 20 s`.
pub fn seconds(value: f64) -> String {
    if value < 60.0 {
        return format!("{value:.1} s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "60 or more")]
    let whole = value.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Escapes log records like [`escape`], but keeps their colours: the formatter itself has escaped
/// the escape characters of fields.
struct EscapedWriter<W>(W);

impl<W: Write> Write for EscapedWriter<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let parts: Vec<_> = text.split('\u{1b}').map(|part| escape(part, true)).collect();
        self.0.write_all(parts.join("\u{1b}").as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Sends log records to stderr: warnings, with `-v` also records per run, with `-vv` per document.
pub fn start_logging(verbose: u8) {
    use tracing::Level;
    use tracing_subscriber::filter::{LevelFilter, filter_fn};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let has_colours = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    // The protocol's library warns of every request that is refused, which its client knows.
    let of_protocol = filter_fn(move |record| {
        verbose > 0 || *record.level() == Level::ERROR || !record.target().starts_with("rmcp")
    });
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| EscapedWriter(io::stderr()))
        .with_ansi(has_colours)
        .with_target(false)
        .without_time()
        // It would report that stderr cannot be written by printing there, which panics.
        .log_internal_errors(false)
        .finish()
        .with(of_protocol)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape("a\u{1b}[31m\nb\u{7}", false), "a\\u{1b}[31m\\nb\\u{7}");
        assert_eq!(escape("a\r\n\tb\u{0}", true), "a\n\tb\\u{0}");
        for control in [
            '\u{61c}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{e0041}',
        ] {
            let shown = control.escape_default().to_string();
            assert_eq!(escape(&format!("a{control}b"), true), format!("a{shown}b"));
        }
        // Letters, marks and joiners of any language are text.
        let text = "שלום می\u{200c}خواهم 👩\u{200d}👩 é";
        assert_eq!(escape(text, false), text);
    }

    #[test]
    fn escaped_json_is_the_same_data() {
        let text = "a\u{9b}b\u{202e}c\u{e0041}d\u{7f}\u{1b}";
        let json = escape_json(&serde_json::to_string(text).unwrap());
        assert!(!json.chars().any(controls_terminal), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn log_records_keep_their_colours_only() {
        let mut shown = EscapedWriter(Vec::new());
        shown.write_all("\u{1b}[31mWARN\u{1b}[0m a\u{202e}b\u{9b}c\n".as_bytes()).unwrap();
        let text = String::from_utf8(shown.0).unwrap();
        assert_eq!(text, "\u{1b}[31mWARN\u{1b}[0m a\\u{202e}b\\u{9b}c\n");
    }

    #[test]
    fn durations() {
        assert_eq!(seconds(1.25), "1.2 s");
        assert_eq!(seconds(200.0), "3 min 20 s");
        assert_eq!(seconds(7260.0), "2 h 1 min");
    }
}
