//! `lfs = true`: contents that Git LFS stores elsewhere.

use std::os::unix::process::ExitStatusExt;

use super::remote::silent_server;
use super::*;
use crate::crash::send;
use crate::wait::{PATIENCE, end_of, output_of};
use crate::web::server::{Reply, Server};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
     oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

fn has_lfs() -> bool {
    let found = Command::new("git").args(["lfs", "version"]).output().unwrap().status.success();
    if !found {
        eprintln!("skipped: git lfs is not installed");
    }
    found
}

/// A repository whose Markdown is stored by Git LFS.
fn stored() -> Repository {
    let repository = Repository::new();
    repository.git(&["lfs", "install", "--local", "--skip-smudge"]);
    repository.git(&["lfs", "track", "*.md"]);
    repository.write("a.md", "# A\n\nalpha in a store\n");
    repository.write("b.txt", "beta in the repository\n");
    repository.write("large.md", format!("# Large\n\n{}\n", "words ".repeat(5000)));
    repository.commit();
    let blob = repository.git(&["cat-file", "blob", "HEAD:a.md"]);
    assert!(blob.contains("oid sha256:"), "{blob}");
    repository.place.reconfigure("url = 'repo'", "url = 'repo'\nlfs = true\nmax_file_size = 20000");
    repository
}

fn texts(repository: &Repository) -> String {
    rows(&repository.place.kb(), "SELECT text FROM chunks").concat()
}

#[test]
fn contents_are_fetched_and_followed() {
    if !has_lfs() {
        return;
    }
    let repository = stored();
    let (report, _) = repository.ingest_to(0);
    let said: Vec<_> = report.failures.iter().map(|one| one.error.clone()).collect();
    assert_eq!(said, ["large.md: 29.3 KiB is over max_file_size (19.5 KiB)"]);
    assert!(texts(&repository).contains("alpha in a store"));
    assert!(texts(&repository).contains("beta in the repository"));
    assert!(!texts(&repository).contains("git-lfs"));
    // An unchanged pointer needs no store.
    let store = repository.folder().join(".git/lfs");
    fs::rename(&store, repository.place.path("away")).unwrap();
    repository.ingest_to(0);
    fs::rename(repository.place.path("away"), &store).unwrap();
    repository.write("a.md", "# A\n\nanother alpha\n");
    repository.commit();
    assert_eq!(repository.ingest_to(0).0.run.unwrap().metrics.documents_changed, 1);
    assert!(texts(&repository).contains("another alpha"));
    repository.assert_equals_fresh_ingest("contents of a store");
}

#[test]
fn a_content_that_is_missing_costs_only_its_document() {
    if !has_lfs() {
        return;
    }
    let repository = stored();
    repository.ingest_to(0);
    repository.write("a.md", "# A\n\nanother alpha\n");
    repository.write("b.txt", "another beta\n");
    repository.commit();
    let store = repository.folder().join(".git/lfs");
    fs::rename(&store, repository.place.path("away")).unwrap();
    let (report, _) = repository.ingest_to(3);
    let said: Vec<_> = report.failures.iter().map(|one| one.error.clone()).collect();
    assert!(said.iter().any(|one| one.contains("a.md") && one.contains("git lfs")), "{said:#?}");
    assert!(texts(&repository).contains("alpha in a store"));
    assert!(texts(&repository).contains("another beta"));
    // Made by git lfs.
    fs::remove_dir_all(&store).unwrap();
    fs::rename(repository.place.path("away"), &store).unwrap();
    repository.ingest_to(0);
    assert!(texts(&repository).contains("another alpha"));
    repository.assert_equals_fresh_ingest("a content that is back");
}

#[test]
fn without_git_lfs_the_source_is_unavailable() {
    let repository = Repository::new();
    repository.write("a.md", "# A\n\nalpha\n");
    repository.commit();
    repository.ingest_to(0);
    repository.place.reconfigure("url = 'repo'", "url = 'repo'\nlfs = true");
    // Only git itself, without its further commands.
    let tools = repository.place.path("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["git", "sh", "env"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join(tool))
            .find(|path| path.exists());
        std::os::unix::fs::symlink(found.unwrap(), tools.join(tool)).unwrap();
    }
    let mut command = crate::support::program();
    command.arg("ingest").arg(repository.place.toml()).env("PATH", &tools);
    command.env("XDG_CACHE_HOME", repository.place.path("cache"));
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(20), "{stderr}");
    assert!(stderr.contains("install the package git-lfs"), "{stderr}");
    assert_eq!(repository.uris(), ["a.md"]);
}

