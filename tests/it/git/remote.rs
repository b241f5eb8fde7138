//! Repositories behind a server: one that never answers, and one that wants a password.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};

use super::{Repository, SETTINGS};
use crate::crash::{send, start};
use crate::support::rows;
use crate::wait::{PATIENCE, end_of, output_of};
use crate::web::server::{Reply, Server};

/// A server that accepts requests and does not reply; reports when one has arrived, and when the
/// other side has gone.
pub(super) fn silent_server() -> (u16, Receiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (said, heard) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let said = said.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer);
                let _ = said.send("asked");
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
                let _ = said.send("gone");
                let _ = stream.flush();
            });
        }
    });
    (port, heard)
}

#[test]
fn a_fetch_that_hangs_ends_with_cancel_with_a_signal_and_with_the_process() {
    let repository = Repository::new();
    let (port, heard) = silent_server();
    let url = format!("url = 'http:{}127.0.0.1:{port}/a.git'", "//");
    repository.place.configure(&SETTINGS.replace("url = 'repo'", &url));
    let check = |ask: &dyn Fn(&Child), what: &str| {
        let mut child =
            start(&["ingest", "--trust", "--progress", "none"], &repository.place.toml());
        assert_eq!(heard.recv_timeout(PATIENCE), Ok("asked"), "{what}");
        ask(&child);
        let status = end_of(&mut child, what);
        // Git, its helpers and their connection have gone too.
        assert_eq!(heard.recv_timeout(PATIENCE), Ok("gone"), "{what}");
        status
    };
    let cancel = |_: &Child| {
        let status = Command::new(env!("CARGO_BIN_EXE_kbingest"))
            .args(["cancel", "-q"])
            .arg(repository.place.toml())
            .status();
        assert!(status.unwrap().success());
    };
    assert_eq!(check(&cancel, "cancel").code(), Some(130));
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(check(&|child| send("INT", child), "SIGINT").signal(), Some(2));
    assert_eq!(check(&|child| send("TERM", child), "SIGTERM").signal(), Some(15));
    assert_eq!(check(&|child| send("KILL", child), "SIGKILL").signal(), Some(9));
}

/// As ssh does with `ControlPersist`, and helpers that keep passwords for a while.
#[test]
fn what_git_leaves_behind_does_not_hold_up_the_run() {
    let repository = Repository::new();
    let ssh = repository.place.path("ssh");
    std::fs::write(&ssh, "sleep 1000 >/dev/null </dev/null &\necho \"$!\" >\"$0.pid\"\nexit 1\n")
        .unwrap();
    repository.place.configure(&SETTINGS.replace("url = 'repo'", "url = 'host:a.git'"));
    let mut ingest = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    ingest
        .args(["ingest", "--trust", "--progress", "none"])
        .arg(repository.place.toml())
        .env("XDG_CACHE_HOME", repository.place.cache())
        .env("GIT_SSH_COMMAND", format!("sh {}", ssh.display()));
    let output = output_of(&mut ingest, "a fetch that leaves a process behind");
    assert_eq!(output.status.code(), Some(20));
    // It still runs: nobody waited for it.
    let pid = std::fs::read_to_string(ssh.with_extension("pid")).unwrap();
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[test]
fn a_password_comes_from_the_environment_and_goes_nowhere_else() {
    let repository = Repository::new();
    repository.write("a.md", "# A\n\nalpha\n");
    repository.commit();
    repository.git(&["update-server-info"]);
    // The simplest of git's protocols: the files of the repository.
    let server = Server::start();
    let folder = repository.folder().join(".git");
    server.handle(move |asked, _| {
        let expected = "Basic Z2l0Om9wZW4gc2VzYW1l"; // git:open sesame
        if asked.headers.get("authorization").map(String::as_str) != Some(expected) {
            let denied = Reply::new(401, "text/plain", "who?");
            return Some(denied.with("WWW-Authenticate", "Basic realm=\"docs\""));
        }
        let path = asked.path.split('?').next()?.strip_prefix("/a.git/")?;
        let bytes = std::fs::read(folder.join(path)).ok()?;
        Some(Reply::new(200, "application/octet-stream", bytes))
    });
    let url = server.url("/a.git");
    let keys = format!("url = '{url}'\ndepth = 0\npassword_env = 'KBINGEST_TEST_TOKEN'");
    repository.place.configure(&SETTINGS.replace("url = 'repo'", &keys));
    let ingest = |password: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_kbingest"))
            .args(["ingest", "--trust", "--progress", "plain"])
            .arg(repository.place.toml())
            .env("XDG_CACHE_HOME", repository.place.cache())
            .env("KBINGEST_TEST_TOKEN", password)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = ingest("wrong");
    assert_eq!(code, Some(20), "{said}");
    assert!(!said.contains("wrong"), "{said}");
    let (code, said) = ingest("open sesame");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(rows(&repository.place.kb(), "SELECT DISTINCT uri FROM chunks"), ["a.md"]);
    // Neither in the file nor in the clone.
    let grep = Command::new("grep")
        .args(["-r", "-l", "-F", "open sesame"])
        .arg(repository.place.path(""))
        .output();
    assert_eq!(String::from_utf8_lossy(&grep.unwrap().stdout), "");
}

#[test]
fn unchanged_blobs_are_never_read_again() {
    let repository = Repository::new();
    for number in 0..200 {
        repository.write(format!("{}/{number}.md", number % 7), format!("# {number}\n\ntext\n"));
    }
    repository.commit();
    repository.ingest_to(0);
    repository.write("3/new.md", "12345678");
    repository.git(&["mv", "0", "moved"]);
    repository.commit();
    let metrics = repository.ingest_to(0).0.run.unwrap().metrics;
    let moved = (0..200).filter(|number| number % 7 == 0).map(|n| format!("# {n}\n\ntext\n").len());
    assert_eq!(metrics.bytes_read, 8 + moved.sum::<usize>() as u64);
    // Another commit of the same files.
    repository.commit();
    assert_eq!(repository.ingest_to(0).0.run.unwrap().metrics.bytes_read, 0);
}
