//! Runs under a limit on threads and processes, as `ulimit -u` and containers set it.

use std::fs;
use std::process::{Command, Output};

use crate::extract::formats::pdf;
use crate::support::{Place, assert_same, dump, rows};
use crate::users::{User, are_available};
use crate::web::server::Server;

/// More threads and processes than a run needs, also while those of the run before still end.
const ENOUGH: u64 = 64;

fn said(output: &Output) -> String {
    let streams = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&streams))
}

/// A document that is extracted in a process of its own.
fn long_html() -> String {
    format!("<html><body>{}</body></html>", "<p>A paragraph about limits.</p>\n".repeat(6_000))
}

/// Runs the sources of `place` with 1, 2, … threads and processes. Every run has a true exit code
/// and names the limit when something is missing; none fails a document for good; the last ends
/// with the content of a fresh ingest.
fn check(place: &Place, user: User) {
    let mut codes = Vec::new();
    for threads in (1..=20).chain([ENOUGH]) {
        user.take(&place.path(""));
        let output =
            user.kbingest_within(place, threads).args(["ingest", "--trust"]).output().unwrap();
        let shown = said(&output);
        let code = output.status.code();
        let is_named = shown.contains(&format!("`ulimit -u`) is {threads} threads"));
        match code {
            Some(0) => {}
            Some(1) => assert!(is_named && shown.contains("hint: raise the limit"), "{shown}"),
            Some(3) => assert!(is_named, "{threads}: {shown}"),
            _ => panic!("with {threads}: {shown}"),
        }
        if place.kb().exists() {
            let failed =
                rows(&place.kb(), "SELECT kind, error FROM failure WHERE kind <> 'transient'");
            assert_eq!(failed, Vec::<String>::new(), "with {threads}");
        }
        codes.push(code);
    }
    // The limit was in force, and the last ones had enough.
    assert_eq!(codes[0], Some(1), "{codes:?}");
    assert_eq!(codes.last(), Some(&Some(0)), "{codes:?}");
    let settings = fs::read_to_string(place.toml()).unwrap();
    fs::write(place.path("fresh.toml"), settings.replace("kb.kb", "fresh.kb")).unwrap();
    let fresh = user.kbingest(place).args(["ingest", "--trust", "fresh.toml"]).output().unwrap();
    assert_eq!(fresh.status.code(), Some(0), "{}", said(&fresh));
    assert_same(&place.dump(), &dump(&place.path("fresh.kb")), "a fresh ingest");
}

/// Threads of the pool, children that extract, and a command that starts processes itself.
#[test]
fn a_folder_under_a_limit_on_threads() {
    if !are_available() {
        return;
    }
    let place = Place::new();
    place.configure(
        "[kb]\npath = 'kb.kb'\n[[source.directory]]\nname = 'docs'\npath = 'docs'\n\
         [[extract.command]]\nmatch = '*.xyz'\n\
         run = ['sh', '-c', 'cat \"$1\"; echo; date +%%; true', 'sh', '{path}']\n\
         [embed.hash]\ndim = 16\n",
    );
    for number in 0..4 {
        place.write(&format!("{number}.md"), format!("# {number}\n\nSome words.\n"));
    }
    place.write("long.html", long_html());
    place.write("a.pdf", pdf(&["A page about limits", "and another one"]));
    place.write("a.xyz", "# Command\n\nwords\n");
    check(&place, User(54_331));
}

/// `git`, and what it starts.
#[test]
fn a_repository_under_a_limit_on_threads() {
    if !are_available() {
        return;
    }
    let place = Place::new();
    place.configure(
        "[kb]\npath = 'kb.kb'\n[[source.git]]\nname = 'repo'\nurl = 'repo'\n[embed.hash]\ndim = 16\n",
    );
    for number in 0..4 {
        let path = place.path(&format!("repo/{number}.md"));
        place.put(&path, format!("# {number}\n\nSome words.\n").as_bytes());
    }
    let script = "git init -q -b main && git add . &&
        git -c user.name=A -c user.email=a@example.org commit -q -m first";
    let made = Command::new("sh").current_dir(place.path("repo")).args(["-c", script]).status();
    assert!(made.unwrap().success());
    check(&place, User(54_332));
}

/// The threads that fetch pages and resolve names.
#[test]
fn a_site_under_a_limit_on_threads() {
    if !are_available() {
        return;
    }
    let server = Server::start();
    let place = Place::new();
    place.configure(&format!(
        "[kb]\npath = 'kb.kb'\n[[source.web]]\nname = 'site'\nurls = ['{}']\n\
         private_hosts = ['127.0.0.1']\nrequests_per_second = 100\n[embed.hash]\ndim = 16\n",
        server.url("/docs/")
    ));
    server.page("/docs/", "The first page.", &["1.html", "2.html", "3.html"]);
    for number in 1..4 {
        server.page(&format!("/docs/{number}.html"), &format!("Page number {number}."), &[]);
    }
    check(&place, User(54_333));
}
