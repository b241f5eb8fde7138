//! Who may read and write a knowledge base: modes, groups, and other users of the machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use kbingest::support::lock::{self, Lock};

use crate::support::{Place, SETTINGS, gated, ingest, markdown, program};
use crate::users::{User, are_available};

/// Commands that only read.
const READING: [&[&str]; 6] = [
    &["status", "kb.kb"],
    &["status", "--json", "--failures", "kb.kb"],
    &["search", "kb.kb", "ferry", "--mode", "text"],
    &["search", "kb.kb", "ferry"],
    &["check", "kb.kb"],
    &["check", "--read-data", "kb.kb"],
];

fn said(output: &Output) -> String {
    let streams = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&streams))
}

fn mode(path: &Path) -> String {
    format!("{:04o}", path.metadata().unwrap().mode() & 0o7777)
}

fn set_mode(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
}

/// Returns the names of the files beside the knowledge base that belong to it.
fn beside(place: &Place) -> Vec<String> {
    let names = fs::read_dir(place.path("")).unwrap().map(|one| one.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("kb.kb"));
    names.sort();
    names
}

/// A knowledge base of root, with some documents, in a folder that everybody can enter.
fn place_of_root() -> Place {
    let place = Place::new();
    place.configure(&SETTINGS.replace("path = 'kb.kb'", "path = 'kb.kb'\nmode = '0644'"));
    for number in 0..5 {
        place.write(&format!("{number}.md"), markdown(number, 3, "ferry"));
    }
    set_mode(&place.path(""), 0o755);
    place
}

/// Runs every reading command as `user`; all of them answer, and nothing is left behind.
fn check_readable(place: &Place, user: User, context: &str) {
    let before = beside(place);
    for arguments in READING {
        let output = user.kbingest(place).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{context}: {arguments:?}: {}", said(&output));
    }
    assert_eq!(beside(place), before, "{context}");
}

/// Runs every reading command as `user`; all of them fail with a sentence that contains `words`.
fn check_denied(place: &Place, user: User, words: &str) {
    let before = beside(place);
    for arguments in READING {
        let output = user.kbingest(place).args(arguments).output().unwrap();
        let shown = said(&output);
        assert_eq!(output.status.code(), Some(41), "{arguments:?}: {shown}");
        assert!(shown.contains(words) && shown.contains("hint: "), "{arguments:?}: {shown}");
    }
    assert_eq!(beside(place), before);
}

/// Ingests below a umask, as a shell sets it.
fn ingest_with_umask(place: &Place, umask: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
    command.arg(program().get_program()).args(["ingest", "--trust"]).args(arguments);
    command.current_dir(place.path("")).env("XDG_CACHE_HOME", place.cache()).output().unwrap()
}

