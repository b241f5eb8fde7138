//! A knowledge base with changed bytes: checked, searched and ingested into without a panic.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use kbingest::config::Config;
use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{CheckOptions, IngestOptions, Session, Target, check, ingest, search};
use kbingest::support::checkpoint::StopSignal;
use kbingest::support::events::Silent;
use tempfile::TempDir;

/// The header of the first page identifies the file.
const HEADER_BYTES: usize = 100;

/// A folder with kb.toml, documents, and the bytes of the knowledge base made of them.
struct Sample {
    folder: TempDir,
    bytes: Vec<u8>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a temporary file");
    };
    std::fs::create_dir(folder.path().join("docs")).expect("a temporary folder");
    write("docs/a.md", "# Alpha\n\nThe first document.\n\n## Beta\n\n- one\n- two\n");
    write("docs/b.txt", &"A river, a lantern, a copper window. ".repeat(200));
    write("kb.toml", "[[source.directory]]\nname = 'docs'\npath = 'docs'\n[embed.hash]\ndim = 8\n");
    run(&folder.path().join("kb.toml"));
    let bytes = std::fs::read(folder.path().join("kb.kb")).expect("it was made");
    Sample { folder, bytes }
});

fn run(toml: &Path) -> Option<u8> {
    let config = Config::load(toml).expect("it is well formed");
    let stop = Arc::new(StopSignal::default());
    let options = IngestOptions { threads: 1, ..IngestOptions::default() };
    let session = Session { stop, events: &Silent, hook: None, embedder: None };
    ingest(&config, &options, &session).ok().map(|report| report.exit_code)
}

/// Returns a knowledge base with a few documents that nobody writes to.
pub fn sample() -> PathBuf {
    SAMPLE.folder.path().join("kb.kb")
}

/// Changes bytes of a knowledge base according to `data`, five bytes for each: position, and
/// flipped bits.
pub fn damage_is_borne(data: &[u8]) {
    let sample = &*SAMPLE;
    let mut bytes = sample.bytes.clone();
    let (changes, _) = data.as_chunks::<5>();
    for [a, b, c, d, flipped] in changes {
        let at = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let at = HEADER_BYTES + at % (bytes.len() - HEADER_BYTES);
        bytes[at] ^= flipped;
    }
    let folder = TempDir::new_in(sample.folder.path()).expect("a temporary folder");
    let kb = folder.path().join("kb.kb");
    let put = || std::fs::write(&kb, &bytes).expect("a temporary file");
    for repair in [false, true] {
        put();
        let options = CheckOptions { read_data: true, repair };
        let code = match check(&Target::File(kb.clone()), options) {
            Ok(report) if report.findings.is_empty() => 0,
            Ok(_) => 12,
            Err(error) => error.exit_code().number(),
        };
        assert!(matches!(code, 0 | 12 | 13), "check ends with {code}, repair: {repair}");
    }
    let options = Query {
        show: Show { limit: 5, mode: SearchMode::Hybrid, context: 1, ..Show::default() },
        ..Query::new("river lantern")
    };
    put();
    // Found, or an error: only a crash matters.
    let _ = search(&Target::File(kb.clone()), &options);
    put();
    let toml = folder.path().join("kb.toml");
    std::fs::copy(sample.folder.path().join("kb.toml"), &toml).expect("a temporary file");
    std::fs::create_dir(folder.path().join("docs")).expect("a temporary folder");
    let _ = run(&toml);
}
