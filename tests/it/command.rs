//! `[[extract.command]]`: the user's own programs, through the real binary, with scripts as
//! programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Place, SETTINGS, rows};
use crate::wait::{output_of, wait_until};
use crate::web::server::{Reply, Server};

/// A place whose `*.xyz` files are converted to Markdown by the shell script `script`.
fn place(script: &str, settings: &str) -> Place {
    let place = Place::in_memory();
    put_script(&place, script);
    place.configure(&format!(
        "{SETTINGS}[extract]\n{settings}\n[[extract.command]]\nmatch = '*.xyz'\n\
         run = ['./convert.sh', '--from={{path}}']\n"
    ));
    place
}

fn put_script(place: &Place, script: &str) {
    let path = place.path("convert.sh");
    // Written beside it, then renamed: a file that is being written cannot be run.
    let new = place.path("convert.new");
    fs::write(&new, format!("#!/bin/sh\nfile=${{1#--from=}}\n{script}\n")).unwrap();
    chmod(&new, 0o755);
    fs::rename(new, path).unwrap();
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn kbingest(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // As in `Place::cache`.
    if let Some(toml) = arguments.iter().find(|one| one.ends_with("kb.toml")) {
        command.env("XDG_CACHE_HOME", Path::new(toml).with_file_name(".cache"));
    }
    command
}

fn ingest(place: &Place, more: &[&str]) -> (i32, Value) {
    let toml = place.toml();
    let arguments = [&["ingest", "--trust", "--json", toml.to_str().unwrap()], more].concat();
    let output = output_of(&mut kbingest(&arguments), "ingest");
    (output.status.code().unwrap(), report(&output))
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn errors(report: &Value) -> Vec<String> {
    let failures = report["failures"].as_array().unwrap();
    failures.iter().map(|one| one["error"].as_str().unwrap().to_owned()).collect()
}

fn left_behind(place: &Place) -> bool {
    let all = fs::read_dir(place.cache().join("kbingest")).unwrap();
    all.map(|entry| entry.unwrap().path()).any(|folder| folder.join("tmp").exists())
}

#[test]
fn a_command_makes_the_text() {
    let place = place("printf '# Made of %s\\n\\n' \"${file##*/}\"; tr a-z A-Z < \"$file\"", "");
    place.write("letters/one.xyz", "first words");
    place.write("two.md", "# Two\n\nText.\n");
    let (code, report) = ingest(&place, &[]);
    assert_eq!((code, errors(&report)), (0, vec![]));
    let text = "SELECT uri, title, text FROM chunks ORDER BY uri";
    assert_eq!(
        rows(&place.kb(), text),
        [
            "letters/one.xyz|Made of document.xyz|# Made of document.xyz\n\nFIRST WORDS",
            "two.md|Two|# Two\n\nText.",
        ]
    );
    assert!(!left_behind(&place));

    // Nothing changed: nothing is run; another command line: only its documents are extracted
    // again.
    let (_, again) = ingest(&place, &[]);
    assert_eq!(again["run"]["metrics"]["bytes_read"], 0);
    place.reconfigure("'--from={path}'", "'--from={path}', '-v'");
    let (_, report) = ingest(&place, &[]);
    let metrics = &report["run"]["metrics"];
    assert_eq!(
        (&metrics["documents_changed"], &metrics["documents_unchanged"]),
        (&1.into(), &1.into())
    );

    // Without the command the file is as before.
    place.configure(SETTINGS);
    ingest(&place, &[]);
    assert_eq!(rows(&place.kb(), text)[0], "letters/one.xyz|one.xyz|first words");
}

#[test]
fn extract_and_chunk_run_it_too() {
    let place = place("printf '# Title\\n\\n'; cat \"$file\"", "");
    place.write("a.xyz", "words\n");
    let (toml, file) = (place.toml(), place.docs().join("a.xyz"));
    let (toml, file) = (toml.to_str().unwrap(), file.to_str().unwrap());
    let output = kbingest(&["extract", file, "--config", toml, "--trust"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "# Title\n\nwords\n");
    let output =
        kbingest(&["chunk", "--json", file, "--config", toml, "--trust"]).output().unwrap();
    assert_eq!(report(&output)["title"], "Title");
}

#[test]
fn what_a_command_does_wrong_costs_its_document_alone() {
    let place = place(
        "case $(cat \"$file\") in
           fail) echo 'line 3: no such thing' >&2; echo half; exit 4;;
           sleep) sleep 1000;;
           shout) yes; exit 0;;
           binary) printf '\\0\\1\\2\\0';;
           leave) sleep 1000 & echo 'Left.';;
           *) cat \"$file\";;
         esac",
        "max_seconds = 3\nmax_text = '100kB'",
    );
    for name in ["fail", "sleep", "shout", "binary", "leave", "good"] {
        place.write(&format!("{name}.xyz"), name);
    }
    let (code, report) = ingest(&place, &[]);
    assert_eq!(code, 3);
    let script = place.path("./convert.sh");
    let reported: Vec<_> = errors(&report);
    assert_eq!(
        reported,
        [
            "binary.xyz: binary content".to_owned(),
            format!("fail.xyz: {} ended with exit code 4: line 3: no such thing", script.display()),
            "shout.xyz: its text is over max_text (97.7 KiB)".to_owned(),
            "sleep.xyz: takes longer than max_seconds (3)".to_owned(),
        ]
    );
    let good = rows(&place.kb(), "SELECT DISTINCT uri FROM chunks ORDER BY uri");
    assert_eq!(good, ["good.xyz", "leave.xyz"]);
    assert!(!left_behind(&place));

    // It would fail again, and is not retried until the document or the command changes.
    let (_, again) = ingest(&place, &[]);
    assert_eq!(again["run"]["metrics"]["bytes_read"], 0);
    place.reconfigure("'--from={path}'", "'--from={path}', '-v'");
    put_script(&place, "cat \"$file\"");
    let (code, report) = ingest(&place, &[]);
    assert_eq!((code, errors(&report)), (0, vec![]));
}