#[test]
fn a_pointer_is_no_document_of_any_kind() {
    let repository = Repository::new();
    repository.write("a.md", POINTER);
    repository.commit();
    repository.place.write("a.md", POINTER);
    let mut archive = tar::Builder::new(fs::File::create(repository.place.path("t.tar")).unwrap());
    archive.append_path_with_name(repository.place.docs().join("a.md"), "a.md").unwrap();
    archive.finish().unwrap();
    let more = "[[source.directory]]\nname = 'docs'\npath = 'docs'\n
                [[source.archive]]\nname = 'tar'\npath = 't.tar'\n[chunk]";
    repository.place.configure(&SETTINGS.replace("[chunk]", more));
    let (report, _) = repository.ingest_to(0);
    let mut said: Vec<_> = report
        .failures
        .iter()
        .map(|one| format!("{}: {}", one.source, one.error.rsplit_once(": ").unwrap().1))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "docs: a Git LFS pointer; `git lfs pull` in its repository fetches the content",
            "repo: a Git LFS pointer; `lfs = true` in its [[source.git]] fetches the content",
            "tar: a Git LFS pointer; the content itself is not in the archive",
        ]
    );
    assert!(texts(&repository).is_empty());
}

/// Returns the program, which finds the contents of `repository` at `url`.
fn ingest_from(repository: &Repository, url: &str) -> Command {
    let mut command = crate::support::program();
    command.args(["ingest", "--progress", "none"]).arg(repository.place.toml());
    command.env("XDG_CACHE_HOME", repository.place.path("cache"));
    command.env("GIT_CONFIG_COUNT", "1");
    command.env("GIT_CONFIG_KEY_0", "lfs.url").env("GIT_CONFIG_VALUE_0", url);
    command
}

#[test]
fn contents_come_from_a_server() {
    if !has_lfs() {
        return;
    }
    let repository = stored();
    let pointer = repository.git(&["cat-file", "blob", "HEAD:a.md"]);
    let [oid, size] = ["oid sha256:", "size "]
        .map(|start| pointer.lines().find_map(|line| line.strip_prefix(start)).unwrap().to_owned());
    let server = Server::start();
    let href = server.url("/object");
    let batch = format!(
        r#"{{"transfer":"basic","objects":[{{"oid":"{oid}","size":{size},"authenticated":true,
            "actions":{{"download":{{"href":"{href}"}}}}}}]}}"#
    );
    server.put("/store/objects/batch", Reply::new(200, "application/vnd.git-lfs+json", batch));
    let text = fs::read(repository.folder().join("a.md")).unwrap();
    server.put("/object", Reply::new(200, "application/octet-stream", text));
    let mut command = ingest_from(&repository, &server.url("/store"));
    let output = output_of(&mut command, "an ingest from a store");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}\n{:?}", server.take_paths());
    assert!(texts(&repository).contains("alpha in a store"));
    // A content that is not what the pointer says is refused.
    repository.write("a.md", "# A\n\nomega in a store\n");
    repository.commit();
    let output = output_of(&mut command, "an ingest from a store that lies");
    assert_eq!(output.status.code(), Some(3));
    assert!(texts(&repository).contains("alpha in a store"));
}

#[test]
fn a_store_that_hangs_ends_with_a_signal_and_with_the_process() {
    if !has_lfs() {
        return;
    }
    let repository = stored();
    let (port, heard) = silent_server();
    let url = format!("http:{}127.0.0.1:{port}/store", "//");
    for (signal, number) in [("INT", 2), ("TERM", 15), ("KILL", 9)] {
        let mut child = ingest_from(&repository, &url).spawn().unwrap();
        assert_eq!(heard.recv_timeout(PATIENCE), Ok("asked"), "{signal}");
        send(signal, &child);
        assert_eq!(end_of(&mut child, signal).signal(), Some(number));
        assert_eq!(heard.recv_timeout(PATIENCE), Ok("gone"), "{signal}");
    }
    repository.ingest_to(0);
    assert!(texts(&repository).contains("alpha in a store"));
}

#[test]
fn submodules_have_contents_too() {
    if !has_lfs() {
        return;
    }
    let repository = stored();
    fs::rename(repository.folder(), repository.place.path("lib")).unwrap();
    fs::create_dir(repository.folder()).unwrap();
    repository.git(&["init", "-q", "-b", "main"]);
    repository.git(&["submodule", "--quiet", "add", "../lib", "lib"]);
    repository.commit();
    repository.place.reconfigure("lfs = true", "lfs = true\nsubmodules = true");
    repository.ingest_to(0);
    assert_eq!(
        rows(&repository.place.kb(), "SELECT DISTINCT uri FROM chunks ORDER BY 1"),
        ["lib/a.md", "lib/b.txt"]
    );
    assert!(texts(&repository).contains("alpha in a store"));
}