#[test]
fn modes_follow_the_umask_or_the_setting() {
    let check = |setting: &str, umask: &str, expected: &str| {
        let place = Place::new();
        place.configure(&SETTINGS.replace("[kb]\n", &format!("[kb]\n{setting}\n")));
        place.write("a.md", markdown(1, 2, "ferry"));
        let output = ingest_with_umask(&place, umask, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        for name in ["kb.kb", "kb.kb.lock"] {
            assert_eq!(mode(&place.path(name)), expected, "{setting:?}, umask {umask}: {name}");
        }
    };
    check("", "022", "0644");
    check("", "002", "0664");
    check("", "077", "0600");
    check("mode = '0640'", "000", "0640");
    check("mode = '660'", "077", "0660");
    check("mode = '0600'", "022", "0600");
}

#[test]
fn the_files_beside_it_have_its_mode() {
    let place = Place::new();
    place.configure(&SETTINGS.replace("[kb]\n", "[kb]\nmode = '0640'\n"));
    place.write("a.md", markdown(1, 2, "ferry"));
    let gate = gated(&place);
    let config = place.config();
    let expect = |names: &[&str], expected: &str| {
        for name in names {
            assert_eq!(mode(&place.path(name)), expected, "{name}");
        }
    };
    std::thread::scope(|scope| {
        let run = scope.spawn(|| ingest(&config, None).exit_code);
        gate.wait_until_reached();
        expect(&["kb.kb", "kb.kb-wal", "kb.kb-shm", "kb.kb.lock"], "0640");
        gate.open();
        assert_eq!(run.join().unwrap(), 0);
    });
    // A change of the setting reaches the files that exist.
    place.reconfigure("0640", "0660");
    place.ingest();
    expect(&["kb.kb", "kb.kb.lock"], "0660");
    // Without the setting they keep their mode, whatever the umask, and so do copies.
    place.reconfigure("mode = '0660'\n", "");
    set_mode(&place.kb(), 0o600);
    fs::write(
        place.path("queries.jsonl"),
        "{\"id\": 1, \"query\": \"zebra\", \"relevant\": [{\"uri\": \"no.md\"}]}\n",
    )
    .unwrap();
    let gate = ["--publish-if-eval", "queries.jsonl", "--min", "text:recall@10=1"];
    let output = ingest_with_umask(&place, "000", &gate);
    assert_eq!(output.status.code(), Some(22), "{}", said(&output));
    expect(&["kb.kb", "kb.kb.lock", "kb.kb.next"], "0600");
}

#[test]
fn a_wrong_mode_is_refused() {
    let check = |value: &str, expected: &str| {
        let place = Place::new();
        place.configure(&SETTINGS.replace("[kb]\n", &format!("[kb]\nmode = {value}\n")));
        let output = program().arg("ingest").current_dir(place.path("")).output().unwrap();
        let shown = said(&output);
        assert_eq!(output.status.code(), Some(2), "{value}: {shown}");
        assert!(shown.contains(expected), "{value}: {shown}");
        assert!(!place.kb().exists());
    };
    check("'rw-r-----'", "is not the mode of a file");
    check("'0755'", "is not the mode of a file");
    check("'0440'", "keeps its owner out");
    check("'0666'", "lets everybody write");
    check("640", "mode");
}

#[test]
fn who_may_only_read_gets_answers_and_leaves_nothing_behind() {
    if !are_available() {
        return;
    }
    let user = User(54_341);
    let place = place_of_root();
    place.ingest();
    check_readable(&place, user, "idle");
    set_mode(&place.path(""), 0o777);
    check_readable(&place, user, "idle, in a folder of everybody");
    set_mode(&place.path(""), 0o755);
    fs::remove_file(place.path("kb.kb.lock")).unwrap();
    check_readable(&place, user, "copied without its lock");
    place.write("a.md", markdown(7, 3, "ferry"));
    let gate = gated(&place);
    let config = place.config();
    let killed = Place::new();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| ingest(&config, None).exit_code);
        gate.wait_until_reached();
        check_readable(&place, user, "during a run");
        set_mode(&place.path("kb.kb.lock"), 0o600);
        check_readable(&place, user, "during a run, without its lock");
        // What a kill leaves.
        for name in ["kb.kb", "kb.kb-wal", "kb.kb-shm"] {
            fs::copy(place.path(name), killed.path(name)).unwrap();
        }
        gate.open();
        assert_eq!(run.join().unwrap(), 0);
    });
    check_readable(&place, user, "after a run");
    for (folder, context) in [(0o755, "after a kill"), (0o777, "after a kill, folder of everybody")]
    {
        set_mode(&killed.path(""), folder);
        check_readable(&killed, user, context);
        // Which the log alone says.
        let output = user.kbingest(&killed).args(["status", "kb.kb"]).output().unwrap();
        assert!(said(&output).contains("run 2: "), "{context}: {}", said(&output));
    }
    fs::remove_file(killed.path("kb.kb-shm")).unwrap();
    check_denied(
        &killed,
        user,
        "only a user who may write the file can read what it left in its log",
    );
    set_mode(&place.kb(), 0o600);
    check_denied(
        &place,
        user,
        "may not read kb.kb: it belongs to root and group 0, with mode 0600",
    );
}

/// A run that begins while a reader assumes that nobody writes is noticed.
#[test]
fn a_reader_that_is_open_while_the_owner_writes_sees_the_new_content() {
    if !are_available() {
        return;
    }
    let user = User(54_342);
    let place = place_of_root();
    place.ingest();
    // Many searches by one process, which has the file open from its first one.
    let queries = (0..20).map(|id| {
        format!("{{\"id\": {id}, \"query\": \"ferry\", \"relevant\": [{{\"uri\": \"0.md\"}}]}}\n")
    });
    let queries = queries.collect::<String>();
    fs::write(place.path("queries.jsonl"), queries).unwrap();
    let eval = || {
        let mut command = user.kbingest(&place);
        command.args(["eval", "kb.kb", "queries.jsonl"]);
        command
    };
    let output = eval().output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for number in 0..10 {
        place.write("b.md", markdown(100 + number, 3, "ferry"));
        let reading = eval().stdout(std::process::Stdio::piped()).spawn().unwrap();
        place.ingest();
        let output = reading.wait_with_output().unwrap();
        // It either saw one state of the file, or says that it was written meanwhile.
        assert!(matches!(output.status.code(), Some(0 | 11)), "{}", said(&output));
    }
}