#[test]
fn a_program_that_is_not_there_is_tried_again() {
    let place = place("cat \"$file\"", "");
    place.write("a.xyz", "words\n");
    place.reconfigure("./convert.sh", "./missing.sh");
    let (code, report) = ingest(&place, &[]);
    assert_eq!(code, 3);
    let reported = errors(&report);
    assert!(reported[0].starts_with("a.xyz: cannot start "), "{reported:?}");
    fs::rename(place.path("convert.sh"), place.path("missing.sh")).unwrap();
    let (code, _) = ingest(&place, &[]);
    assert_eq!(code, 0);
}

/// Documents of web sites and repositories have no file, and are written to one.
#[test]
fn documents_of_every_source_go_through_commands() {
    let server = Server::start();
    server.page("/docs/", "Start here.", &["far.xyz"]);
    server.put("/docs/far.xyz", Reply::new(200, "application/octet-stream", "far words"));
    let place = place("printf '# Made\\n\\n'; tr a-z A-Z < \"$file\"", "");
    let repository = place.path("repo");
    fs::create_dir(&repository).unwrap();
    fs::write(repository.join("near.xyz"), "near words").unwrap();
    for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "x"]] {
        let status = Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
            .args(arguments)
            .current_dir(&repository)
            .status();
        assert!(status.unwrap().success());
    }
    let mut settings = fs::read_to_string(place.toml()).unwrap();
    settings += &format!(
        "[[source.git]]\nname = 'repo'\nurl = 'repo'\n[[source.web]]\nname = 'site'\nstart_urls = ['{}']\n\
         private_hosts = ['127.0.0.1']\nrequests_per_second = 1000\n",
        server.url("/docs/")
    );
    place.configure(&settings);
    let (code, report) = ingest(&place, &[]);
    assert_eq!((code, errors(&report)), (0, vec![]));
    let texts = "SELECT source, text FROM chunks WHERE uri LIKE '%.xyz' ORDER BY source";
    assert_eq!(rows(&place.kb(), texts), ["repo|# Made\n\nNEAR WORDS", "site|# Made\n\nFAR WORDS"]);
    let (_, again) = ingest(&place, &[]);
    assert_eq!(again["run"]["metrics"]["documents_changed"], 0);
}

/// Returns whether a process runs `sleep` for this many seconds.
fn sleeps(seconds: &str) -> bool {
    let of_process =
        |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).unwrap_or_default();
    let wanted = format!("sleep\0{seconds}\0");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.map(of_process).any(|line| String::from_utf8_lossy(&line).ends_with(&wanted))
}

#[test]
fn nothing_of_a_command_outlives_the_run() {
    // No other process sleeps for this long.
    let seconds = format!("{}", 1_000_000 + std::process::id());
    let place = place(&format!("sleep {seconds} & sleep {seconds}"), "max_seconds = 3600");
    place.write("a.xyz", "words\n");
    for signal in [rustix::process::Signal::KILL, rustix::process::Signal::TERM] {
        let mut run =
            kbingest(&["ingest", "--trust", place.toml().to_str().unwrap()]).spawn().unwrap();
        wait_until("a command at work", || sleeps(&seconds));
        let pid = rustix::process::Pid::from_child(&run);
        rustix::process::kill_process(pid, signal).unwrap();
        run.wait().unwrap();
        wait_until("the end of the command", || !sleeps(&seconds));
    }
    put_script(&place, "cat \"$file\"");
    assert_eq!(ingest(&place, &[]).0, 0);
    assert!(!left_behind(&place));
}
