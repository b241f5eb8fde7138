//! Bodies compressed with Zstandard, RFC 8878, as a content coding.

use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::StreamingDecoder;

/// Appends the content of `body` to `bytes`, frame after frame, up to `max` bytes.
pub(super) fn read(body: impl Read, bytes: &mut Vec<u8>, max: u64) -> io::Result<()> {
    let mut body = BufReader::new(body);
    while !body.fill_buf()?.is_empty() && (bytes.len() as u64) < max {
        let left = max - bytes.len() as u64;
        let frame = StreamingDecoder::new(&mut body).map_err(io::Error::other)?;
        frame.take(left).read_to_end(bytes)?;
    }
    Ok(())
}