#[test]
fn a_lock_of_root_is_named() {
    if !are_available() {
        return;
    }
    let user = User(54_343);
    let place = Place::new();
    place.write("a.md", markdown(1, 3, "ferry"));
    user.take(&place.path(""));
    let lock = place.path("kb.kb.lock");
    let ingest = |expected: i32| {
        let output = user.kbingest(&place).arg("ingest").output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{}", said(&output));
        said(&output)
    };
    ingest(0);
    for (bits, is_known) in [(0o600, false), (0o644, true)] {
        chown(&lock, Some(0), Some(0)).unwrap();
        set_mode(&lock, bits);
        let shown = ingest(41);
        assert!(shown.contains("you (user 54343) may not lock"), "{shown}");
        assert!(shown.contains("it belongs to root and group 0"), "{shown}");
        assert!(shown.contains("sudo chown") && shown.contains("remove it"), "{shown}");
        assert_eq!(shown.contains("no run is active"), is_known, "{shown}");
    }
    fs::remove_file(&lock).unwrap();
    ingest(0);
    // What root creates beside a user's file is the user's.
    fs::remove_file(&lock).unwrap();
    place.write("b.md", markdown(2, 3, "ferry"));
    let mut root = program();
    root.args(["ingest", "--adopt"]).current_dir(place.path(""));
    root.env("HOME", place.path("")).env("XDG_CACHE_HOME", place.path("cache-of-root"));
    let output = root.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(lock.metadata().unwrap().uid(), user.0);
    ingest(0);
    chown(place.kb(), Some(0), Some(0)).unwrap();
    let shown = ingest(41);
    assert!(shown.contains("you (user 54343) may not write"), "{shown}");
    assert!(shown.contains("it belongs to root and group 0"), "{shown}");
}

#[test]
fn a_group_shares_a_knowledge_base() {
    if !are_available() {
        return;
    }
    // The group has the number of its first member.
    let (owner, member, stranger) = (User(54_351), User(54_352), User(54_353));
    let place = Place::new();
    place.configure(&SETTINGS.replace("[kb]\n", "[kb]\nmode = '0660'\n"));
    place.write("a.md", markdown(1, 3, "ferry"));
    owner.take(&place.path(""));
    let folder = place.path("");
    let run = |user: User, group: u32, expected: i32| {
        let mut command = user.kbingest(&place);
        command.gid(group).env("XDG_CACHE_HOME", place.path(&format!("cache-{}", user.0)));
        let output = command.arg("ingest").output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{user:?}: {}", said(&output));
        said(&output)
    };
    set_mode(&folder, 0o2770);
    run(owner, owner.0, 0);
    // A member of the group runs on what the owner made, and the other way round.
    for (number, user) in [(2, member), (3, owner), (4, member)] {
        place.write(&format!("{number}.md"), markdown(number, 3, "ferry"));
        run(user, owner.0, 0);
        assert_eq!(beside(&place), ["kb.kb", "kb.kb.lock"]);
    }
    // With the lock, or the whole knowledge base, of a member.
    fs::remove_file(place.path("kb.kb.lock")).unwrap();
    run(member, owner.0, 0);
    assert_eq!(place.path("kb.kb.lock").metadata().unwrap().uid(), member.0);
    run(owner, owner.0, 0);
    // Somebody may have put it there: everybody may write to the folder, or it is of no group of
    // the user's.
    set_mode(&folder, 0o2777);
    let shown = run(member, owner.0, 41);
    assert!(shown.contains("kb.kb belongs to user 54351, not to you"), "{shown}");
    set_mode(&folder, 0o2775);
    let shown = run(stranger, stranger.0, 41);
    assert!(shown.contains("kb.kb belongs to user 54351, not to you"), "{shown}");
    set_mode(&place.kb(), 0o644);
    let shown = run(member, owner.0, 41);
    assert!(shown.contains("kb.kb belongs to user 54351, not to you"), "{shown}");
}

/// A run that writes for long, as when it renews the full-text index, keeps `cancel` from storing
/// its request in the file.
#[test]
fn cancel_reaches_a_run_that_writes_for_long() {
    let place = Place::new();
    place.write("a.md", markdown(1, 2, "ferry"));
    place.ingest();
    let connection = rusqlite::Connection::open(place.kb()).unwrap();
    connection.execute_batch("UPDATE run SET status = 'running', ended_ms = NULL").unwrap();
    let held = Lock::take(&place.kb()).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(!lock::is_asked_to_stop(&place.kb()));
    let mut cancel = program();
    cancel.args(["cancel", "--timeout", "0"]).current_dir(place.path(""));
    let output = cancel.output().unwrap();
    assert_eq!(output.status.code(), Some(11), "{}", said(&output));
    assert!(said(&output).contains("has not stopped after 0 s"), "{}", said(&output));
    assert!(lock::is_asked_to_stop(&place.kb()));
    // The request was for that process alone.
    drop(held);
    let _next = Lock::take(&place.kb()).unwrap();
    assert!(!lock::is_asked_to_stop(&place.kb()));
}
