//! Which lines of a file the lines of its text come from.
//!
//! A text that was converted has other lines than its file, but people open the file: converters
//! note the lines that they read ([`Recorder`]), and hits name those.

use std::ops::RangeInclusive;

/// The lines of a file that the lines of its text come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LineMap {
    /// The text has the lines of the file.
    OfFile,
    /// The file has no lines, or its converter does not know them.
    #[default]
    Unknown,
    /// The text was converted, and its lines come from these.
    Known(KnownLines),
}

/// Lines of a file for every line of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownLines {
    runs: Vec<Run>,
}

/// Consecutive lines of a text: the first comes from `first ..= first + extra` of the file, each
/// further one from `step` lines further on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Lines of the text before it.
    start: u32,
    count: u32,
    first: u32,
    extra: u32,
    step: u32,
}

impl Run {
    /// Returns the lines of the file that the lines `from ..= to` of the text come from, which are
    /// in this run.
    fn lines(&self, from: u32, to: u32) -> (u32, u32) {
        let line = |at: u32| self.first + (at - self.start) * self.step;
        (line(from), line(to) + self.extra)
    }
}

impl LineMap {
    /// Returns the lines of the file that the lines `text_lines`, from 1, of the text come from;
    /// unchanged if they are unknown.
    pub fn in_file(&self, text_lines: RangeInclusive<usize>) -> RangeInclusive<usize> {
        let Self::Known(known) = self else { return text_lines };
        known.in_file(&text_lines).unwrap_or(text_lines)
    }

    /// Returns the map of a text that was made from one whose lines come from `outer`.
    pub fn through(self, outer: &KnownLines) -> Self {
        let known = match self {
            Self::OfFile => return Self::Known(outer.clone()),
            Self::Unknown => return Self::Unknown,
            Self::Known(known) => known,
        };
        let mut recorder = Recorder::default();
        for run in &known.runs {
            for at in run.start..run.start + run.count {
                let (first, last) = run.lines(at, at);
                let lines = outer.in_file(&(first as usize..=last as usize));
                let (first, last) = lines.map_or((0, 0), RangeInclusive::into_inner);
                recorder.at(first as u32, last as u32);
                recorder.line();
            }
        }
        recorder.finish()
    }

    /// Returns what is stored: nothing for [`Self::OfFile`], an empty text for [`Self::Unknown`],
    /// otherwise for each run its length and step, the distance of its first line from that of the
    /// run before, and the number of further lines, in variable length (LEB128, zigzag).
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let known = match self {
            Self::OfFile => return None,
            Self::Unknown => return Some(Vec::new()),
            Self::Known(known) => known,
        };
        let mut bytes = Vec::new();
        let mut before = 0;
        for run in &known.runs {
            let distance = i64::from(run.first) - before;
            put(u64::from(run.count) << 1 | u64::from(run.step), &mut bytes);
            put(((distance << 1) ^ (distance >> 63)).cast_unsigned(), &mut bytes);
            put(run.extra.into(), &mut bytes);
            before = run.first.into();
        }
        Some(bytes)
    }

    /// Reads what [`Self::to_bytes`] wrote; [`Self::Unknown`] if it is damaged.
    pub fn from_bytes(bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => Self::OfFile,
            Some(bytes) => KnownLines::read(bytes).map_or(Self::Unknown, Self::Known),
        }
    }
}

