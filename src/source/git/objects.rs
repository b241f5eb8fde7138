//! Reads blobs through one long-lived `git cat-file --batch`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::command::{self, Git};

/// The result of reading a blob.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Blob {
    Bytes(Vec<u8>),
    TooLarge { size_bytes: u64 },
    Missing,
}

/// The process and its pipes; the process ends when the value is dropped.
pub(super) struct Objects {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Objects {
    pub(super) fn open(git: &Git) -> io::Result<Self> {
        let mut command = git.command().map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut child = command
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(command::not_started)?;
        let requests = child.stdin.take().expect("it is piped");
        let answers =
            BufReader::with_capacity(64 * 1024, child.stdout.take().expect("it is piped"));
        Ok(Self { child, requests, answers })
    }

    /// Reads the blob `id` if it has at most `bytes_max` bytes; after an error the process is no
    /// longer usable.
    pub(super) fn read(&mut self, id: &str, bytes_max: u64) -> io::Result<Blob> {
        writeln!(self.requests, "{id}")?;
        self.requests.flush()?;
        let mut header = String::new();
        self.answers.by_ref().take(512).read_line(&mut header)?;
        let size_bytes = match header.trim_end().split(' ').collect::<Vec<_>>()[..] {
            [_, "blob", size] => size.parse().map_err(io::Error::other)?,
            // A path may contain spaces.
            [.., "missing"] => return Ok(Blob::Missing),
            _ => return Err(io::Error::other(format!("git answers {header:?} for blob {id}"))),
        };
        let mut content = self.answers.by_ref().take(size_bytes);
        let blob = if size_bytes > bytes_max {
            io::copy(&mut content, &mut io::sink())?;
            Blob::TooLarge { size_bytes }
        } else {
            let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
            content.read_to_end(&mut bytes)?;
            if bytes.len() as u64 != size_bytes {
                return Err(io::Error::other(format!("git ended within blob {id}")));
            }
            Blob::Bytes(bytes)
        };
        let mut line_end = [0];
        self.answers.read_exact(&mut line_end)?;
        Ok(blob)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        command::end(&mut self.child);
    }
}
