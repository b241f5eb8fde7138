//! Names and places: names of files, and things other than files.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::{Expect, Hostile, Make};

/// Names with a meaning for a shell, SQL, FTS5, a terminal or globs, and unusual ones.
const NAMES: [&str; 58] = [
    "new\nline.md",
    "carriage\rreturn.md",
    "tab\tbed.md",
    "\u{1}.md",
    "bell\u{7}.md",
    "escape\u{1b}[31mred.md",
    "title\u{1b}]0;owned\u{7}.md",
    "delete\u{7f}.md",
    "c1\u{9b}31m.md",
    "next-line\u{85}.md",
    "line-separator\u{2028}.md",
    " leading.md",
    "trailing.md ",
    " ",
    "two  spaces.md",
    "no-break\u{a0}.md",
    "-rf.md",
    "--help",
    "--",
    "-",
    "%41.md",
    "%",
    "%%",
    "%zz.md",
    "%00.md",
    "%2e%2e%2fetc.md",
    "100%25.md",
    "'; DROP TABLE document; --.md",
    "\"quoted\".md",
    "`tick`.md",
    "a\\b.md",
    "NEAR(a b).md",
    "a* OR b.md",
    "^title: x.md",
    "AND",
    "*.md",
    "?.md",
    "[a].md",
    "{a,b}.md",
    "!bang.md",
    "#hash.md",
    "$(reboot).md",
    "~",
    "a:b.md",
    "con.md",
    "nul",
    "a|b.md",
    "<script>.md",
    "&amp;.md",
    "emoji\u{1f600}\u{200d}.md",
    "rtl\u{202e}dm.exe",
    "\u{feff}bom.md",
    "\u{fffd}.md",
    "cafe\u{301}.md",
    "caf\u{e9}.md",
    "upper.MD",
    "ends-in-dot.",
    "no-ending",
];

/// Names that are not UTF-8.
const BYTES: [&[u8]; 6] =
    [b"\xff.md", b"caf\xe9.md", b"\xed\xa0\x80.md", b"\xc0\xaf.md", b"%\xff.txt", b"a\xf0\x9f.rs"];

const HIDDEN: [&str; 4] = [".md", ".hidden.md", "...", "..md"];

fn named(name: Vec<u8>, expect: Expect) -> Hostile {
    let path = PathBuf::from("names").join(OsString::from_vec(name));
    Hostile::new(path, Make::Bytes(b"# Named\n\nA text with a name.\n".to_vec()), expect)
}

fn names() -> Vec<Hostile> {
    let mut files: Vec<_> =
        NAMES.iter().map(|name| named(name.as_bytes().to_vec(), Expect::Text)).collect();
    files.extend(BYTES.iter().map(|name| named(name.to_vec(), Expect::Text)));
    files.extend(HIDDEN.iter().map(|name| named(name.as_bytes().to_vec(), Expect::Unlisted)));
    for length in [254, 255] {
        let stem = "n".repeat(length - 3);
        files.push(named(format!("{stem}.md").into_bytes(), Expect::Text));
    }
    // 255 bytes that become three times as many in the URI.
    files.push(named(vec![0xff; 255], Expect::Text));
    for byte in (1..32).filter(|byte| !b"\n\r\t\x01\x07\x1b".contains(byte)) {
        files.push(named(vec![b'c', byte, b'c'], Expect::Text));
    }
    files
}

/// Followed links only become documents if `links` are followed.
fn links() -> Vec<Hostile> {
    let link = |name: &str, target: &str| {
        Hostile::new(format!("links/{name}"), Make::Link(target.into()), Expect::Unlisted)
    };
    vec![
        link("to-itself.md", "to-itself.md"),
        link("to-and.md", "fro.md"),
        link("fro.md", "to-and.md"),
        link("dangling.md", "nowhere.md"),
        link("dangling-far.md", "/nonexistent/a/b.md"),
        link("to-root", "/"),
        link("to-parent", ".."),
        link("to-here", "."),
        link("out.md", "../../../outside.md"),
        link("to-passwd.md", "/etc/passwd"),
        link("to-zero.md", "/dev/zero"),
        link("to-memory.md", "/proc/self/mem"),
        link("to-stdin.md", "/dev/stdin"),
        link("long-target.md", &"x/".repeat(2000)),
    ]
}

fn special() -> Vec<Hostile> {
    let text = |name: &str| Hostile::text(name, "# Inside\n\nA text.\n");
    let unlisted = |name: &str, make| Hostile::new(name, make, Expect::Unlisted);
    vec![
        unlisted("special/fifo.md", Make::Fifo),
        unlisted("special/socket.md", Make::Socket),
        unlisted("special/zero.md", Make::Device([1, 5])),
        unlisted("special/full.md", Make::Device([1, 7])),
        text("special/folder.md/inside.md"),
        text("special/folder.md/folder.md/folder.md/inside.md"),
        unlisted("special/empty-folder.md", Make::Folder),
        Hostile::new(
            "special/unreadable.md",
            Make::Unreadable(b"# Closed\n\nA text.\n".to_vec()),
            Expect::FailedUnlessRoot,
        ),
        text(&format!("deep/{}inside.md", "d/".repeat(400))),
        // Deeper than a path can be: the folder where that begins cannot be listed.
        Hostile::new("abyss", Make::Abyss, Expect::Failed),
    ]
}

/// Ignore files that are not regular files. The documents beside them stay, unless reading the file
/// would never end: then the folder cannot be listed.
fn ignore_files() -> Vec<Hostile> {
    let mut files = Vec::new();
    let makes = [
        ("fifo", Make::Fifo, Expect::Unlisted),
        ("zero", Make::Link("/dev/zero".into()), Expect::Unlisted),
        ("sparse", Make::Sparse(1 << 40), Expect::Unlisted),
        ("folder", Make::Folder, Expect::Text),
        ("binary", Make::Bytes((0..=255).collect()), Expect::Text),
        ("bad-globs", Make::Bytes(b"[\n{a,\n!\n\\\n**a**\n[z-a]\n".to_vec()), Expect::Text),
        ("long-line", Make::Bytes(b"*a".repeat(50_000)), Expect::Text),
        ("itself", Make::Link(".gitignore".into()), Expect::Text),
    ];
    for (name, make, beside) in makes {
        for ignore in [".gitignore", ".kbignore"] {
            let folder = format!("ignore/{name}{ignore}");
            files.push(Hostile::new(format!("{folder}/{ignore}"), make.clone(), Expect::Unlisted));
            let text = b"# Beside\n\nA text.\n".to_vec();
            files.push(Hostile::new(format!("{folder}/beside.md"), Make::Bytes(text), beside));
            if beside == Expect::Unlisted {
                files.push(Hostile::new(folder, Make::Folder, Expect::Failed));
            }
        }
    }
    files
}

pub fn hostile() -> Vec<Hostile> {
    let mut files = names();
    files.extend(links());
    files.extend(special());
    files.extend(ignore_files());
    files
}