impl KnownLines {
    /// Returns the runs of a recording: for each line of a text its first and last line in the
    /// file, 0 if it comes from none, as a blank line between two blocks does.
    fn of(mut lines: Vec<(u32, u32)>) -> Option<Self> {
        let mut next = lines.iter().rev().map(|line| line.0).find(|&first| first > 0)?;
        // Lines that come from none are between their neighbours, so that runs are long.
        for at in (0..lines.len()).rev() {
            if lines[at].0 == 0 {
                let before = at.checked_sub(1).map_or(0, |before| lines[before].1);
                let between = if next > before + 1 { next - 1 } else { next };
                lines[at] = (between, between);
            }
            next = lines[at].0;
        }
        let mut runs: Vec<Run> = Vec::new();
        for (start, (first, last)) in (0_u32..).zip(lines) {
            let extra = last.saturating_sub(first);
            if let Some(run) = runs.last_mut().filter(|run| run.extra == extra) {
                let step = first.wrapping_sub(run.first);
                if run.count == 1 && step <= 1 {
                    run.step = step;
                }
                if first == run.first + run.count * run.step {
                    run.count += 1;
                    continue;
                }
            }
            runs.push(Run { start, count: 1, first, extra, step: 0 });
        }
        Some(Self { runs })
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        let mut runs: Vec<Run> = Vec::new();
        let (mut start, mut before) = (0_u32, 0_i64);
        while !bytes.is_empty() {
            let (head, distance, extra) = (take(&mut bytes)?, take(&mut bytes)?, take(&mut bytes)?);
            let distance = (distance >> 1).cast_signed() ^ -(distance & 1).cast_signed();
            let first = before.checked_add(distance)?;
            let run = Run {
                start,
                count: u32::try_from(head >> 1).ok().filter(|&count| count > 0)?,
                first: u32::try_from(first).ok().filter(|&first| first > 0)?,
                extra: u32::try_from(extra).ok()?,
                step: (head & 1) as u32,
            };
            run.first.checked_add(run.count)?.checked_add(run.extra)?;
            start = start.checked_add(run.count)?;
            before = first;
            runs.push(run);
        }
        Some(Self { runs })
    }

    fn in_file(&self, text_lines: &RangeInclusive<usize>) -> Option<RangeInclusive<usize>> {
        let from = u32::try_from(text_lines.start().checked_sub(1)?).ok()?;
        let to = u32::try_from(text_lines.end().checked_sub(1)?).ok()?.max(from);
        let begin = self.runs.partition_point(|run| run.start + run.count <= from);
        let inside = self.runs[begin..].iter().take_while(|run| run.start <= to);
        let lines =
            inside.map(|run| run.lines(from.max(run.start), to.min(run.start + run.count - 1)));
        let (first, last) = lines.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        Some(first as usize..=last as usize)
    }
}

/// Notes for each line of a text as it is written from which lines of the file it comes.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    lines: Vec<(u32, u32)>,
    /// The lines that are being converted; 0 while unknown.
    at: (u32, u32),
}

impl Recorder {
    /// Sets the lines, from 1, that what follows comes from.
    pub(crate) fn at(&mut self, first: u32, last: u32) {
        self.at = (first, last.max(first));
    }

    /// Notes a line of the text.
    pub(crate) fn line(&mut self) {
        self.lines.push(self.at);
    }

    /// Notes a line of the text that comes from none of the file.
    pub(crate) fn gap(&mut self) {
        self.lines.push((0, 0));
    }

    /// Returns the map.
    pub(crate) fn finish(self) -> LineMap {
        KnownLines::of(self.lines).map_or(LineMap::Unknown, LineMap::Known)
    }
}

/// The lines of a text, to find the line of a part of it.
pub(crate) struct LineStarts {
    /// Where the text is in memory: a part of it is found by its address.
    address: usize,
    bytes: usize,
    starts: Vec<u32>,
    /// For each line of the text, the line of the file that it comes from; `None`: the same.
    in_file: Option<Vec<u32>>,
}

impl LineStarts {
    pub(crate) fn of(text: &str) -> Self {
        let ends = text.bytes().zip(1..).filter(|&(byte, _)| byte == b'\n');
        Self {
            address: text.as_ptr() as usize,
            bytes: text.len(),
            starts: std::iter::once(0).chain(ends.map(|(_, next)| next)).collect(),
            in_file: None,
        }
    }

    /// Sets the lines of the file, from 1, that the lines of the text come from.
    pub(crate) fn come_from(&mut self, in_file: Option<Vec<u32>>) {
        self.in_file = in_file;
    }

