//! kb.toml: every error as people see it, and kb.example.toml, which names every key.

mod example;

use std::path::Path;
use std::process::Command;

use kbingest::config::Config;

/// A `docs` source, for cases about something else.
const SOURCE: &str = "[[source.directory]]\nname = \"docs\"\npath = \"docs\"\n";

/// Returns what `kbingest ingest` prints about `text` as kb.toml, with a folder `docs` beside it;
/// it must exit with 2.
fn refusal(text: impl AsRef<[u8]>) -> String {
    let folder = folder();
    std::fs::write(folder.path().join("kb.toml"), text).unwrap();
    refusal_in(folder.path())
}

fn refusal_in(folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kbingest"))
        .args(["ingest", "kb.toml"])
        .current_dir(folder)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(output.stdout, b"");
    let base = folder.canonicalize().unwrap();
    stderr.replace(base.to_str().unwrap(), "BASE").replace(folder.to_str().unwrap(), "BASE")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("docs")).unwrap();
    folder
}

fn with_source(text: &str) -> String {
    refusal(format!("{SOURCE}{text}"))
}

#[test]
fn unknown_keys_and_tables() {
    insta::assert_snapshot!(with_source("[chunk]\nmax_token = 5\n"), @r#"
    error: kb.toml:5:1: chunk.max_token: unknown key `max_token`, expected one of `max_tokens`, `overlap_tokens`, `tokenizer`
     --> kb.toml:5:1
      |
    5 | max_token = 5
      | ^^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("include_hidden = true\n"), @r#"
    error: kb.toml:4:1: source.directory.include_hidden: unknown key `include_hidden`, expected one of `name`, `path`, `include`, `exclude`, `gitignore`, `hidden`, `follow_links`, `max_file_size`, `max_documents`, `max_delete`, `skip_if`, `base_url`, `anchors`
     --> kb.toml:4:1
      |
    4 | include_hidden = true
      | ^^^^^^^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[kb]\nfile = \"a.kb\"\n"), @r#"
    error: kb.toml:5:1: kb.file: unknown key `file`, expected one of `path`, `mode`, `name`, `title`, `description`
     --> kb.toml:5:1
      |
    5 | file = "a.kb"
      | ^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[embed.builtin]\ndim = 5\n"), @r#"
    error: kb.toml:5:1: embed.builtin.dim: unknown key `dim`, this table has no keys
     --> kb.toml:5:1
      |
    5 | dim = 5
      | ^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[embedder]\n"), @r#"
    error: kb.toml:4:2: embedder: unknown key `embedder`, expected one of `kb`, `source`, `extract`, `chunk`, `embed`, `budget`, `search`
     --> kb.toml:4:2
      |
    4 | [embedder]
      |  ^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(refusal("[[source.wiki]]\nname = \"a\"\n"), @r#"
    error: kb.toml:1:10: source.wiki: unknown key `wiki`, expected one of `directory`, `git`, `archive`, `records`, `web`
     --> kb.toml:1:10
      |
    1 | [[source.wiki]]
      |          ^^^^
    hint: kb.example.toml explains every key
    "#);
}

#[test]
fn a_knowledge_base_that_is_no_file() {
    let check = |path: &str, what: &str| {
        let refused = with_source(&format!("[kb]\npath = \"{path}\"\n"));
        let wanted = format!("error: kb.toml:5:8: kb.path: path must name a file, and {what}\n");
        assert!(refused.starts_with(&wanted), "{refused}");
    };
    check("", "is empty");
    check("a/", "a/ is a folder");
    check("docs", "docs is a folder");
}

#[test]
fn wrong_types() {
    insta::assert_snapshot!(with_source("[chunk]\nmax_tokens = \"many\"\n"), @r#"
    error: kb.toml:5:14: chunk.max_tokens: invalid type: string "many", expected a whole number, 0 or more
     --> kb.toml:5:14
      |
    5 | max_tokens = "many"
      |              ^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[chunk]\nmax_tokens = -1\n"), @r#"
    error: kb.toml:5:14: chunk.max_tokens: invalid value: integer `-1`, expected a whole number, 0 or more
     --> kb.toml:5:14
      |
    5 | max_tokens = -1
      |              ^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("hidden = \"yes\" # or no\n"), @r#"
    error: kb.toml:4:10: source.directory.hidden: invalid type: string "yes", expected true or false
     --> kb.toml:4:10
      |
    4 | hidden = "yes" # or no
      |          ^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("exclude = \"drafts\"\n"), @r#"
    error: kb.toml:4:11: source.directory.exclude: invalid type: string "drafts", expected a list
     --> kb.toml:4:11
      |
    4 | exclude = "drafts"
      |           ^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("exclude = [\n  # a = b\n  \"a=b\",\n  5,\n]\n"), @r#"
    error: kb.toml:7:3: source.directory.exclude: invalid type: integer `5`, expected a text in quotes
     --> kb.toml:7:3
      |
    7 |   5,
      |   ^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("max_file_size = \"10 megs\"\n"), @r#"
    error: kb.toml:4:17: source.directory.max_file_size: "10 megs" is not a size; allowed is a whole number of bytes, or a number with a unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB
     --> kb.toml:4:17
      |
    4 | max_file_size = "10 megs"
      |                 ^^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[kb]\npath = 5\n"), @r#"
    error: kb.toml:5:8: kb.path: invalid type: integer `5`, expected a path in quotes
     --> kb.toml:5:8
      |
    5 | path = 5
      |        ^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(refusal("[source.directory]\nname = \"a\"\npath = \"docs\"\n"), @r#"
    error: kb.toml:1:1: source.directory: invalid type: table, expected a list of tables: write [[two brackets]]
     --> kb.toml:1:1
      |
    1 | [source.directory]
      | ^^^^^^^^^^^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
}

#[test]
fn what_a_source_needs() {
    insta::assert_snapshot!(refusal("[kb]\n"), @r#"
    error: kb.toml:1:1: source: no source: add a [[source.directory]] table with `name` and `path`, or a [[source.git]], [[source.web]], [[source.archive]] or [[source.records]] table
     --> kb.toml:1:1
      |
    1 | [kb]
      | ^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(refusal(""), @r#"
    error: kb.toml:1:1: source: no source: add a [[source.directory]] table with `name` and `path`, or a [[source.git]], [[source.web]], [[source.archive]] or [[source.records]] table
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(refusal("[[source.directory]]\nname = \"docs\"\n"), @r#"
    error: kb.toml:1:1: source.directory: missing key `path`
     --> kb.toml:1:1
      |
    1 | [[source.directory]]
      | ^^^^^^^^^^^^^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("include = [\"**/*.md\", \"[a\"]\n"), @r#"
    error: kb.toml:4:23: source.directory.include: glob "[a" cannot be read: unclosed character class; missing ']'
     --> kb.toml:4:23
      |
    4 | include = ["**/*.md", "[a"]
      |                       ^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("exclude = [\"/drafts\"]\n"), @r#"
    error: kb.toml:4:12: source.directory.exclude: glob "/drafts" matches nothing: globs are relative to `path`, without a leading `/`, `.` or `..`
     --> kb.toml:4:12
      |
    4 | exclude = ["/drafts"]
      |            ^^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("max_file_size = 0\n"), @r#"
    error: kb.toml:4:17: source.directory.max_file_size: a limit of 0 skips every file; allowed is 1 byte and more
     --> kb.toml:4:17
      |
    4 | max_file_size = 0
      |                 ^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(
        refusal("[[source.directory]]\nname = \"my docs\"\npath = \"kb.toml\"\n"),
        @r#"
    error: kb.toml:2:8: source.directory.name: "my docs" is not a name; allowed are 1 to 64 letters a-z and A-Z, digits, `-`, `_` and `.`, the first a letter or a digit
     --> kb.toml:2:8
      |
    2 | name = "my docs"
      |        ^^^^^^^^^
    error: kb.toml:3:8: source.directory.path: BASE/kb.toml is not a folder
     --> kb.toml:3:8
      |
    3 | path = "kb.toml"
      |        ^^^^^^^^^
    hint: kb.example.toml explains every key
    "#
    );
    insta::assert_snapshot!(with_source(SOURCE), @r#"
    error: kb.toml:5:8: source.directory.name: "docs" names two sources; every source needs a name of its own
     --> kb.toml:5:8
      |
    5 | name = "docs"
      |        ^^^^^^
    hint: kb.example.toml explains every key
    "#);
}

#[test]
fn repositories_that_cannot_be_meant() {
    let git = |keys: &str| refusal(format!("[[source.git]]\nname = \"a\"\n{keys}"));
    let said = [
        git("url = \"--upload-pack=x\"\nref = \"-x\"\nsubdirectory = \"../a\"\n"),
        git("url = \"ext::sh -c date\"\nref = \"main..next\"\nsubdirectory = \"/etc\"\n"),
        git("url = \"https:\\u002f/me:secret@example.org/a\"\npassword_env = \"hunter2!\"\n"),
        git("url = \"git@example.org:a.git\"\npassword_env = \"TOKEN\"\ndepth = -1\n"),
        git("url = \"git@example.org:a.git\"\npassword_env = \"TOKEN\"\n"),
    ];
    let errors = said.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("error"));
    insta::assert_snapshot!(errors.collect::<Vec<_>>().join("\n"), @r#"
    error: kb.toml:3:7: source.git.url: this is not a URL; allowed are https, http, ssh and git urls, user@host:path, and a folder
    error: kb.toml:4:7: source.git.ref: "-x" is not a ref; allowed is a branch, a tag, or a full commit id
    error: kb.toml:5:16: source.git.subdirectory: "../a" is not a folder of a repository; allowed is a path like docs/guide, without a leading `/`, `.` or `..`
    error: kb.toml:3:7: source.git.url: this asks for a remote helper; allowed are https, http, ssh and git urls, user@host:path, and a folder
    error: kb.toml:4:7: source.git.ref: "main..next" is not a ref; allowed is a branch, a tag, or a full commit id
    error: kb.toml:5:16: source.git.subdirectory: "/etc" is not a folder of a repository; allowed is a path like docs/guide, without a leading `/`, `.` or `..`
    error: kb.toml:3:7: source.git.url: a password or token does not belong in this file; name a variable in `password_env`, and leave out what begins with `?` or `#`
    error: kb.toml:4:16: source.git.password_env: "hunter2!" is not the name of an environment variable; the password itself does not belong here
    error: kb.toml:5:9: source.git.depth: invalid value: integer `-1`, expected a whole number, 0 or more
    error: kb.toml:4:16: source.git.password_env: a password is for http and https only; ssh uses your own keys
    "#);
}

#[test]
fn sites_that_cannot_be_meant() {
    let web = |keys: &str| refusal(format!("[[source.web]]\nname = \"a\"\n{keys}"));
    let said = [
        web(""),
        web("start_urls = [\"example.org\", \"ftp://example.org/\"]\n"),
        web("start_urls = [\"https:\\u002f/me:secret@example.org/\"]\nsitemaps = [\"all\"]\n"),
        web("urls = [\"https://example.org/\"]\nrequests_per_second = 0\nmax_concurrency = 0\n"),
        web(
            "urls = [\"https://example.org/\"]\ntimeout = 0\nheaders = [\"Authorization: Bearer x\"]\n",
        ),
        web(
            "urls = [\"https://example.org/\"]\nremove_selectors = [\"a > b\"]\nuser_agent = \"\"\n",
        ),
        web("urls = [\"https://example.org/\"]\nmax_page_size = 0\nmax_pages = \"all\"\n"),
    ];
    let errors = said.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("error"));
    let errors = errors.collect::<Vec<_>>().join("\n");
    let secret = ["https:", "//me:secret@example.org/"].concat();
    insta::assert_snapshot!(errors.replace(&secret, "HIDDEN"), @r#"
    error: kb.toml:2:8: source.web.start_urls: nothing to crawl: add `start_urls`, `urls`, `url_file` or the url of a sitemap
    error: kb.toml:3:15: source.web.start_urls: "example.org" cannot be fetched: write it whole, with https and host
    error: kb.toml:3:30: source.web.start_urls: "ftp://example.org/" cannot be fetched: only http and https are allowed
    error: kb.toml:3:15: source.web.start_urls: "https://***@example.org/" cannot be fetched: a password does not belong in this file; use `headers`
    error: kb.toml:4:13: source.web.sitemaps: "all" cannot be fetched: write it whole, with https and host, or one of the words robots and auto
    error: kb.toml:4:23: source.web.requests_per_second: 0 is not above 0 and at most 1000
    error: kb.toml:5:19: source.web.max_concurrency: 0 is not 1 to 32
    error: kb.toml:5:12: source.web.headers: "Authorization: Bearer x" is not a header; write Name=VARIABLE, with the value in that environment variable
    error: kb.toml:4:11: source.web.timeout: 0 is not 1 to 3600 seconds
    error: kb.toml:4:21: source.web.remove_selectors: "a > b" must be made of tag, #id, .class, [name] and [name=value]
    error: kb.toml:5:14: source.web.user_agent: "" is not a user agent; it begins with a name, as in kbingest/1.0 (+https://example.org)
    error: kb.toml:5:13: source.web.max_pages: invalid type: string "all", expected a whole number, 0 or more
    "#);
}

#[test]
fn values_out_of_range() {
    insta::assert_snapshot!(with_source("[search]\nvector_weight = -0.5\n"), @r#"
    error: kb.toml:5:17: search.vector_weight: vector_weight must be 0 to 100, not -0.5
     --> kb.toml:5:17
      |
    5 | vector_weight = -0.5
      |                 ^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[chunk]\nmax_tokens = 31\n"), @r#"
    error: kb.toml:5:14: chunk.max_tokens: max_tokens must be 32 to 8192, not 31
     --> kb.toml:5:14
      |
    5 | max_tokens = 31
      |              ^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[chunk]\nmax_tokens = 8193\n"), @r#"
    error: kb.toml:5:14: chunk.max_tokens: max_tokens must be 32 to 8192, not 8193
     --> kb.toml:5:14
      |
    5 | max_tokens = 8193
      |              ^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[chunk]\nmax_tokens = 64\noverlap_tokens = 32\n"), @r#"
    error: kb.toml:6:18: chunk.overlap_tokens: overlap_tokens must be less than half of max_tokens (32), not 32
     --> kb.toml:6:18
      |
    6 | overlap_tokens = 32
      |                  ^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("chunk = { overlap_tokens = 128 }\n"), @r#"
    error: kb.toml:4:1: source.directory.chunk: unknown key `chunk`, expected one of `name`, `path`, `include`, `exclude`, `gitignore`, `hidden`, `follow_links`, `max_file_size`, `max_documents`, `max_delete`, `skip_if`, `base_url`, `anchors`
     --> kb.toml:4:1
      |
    4 | chunk = { overlap_tokens = 128 }
      | ^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[embed.hash]\ndim = 0\n"), @r#"
    error: kb.toml:5:7: embed.hash.dim: embed.hash.dim is 0; it must be 1 to 4096
     --> kb.toml:5:7
      |
    5 | dim = 0
      |       ^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("[embed.builtin]\n[embed.hash]\ndim = 8\n"), @r#"
    error: kb.toml:4:2: embed: [embed.builtin] and [embed.hash] exclude each other; keep one
     --> kb.toml:4:2
      |
    4 | [embed.builtin]
      |  ^^^^^
    hint: kb.example.toml explains every key
    "#);
}

/// A server does not say what its tokens are.
#[test]
fn tokens_that_nobody_knows() {
    let first = |text: &str| with_source(text).lines().next().unwrap().to_owned();
    let http = "[embed.http]\nmodel = \"m\"\ndim = 2\nurl = \"http://127.0.0.1\"\n";
    insta::assert_snapshot!(first("[chunk]\ntokenizer = \"bert\"\n"), @r#"error: kb.toml:5:13: chunk.tokenizer: "bert" is neither "builtin" nor "model" nor the path of a tokenizer.json"#);
    insta::assert_snapshot!(first(&format!("[chunk]\ntokenizer = \"model\"\n{http}")), @r#"error: kb.toml:6:1: embed.http: http.tokenizer must be the path of the model's tokenizer.json, as chunk.tokenizer is "model""#);
    insta::assert_snapshot!(first(&format!("{http}tokenizer = \"model\"\n")), @r#"error: kb.toml:8:13: embed.http.tokenizer: http.tokenizer must be the path of a tokenizer.json: a server does not say its own"#);
}

#[test]
fn not_a_kb_toml_at_all() {
    insta::assert_snapshot!(refusal("# Handbook\n\nWelcome to the team.\n"), @r#"
    error: kb.toml:3:9: key with no value, expected `=`
     --> kb.toml:3:9
      |
    3 | Welcome to the team.
      |         ^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("hidden = true\nhidden = true\n"), @r#"
    error: kb.toml:5:1: source.directory.hidden: duplicate key
     --> kb.toml:5:1
      |
    5 | hidden = true
      | ^^^^^^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(with_source("exclude = [\"a\n"), @r#"
    error: kb.toml:4:14: source.directory.exclude: unclosed array, expected `]`
     --> kb.toml:4:14
      |
    4 | exclude = ["a
      |              ^
    hint: kb.example.toml explains every key
    "#);
    insta::assert_snapshot!(refusal([0xff, 0xfe, 0x00]), @"error: cannot read kb.toml: not UTF-8: is this a kb.toml?");
    insta::assert_snapshot!(refusal("# é\n".repeat(1 << 18)), @"error: cannot read kb.toml: larger than 1 MiB: is this a kb.toml?");

    let folder = folder();
    insta::assert_snapshot!(refusal_in(folder.path()), @r#"
    error: cannot read kb.toml: No such file or directory (os error 2)
    hint: name the kb.toml to use; kb.example.toml shows how to write one
    "#);
    std::fs::create_dir(folder.path().join("kb.toml")).unwrap();
    insta::assert_snapshot!(refusal_in(folder.path()), @"error: cannot read kb.toml: Is a directory (os error 21)");
}

#[test]
fn control_characters_in_kb_toml_do_not_reach_the_terminal() {
    let shown = refusal("# \u{1b}[2J\u{9b}\n[[source.directory]]\nname = \"\u{7f}\"");
    assert!(!shown.contains(['\u{1b}', '\u{7f}', '\u{9b}']), "{shown:?}");
    let shown = with_source("\"\\u001b[2J\" = 1\n");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    insta::assert_snapshot!(shown, @r#"
    error: kb.toml:4:1: source.directory."\u001b[2J": unknown key `\u{1b}[2J`, expected one of `name`, `path`, `include`, `exclude`, `gitignore`, `hidden`, `follow_links`, `max_file_size`, `max_documents`, `max_delete`, `skip_if`, `base_url`, `anchors`
     --> kb.toml:4:1
      |
    4 | "\u001b[2J" = 1
      | ^^^^^^^^^^^
    hint: kb.example.toml explains every key
    "#);
}

#[test]
fn default_paths() {
    let folder = folder();
    let check = |name: &str, kb: &str, expected: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{kb}\n{SOURCE}")).unwrap();
        assert_eq!(Config::load(&path).unwrap().kb, folder.path().join(expected), "{name}");
    };
    check("kb.toml", "", "kb.kb");
    check("team.a.toml", "", "team.a.kb");
    check("kb.toml", "kb.path = \"../x.kb\"", "../x.kb");
    check("kb.toml", "kb.path = \"/srv/x.kb\"", "/srv/x.kb");
}
