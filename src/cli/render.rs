//! Errors for people.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use super::hints;
use super::output::{controls_terminal, escape, message};
use crate::config::{ConfigError, Problem, Request};
use crate::error::{Error, chain};
use crate::support::secrets;

/// Bold, for what matters in a line.
pub const BOLD: Style = Style::new().bold();
/// For words that a query matched.
pub const MATCH: Style = AnsiColor::Yellow.on_default().bold();
/// For secondary information.
pub const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// Prints an error, its causes, and what to do next.
pub fn error(error: &Error) {
    if let Error::Config(ConfigError::Wrong { path, text, problems }) = error {
        for problem in problems {
            config_problem(&path.display().to_string(), text, problem);
        }
        hint("kb.example.toml explains every key");
        return;
    }
    error_line(&chain(error));
    if let Error::Config(ConfigError::Untrusted { requests, .. }) = error {
        message(&list_requests(requests));
    }
    if let Some(text) = hints::hint(error) {
        hint(&text);
    }
}

/// Returns what a kb.toml asks for, one line per request.
pub fn list_requests(requests: &[Request]) -> String {
    let line = |one: &Request| escape(&format!("{}: {}", one.table, one.what), false);
    let lines: Vec<_> = requests.iter().map(|one| format!("  {}", line(one))).collect();
    lines.join("\n")
}

/// Prints an error given as text.
pub fn error_line(text: &str) {
    message(&format!("{RED}error{RED:#}: {}", escape(&secrets::hidden(text), false)));
}

/// Prints a warning.
pub fn warning(text: &str) {
    message(&format!("{YELLOW}warning{YELLOW:#}: {}", escape(&secrets::hidden(text), false)));
}

/// Prints what to do next.
pub fn hint(text: &str) {
    message(&format!("{CYAN}hint{CYAN:#}: {}", escape(text, false)));
}

/// Prints `file:line:column: key: what is wrong`, and the line itself.
fn config_problem(path: &str, text: &str, problem: &Problem) {
    let (line, column) = problem.position(text);
    let key = if problem.key.is_empty() { String::new() } else { format!("{}: ", problem.key) };
    let title = format!("{path}:{line}:{column}: {key}{}", problem.message);
    let title = escape(&secrets::hidden(&title), false);
    if text.trim().is_empty() {
        return error_line(&title);
    }
    let end = problem.span.end.min(text.len());
    let span = problem.span.start.min(end)..end;
    // The renderer does not escape these. Each is replaced by a character of as many bytes, so that
    // spans still fit.
    let replacement = |c: char| match c.len_utf8() {
        _ if c.is_ascii() || !controls_terminal(c) => c,
        2 => '¿',
        3 => '\u{fffd}',
        _ => '\u{1f6ab}',
    };
    let shown: String = secrets::masked(text).chars().map(replacement).collect();
    let report = [Level::ERROR
        .primary_title(&title)
        .element(Snippet::source(shown).path(path).annotation(AnnotationKind::Primary.span(span)))];
    message(&Renderer::styled().render(&report));
}