    /// Returns the index, from 0, of the line in which `part` begins; `None` unless it is a slice
    /// of the text.
    pub(crate) fn index_of_part(&self, part: &str) -> Option<u32> {
        let at = (part.as_ptr() as usize).checked_sub(self.address)?;
        (at <= self.bytes).then(|| self.index_of_byte(at))
    }

    /// Returns the index, from 0, of the line of a byte of the text.
    pub(crate) fn index_of_byte(&self, at: usize) -> u32 {
        (self.starts.partition_point(|&start| start as usize <= at) as u32).saturating_sub(1)
    }

    /// Returns the line of the file, from 1, that a line of the text, from 0, comes from.
    pub(crate) fn in_file(&self, index: u32) -> u32 {
        let known = self.in_file.as_ref().and_then(|lines| lines.get(index as usize));
        known.copied().unwrap_or(index + 1)
    }

    /// Returns the line of the file, from 1, of a part of the text; `None` unless it is a slice of
    /// it.
    pub(crate) fn of_part(&self, part: &str) -> Option<u32> {
        self.index_of_part(part).map(|index| self.in_file(index))
    }
}

fn put(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(u32, u32)]) -> LineMap {
        let mut recorder = Recorder::default();
        for &(first, last) in lines {
            recorder.at(first, last);
            recorder.line();
        }
        recorder.finish()
    }

    #[test]
    fn lines_are_found_after_storing() {
        let recorded = [(3, 3), (0, 0), (5, 5), (6, 6), (7, 9), (7, 9), (40, 41), (2, 2)];
        let stored = map(&recorded).to_bytes().unwrap();
        let read = LineMap::from_bytes(Some(&stored));
        assert_eq!(read, map(&recorded));
        let of = |from, to| (*read.in_file(from..=to).start(), *read.in_file(from..=to).end());
        assert_eq!(of(1, 1), (3, 3));
        assert_eq!(of(1, 4), (3, 6));
        assert_eq!(of(5, 5), (7, 9));
        assert_eq!(of(6, 8), (2, 41));
        // A span past the end has no lines of its own.
        assert_eq!(of(9, 9), (9, 9));
    }

    #[test]
    fn maps_are_joined() {
        let outer = map(&[(1, 1), (2, 3), (2, 3), (4, 4)]);
        let LineMap::Known(outer) = outer else { panic!("{outer:?}") };
        let inner = map(&[(1, 1), (3, 4), (0, 0)]);
        let joined = inner.through(&outer);
        assert_eq!(joined.in_file(1..=1), 1..=1);
        assert_eq!(joined.in_file(2..=2), 2..=4);
        assert_eq!(LineMap::OfFile.through(&outer), LineMap::Known(outer));
    }

    #[test]
    fn long_texts_are_few_bytes_where_lines_correspond() {
        let lines: Vec<_> = (1..10_000).map(|line| (line + 7, line + 7)).collect();
        assert_eq!(map(&lines).to_bytes().unwrap().len(), 5);
    }

    #[test]
    fn what_is_no_map_is_unknown() {
        assert_eq!(map(&[(0, 0)]), LineMap::Unknown);
        assert_eq!(LineMap::from_bytes(None), LineMap::OfFile);
        assert_eq!(LineMap::OfFile.in_file(3..=4), 3..=4);
        for damaged in [&[][..], &[2], &[2, 2], &[0, 2, 0], &[2, 1, 0], &[0xff; 12]] {
            assert_eq!(LineMap::from_bytes(Some(damaged)), LineMap::Unknown, "{damaged:?}");
        }
    }

    #[test]
    fn a_part_is_found_by_where_it_is() {
        let text = "one\ntwo\n\nfour".to_owned();
        let lines = LineStarts::of(&text);
        let of = |part: &str| lines.of_part(part);
        assert_eq!(
            [&text[..3], &text[4..6], &text[8..8], &text[10..]].map(of),
            [1, 2, 3, 4].map(Some)
        );
    }
}
