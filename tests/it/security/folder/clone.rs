//! Repositories from strangers: as a clone in a folder, and as the source itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::{kbingest, said};
use crate::support::{Place, rows};

/// Settings that name a program, which may make git run one.
const RUNNING: [&str; 10] = [
    "core.fsmonitor",
    "core.sshCommand",
    "core.gitProxy",
    "core.pager",
    "core.alternateRefsCommand",
    "core.askPass",
    "credential.helper",
    "uploadpack.packObjectsHook",
    "diff.external",
    "gpg.program",
];

pub(super) fn git(place: &Place, arguments: &[&str]) {
    let output = Command::new("git")
        .current_dir(place.path(""))
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .env("HOME", place.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
}

/// A place whose source is the repository `repo`, with two documents.
pub(super) fn repository(keys: &str) -> Place {
    let place = Place::new();
    place.configure(&format!(
        "[kb]\npath = 'kb.kb'\n[[source.git]]\nname = 'repo'\n{keys}\n[embed.hash]\ndim = 16\n"
    ));
    git(&place, &["init", "-q", "-b", "main", "repo"]);
    place.put(&place.path("repo/a.md"), b"# A\n\nalpha\n");
    place.put(&place.path("repo/b.md"), b"# B\n\nbeta\n");
    git(&place, &["-C", "repo", "add", "."]);
    git(&place, &["-C", "repo", "commit", "-q", "-m", "first"]);
    place
}

/// Writes a program that leaves a trace when it runs.
fn canary(place: &Place) -> PathBuf {
    let path = place.path("canary");
    let script = format!("#!/bin/sh\necho \"$0 $*\" >>'{}'\nexit 1\n", place.path("ran").display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn assert_nothing_ran(place: &Place, what: &str) {
    let ran = fs::read_to_string(place.path("ran")).unwrap_or_default();
    assert_eq!(ran, "", "{what}");
}

/// Makes every setting of `config` run the canary.
fn poison(place: &Place, config: &str) {
    let canary = canary(place);
    let canary = canary.to_str().unwrap();
    for key in RUNNING {
        git(place, &["config", "--file", config, key, canary]);
    }
    let set = |key: &str, value: &str| git(place, &["config", "--file", config, key, value]);
    set("core.hooksPath", place.path("hooks").to_str().unwrap());
    set("alias.upload-pack", &format!("!{canary}"));
    set("alias.fetch", &format!("!{canary}"));
    set("core.repositoryFormatVersion", "1");
    set("extensions.partialClone", "evil");
    set("remote.evil.promisor", "true");
    set("remote.evil.url", place.path("repo").to_str().unwrap());
    set("remote.evil.uploadpack", canary);
    set(&format!("url.ext::{canary}.insteadOf"), place.path("repo").to_str().unwrap());
}

fn hooks(place: &Place, folder: &str) {
    fs::create_dir_all(place.path(folder)).unwrap();
    for hook in ["reference-transaction", "post-upload-pack", "pre-auto-gc", "post-checkout"] {
        fs::copy(canary(place), place.path(folder).join(hook)).unwrap();
    }
}

/// From a stranger's folder, beside kb.toml, where earlier versions kept clones.
#[test]
fn a_clone_that_came_with_the_folder_is_not_used() {
    for url in ["url = 'repo'", "url = 'ssh:\\u002f/nowhere.invalid/a.git'"] {
        let place = repository(&url.replace('\'', "\""));
        git(&place, &["clone", "-q", "--bare", "repo", "kb.kb.git/repo"]);
        hooks(&place, "hooks");
        poison(&place, "kb.kb.git/repo/config");
        let before = fs::read_to_string(place.path("kb.kb.git/repo/config")).unwrap();
        let output = kbingest(&place).args(["ingest", "--trust"]).output().unwrap();
        assert_nothing_ran(&place, &said(&output));
        assert_eq!(fs::read_to_string(place.path("kb.kb.git/repo/config")).unwrap(), before);
    }
}

/// The folder of the clone belongs to us alone; anything that others put there is ignored.
#[test]
fn settings_in_our_clone_are_ours() {
    let place = repository("url = 'repo'");
    let ingest = || kbingest(&place).args(["ingest", "--trust"]).output().unwrap();
    assert_eq!(ingest().status.code(), Some(0));
    let clone = only(&only(&place.cache().join("kbingest")).join("git"));
    let relative = clone.strip_prefix(place.path("")).unwrap().to_str().unwrap().to_owned();
    hooks(&place, "hooks");
    hooks(&place, &format!("{relative}/hooks"));
    poison(&place, &format!("{relative}/config"));
    fs::create_dir_all(clone.join("info")).unwrap();
    fs::write(clone.join("info/attributes"), "* filter=evil\n").unwrap();
    fs::create_dir_all(clone.join("objects/info")).unwrap();
    fs::write(clone.join("objects/info/alternates"), "/nowhere\n").unwrap();
    fs::write(clone.join("commondir"), place.path("repo/.git").to_str().unwrap()).unwrap();
    place.put(&place.path("repo/c.md"), b"# C\n\ngamma\n");
    git(&place, &["-C", "repo", "add", "."]);
    git(&place, &["-C", "repo", "commit", "-q", "-m", "second"]);
    let output = ingest();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_nothing_ran(&place, &said(&output));
    assert_eq!(rows(&place.kb(), "SELECT COUNT(*) FROM document"), ["3"]);
    for name in ["hooks", "info/attributes", "objects/info/alternates", "commondir"] {
        assert!(!clone.join(name).exists(), "{name}");
    }
    let config = fs::read_to_string(clone.join("config")).unwrap();
    assert!(!config.contains("canary"), "{config}");
}

/// `git upload-pack` runs in the stranger's repository, with its settings.
#[test]
fn a_repository_that_is_the_source_runs_nothing() {
    for url in ["repo", "repo/.git", "file"] {
        let place = repository("url = 'repo'");
        let url = match url {
            "file" => format!("file:{}{}", "//", place.path("repo").display()),
            path => path.to_owned(),
        };
        place.reconfigure("url = 'repo'", &format!("url = '{url}'"));
        hooks(&place, "hooks");
        hooks(&place, "repo/.git/hooks");
        poison(&place, "repo/.git/config");
        let ingest = || {
            let mut command = kbingest(&place);
            // Versions of git before 2.45 do so anyway.
            command.args(["ingest", "--trust"]).env("GIT_NO_LAZY_FETCH", "0").output().unwrap()
        };
        let output = ingest();
        assert_nothing_ran(&place, &said(&output));
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        // A missing blob would be fetched from the promisor that its settings name.
        let lost = place.path("repo/.git/objects").join(object(&place, "b.md"));
        fs::remove_file(lost).unwrap();
        let kb = place.kb();
        fs::remove_file(kb).unwrap();
        fs::remove_dir_all(place.cache()).unwrap();
        let output = ingest();
        assert_nothing_ran(&place, &said(&output));
        assert_eq!(output.status.code(), Some(20), "{}", said(&output));
    }
}

#[test]
fn urls_and_refs_that_run_something_are_refused() {
    let urls = [
        "ext::sh -c date",
        "ext::ssh:\\u002f/host/a",
        "foo::bar",
        "-x",
        "--upload-pack=x",
        "ssh:\\u002f/-oProxyCommand=date/a",
        "ssh:\\u002f/%2doProxyCommand=date/a",
        "ssh:\\u002f/me@-oProxyCommand=date/a",
        "-oProxyCommand=date:a",
        "me@-oProxyCommand=date:a",
        "host:-x",
        "git:\\u002f/host/a%0ab",
        "https:\\u002f/host/a\\u000ab",
        "HTTP-me:secret@example.org/a",
        "HTTP-example.org/a?access_token=secret",
        "me:secret@example.org:a",
        "svn:\\u002f/example.org/a",
        "HTTPS:\\u002f/example.org/a",
        "file:\\u002f/a",
    ];
    let http = ["https:", "//"].concat();
    let places = urls.map(|url| format!("url = \"{}\"", url.replace("HTTP-", &http)));
    let refs = ["-x", "--upload-pack=x", "a b", "a..b", ":x", "@{0}"];
    let refs = refs.map(|name| format!("url = \"repo\"\nref = \"{name}\""));
    for keys in places.iter().chain(&refs) {
        let place = Place::new();
        place.configure(&format!("[[source.git]]\nname = 'a'\n{keys}\n"));
        let output = kbingest(&place).args(["ingest", "--trust"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{keys}: {}", said(&output));
        assert!(!said(&output).contains("secret"), "{}", said(&output));
    }
}

/// Clones of other URLs, and of removed sources, are deleted.
#[test]
fn another_url_is_another_clone() {
    let place = repository("url = 'repo'");
    let ingest = |code: i32| {
        let arguments = ["ingest", "--trust", "--allow-deletes"];
        let output = kbingest(&place).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    };
    ingest(0);
    let clones = || only(&place.cache().join("kbingest")).join("git");
    let first = only(&clones());
    place.reconfigure("url = 'repo'", "url = './repo/.git'");
    ingest(0);
    assert_ne!(only(&clones()), first);
    place.configure("[kb]\npath = 'kb.kb'\n[[source.directory]]\nname = 'd'\npath = 'docs'\n");
    place.write("a.md", "words\n");
    ingest(0);
    assert_eq!(fs::read_dir(clones()).unwrap().count(), 0);
}

/// Returns the path of the object of a file in the repository, below `objects`.
fn object(place: &Place, name: &str) -> String {
    let output = Command::new("git")
        .args(["hash-object", name])
        .current_dir(place.path("repo"))
        .env("HOME", place.path(""))
        .env("GIT_DIR", "/nowhere")
        .output()
        .unwrap();
    let id = String::from_utf8(output.stdout).unwrap();
    format!("{}/{}", &id[..2], id[2..].trim())
}

/// Returns the only entry of `folder`.
pub(super) fn only(folder: &std::path::Path) -> PathBuf {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<_> = names
        .filter(|path| path.file_name().is_some_and(|name| name != ".kbingest-folder"))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}
