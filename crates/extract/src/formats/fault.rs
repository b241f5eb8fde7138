//! Documents that break their extractor on purpose, to test that only they fail.
//!
//! Only in debug builds, and only if [`VARIABLE`] is set. The content of a file `*.fault` names
//! what happens.

use kbingest_support::files;

use crate::{DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata};

/// Environment variable that makes `*.fault` a format.
pub(crate) const VARIABLE: &str = "KBINGEST_TEST_FAULTS";

/// Reports whether faults are enabled.
pub(crate) fn is_on() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The format.
pub(crate) struct Fault;

impl Extractor for Fault {
    fn id(&self) -> &'static str {
        "fault@1"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match text.lines().next().unwrap_or_default() {
            "panic" => panic!("planted"),
            "overflow" => overflow(0).to_string().clear(),
            // A loop that yields would get no processor time on a busy machine.
            "loop" => loop {
                std::hint::spin_loop();
            },
            "allocate" => allocate(),
            "exit" => std::process::exit(7),
            "abort" => std::process::abort(),
            "write" => write_a_file(),
            // More than the pipe can hold.
            "shout" => shout(),
            "fail" => {
                return Err(DocumentError::permanent(uri, "planted"));
            }
            _ => {}
        }
        Ok(Extracted {
            title: format!("in process {}", std::process::id()),
            media_type: MediaType::Plain,
            text,
            encoding: "utf-8".to_owned(),
            metadata: Metadata::new(),
            lines: LineMap::Unknown,
        })
    }
}

#[expect(unconditional_recursion, reason = "it is there to overflow the stack")]
fn overflow(depth: u64) -> u64 {
    std::hint::black_box(overflow(std::hint::black_box(depth + 1)) + 1)
}

fn allocate() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1; 16 << 20]));
    }
}

fn write_a_file() {
    use std::io::Write;
    let path = std::env::temp_dir().join(format!("kbingest-fault-{}", std::process::id()));
    let Ok(mut file) = files::nameless(&path) else { return };
    let _ = file.write_all(b"x");
}

fn shout() {
    use std::io::Write;
    let line = [b'x'; 1 << 16];
    for _ in 0..16 {
        let _ = std::io::stdout().write_all(&line);
        let _ = std::io::stderr().write_all(&line);
    }
}
