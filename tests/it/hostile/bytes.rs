//! Bytes that are hardly text: byte order marks, broken encodings, NULs, other formats with a
//! text's name; and sizes from zero to a tebibyte.

use super::{Expect, Hostile, Make};

const ENGLISH: &str =
    "The quick brown fox jumps over the lazy dog, and nobody knows quite why it does.\n";

/// Extensions: one for each chunker.
const ENDINGS: [&str; 3] = ["md", "txt", "rs"];

fn english(count: usize) -> Vec<u8> {
    ENGLISH.repeat(count).into_bytes()
}

fn utf16(text: &str, is_little: bool) -> Vec<u8> {
    let bytes = |unit: u16| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

fn utf32(text: &str, is_little: bool) -> Vec<u8> {
    let bytes =
        |c: char| if is_little { (c as u32).to_le_bytes() } else { (c as u32).to_be_bytes() };
    text.chars().flat_map(bytes).collect()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Pseudo-random bytes, none of them 0.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut bytes = vec![0; count];
    reader.fill(&mut bytes);
    bytes.into_iter().map(|byte| byte.max(1)).collect()
}

/// Files by the byte order mark that they begin with.
fn marked() -> Vec<(&'static str, Vec<u8>, Expect)> {
    let text = ENGLISH.repeat(4);
    let lone = |unit: u16| join(&[b"\xff\xfe", &utf16(&text, true), &unit.to_le_bytes()]);
    vec![
        ("bom-utf8", join(&[b"\xef\xbb\xbf", text.as_bytes()]), Expect::Text),
        ("bom-utf8-twice", join(&[b"\xef\xbb\xbf\xef\xbb\xbf", text.as_bytes()]), Expect::Text),
        ("bom-utf8-only", b"\xef\xbb\xbf".to_vec(), Expect::Text),
        ("bom-utf16le", join(&[b"\xff\xfe", &utf16(&text, true)]), Expect::Text),
        ("bom-utf16be", join(&[b"\xfe\xff", &utf16(&text, false)]), Expect::Text),
        ("bom-utf16-only", b"\xff\xfe".to_vec(), Expect::Text),
        ("bom-utf16-odd", join(&[b"\xff\xfe", &utf16(&text, true), b"a"]), Expect::Text),
        ("bom-utf16-wrong-way", join(&[b"\xfe\xff", &utf16(&text, true)]), Expect::Text),
        ("bom-utf16-high-surrogate", lone(0xd800), Expect::Text),
        ("bom-utf16-low-surrogate", lone(0xdc00), Expect::Text),
        ("bom-utf16-surrogates", join(&[b"\xff\xfe", &b"\x00\xd8".repeat(200)]), Expect::Failed),
        ("bom-utf32le", join(&[b"\xff\xfe\0\0", &utf32(&text, true)]), Expect::Skipped),
        ("bom-utf32be", join(&[b"\0\0\xfe\xff", &utf32(&text, false)]), Expect::Skipped),
        ("bom-utf7", join(&[b"+/v8-", text.as_bytes()]), Expect::Text),
        ("bom-utf1", join(&[b"\xf7\x64\x4c", text.as_bytes()]), Expect::Text),
        ("bom-ebcdic", join(&[b"\xdd\x73\x66\x73", text.as_bytes()]), Expect::Text),
        ("bom-scsu", join(&[b"\x0e\xfe\xff", text.as_bytes()]), Expect::Text),
        ("bom-bocu1", join(&[b"\xfb\xee\x28", text.as_bytes()]), Expect::Text),
        ("bom-gb18030", join(&[b"\x84\x31\x95\x33", text.as_bytes()]), Expect::Text),
        ("utf16le-without-bom", utf16(&text, true), Expect::Text),
        ("utf16be-without-bom", utf16(&text, false), Expect::Text),
    ]
}

/// Sequences that are not UTF-8.
const BROKEN_UTF8: [(&str, &[u8]); 14] = [
    ("continuation", b"\x80"),
    ("continuations", b"\xbf\x80\xbf\x80"),
    ("ff", b"\xff"),
    ("fe", b"\xfe"),
    ("overlong-2", b"\xc0\xaf"),
    ("overlong-3", b"\xe0\x80\xaf"),
    ("overlong-4", b"\xf0\x80\x80\xaf"),
    ("overlong-nul", b"\xc0\x80"),
    ("surrogate-high", b"\xed\xa0\x80"),
    ("surrogate-pair", b"\xed\xa0\xbd\xed\xb8\x80"),
    ("above-range", b"\xf4\x90\x80\x80"),
    ("five-bytes", b"\xf8\x88\x80\x80\x80"),
    ("six-bytes", b"\xfc\x84\x80\x80\x80\x80"),
    ("cut-off", b"\xf0\x9f\x98"),
];

/// Starts of formats that are not text.
const MAGICS: [(&str, &[u8]); 11] = [
    ("png", b"\x89PNG\r\n\x1a\n"),
    ("jpeg", b"\xff\xd8\xff\xe0"),
    ("zip", b"PK\x03\x04"),
    ("gzip", b"\x1f\x8b\x08"),
    ("xz", b"\xfd7zXZ\0"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("elf", b"\x7fELF"),
    ("class", b"\xca\xfe\xba\xbe"),
    ("wasm", b"\0asm"),
    ("sqlite", b"SQLite format 3\0"),
    ("ole", b"\xd0\xcf\x11\xe0"),
];

fn nuls() -> Vec<(&'static str, Vec<u8>, Expect)> {
    let with_nul = |at: usize| {
        let mut bytes = english(200);
        bytes[at] = 0;
        bytes
    };
    vec![
        ("nul-first", with_nul(0), Expect::Skipped),
        ("nul-at-100", with_nul(100), Expect::Skipped),
        ("nul-at-8191", with_nul(8191), Expect::Skipped),
        // Beyond what is checked, as in git: a text with a NUL.
        ("nul-at-8192", with_nul(8192), Expect::Text),
        ("nuls-only", vec![0; 5000], Expect::Skipped),
        ("controls-only", vec![1; 5000], Expect::Skipped),
        ("escapes-only", vec![0x1b; 5000], Expect::Text),
        ("deletes-only", vec![0x7f; 5000], Expect::Skipped),
        ("high-bytes-only", vec![0xff; 5000], Expect::Text),
    ]
}

fn sizes() -> Vec<Hostile> {
    let sparse = |name: &str, bytes, expect| Hostile::new(name, Make::Sparse(bytes), expect);
    vec![
        Hostile::text("size/empty.md", ""),
        Hostile::text("size/one-byte.md", "x"),
        Hostile::text("size/one-space.txt", " "),
        Hostile::text("size/one-line-end.rs", "\n"),
        Hostile::text("size/line-of-5-mb.txt", "word ".repeat(1_000_000)),
        Hostile::text("size/word-of-1-mb.txt", "w".repeat(1_000_000)),
        sparse("size/just-too-large.md", (10 << 20) + 1, Expect::Skipped),
        sparse("size/1-gb-line.md", 1_000_000_000, Expect::Skipped),
        sparse("size/1-tib.md", 1 << 40, Expect::Skipped),
        sparse("size/nuls.md", 9 << 20, Expect::Skipped),
    ]
}

pub fn hostile() -> Vec<Hostile> {
    let mut files = sizes();
    let mut add = |name: String, bytes: &[u8], expect| {
        files.push(Hostile::new(name, Make::Bytes(bytes.to_vec()), expect));
    };
    for (name, bytes, expect) in marked().into_iter().chain(nuls()) {
        for ending in ENDINGS {
            add(format!("encoding/{name}.{ending}"), &bytes, expect);
        }
    }
    for (name, broken) in BROKEN_UTF8 {
        let in_english = join(&[&english(3), broken, &english(3)]);
        let in_greek = join(&["Ελληνικά κείμενα ".repeat(9).as_bytes(), broken, b"\n"]);
        add(format!("utf8/{name}-in-english.md"), &in_english, Expect::Text);
        add(format!("utf8/{name}-in-greek.txt"), &in_greek, Expect::Text);
        add(format!("utf8/{name}-at-end.rs"), &join(&[&english(3), broken]), Expect::Text);
    }
    for (name, magic) in MAGICS {
        let bytes = join(&[magic, &noise(1, 500), &[0; 8], &noise(2, 500)]);
        add(format!("format/{name}.md"), &bytes, Expect::Skipped);
    }
    for seed in 0..8 {
        add(format!("noise/{seed}.txt"), &noise(seed, 4000), Expect::Skipped);
    }
    files
}
