//! A terminal that keeps its last columns free.
//!
//! indicatif fills a line to its end. The `^C` that the terminal echoes would then start a new
//! line, and half a bar would be left above the last message.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Columns for `^C` and the cursor.
const COLUMNS_FREE: u16 = 3;

/// Standard error, reported a few columns narrower than it is.
#[derive(Debug)]
pub struct NarrowTerminal(pub Term);

impl TermLike for NarrowTerminal {
    fn width(&self) -> u16 {
        self.0.size().1.saturating_sub(COLUMNS_FREE)
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
