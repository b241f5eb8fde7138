//! E: other users of the machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use super::folder::{EMPTY_ZIP, kbingest, said};
use crate::support::{Place, markdown};

/// Another user, who need not be known to the system.
const OTHER: u32 = 54_321;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What is made for this user is private, even if the user's other files are not.
#[test]
fn nothing_of_ours_can_be_read_by_others() {
    let place = Place::new();
    place.write("a.xyz", "words\n");
    place.put(&place.path("repo/b.md"), b"# B\n\nbeta\n");
    let script = "umask 000
        git init -q repo && git -C repo add . &&
        git -C repo -c user.name=A -c user.email=a@example.org commit -q -m first &&
        tar cf a.tar repo/b.md && rm -rf .cache && exec \"$@\"";
    place.configure(
        "[[source.directory]]\nname = 'docs'\npath = 'docs'\n\
         [[source.git]]\nname = 'git'\nurl = 'repo'\n\
         [[source.archive]]\nname = 'tar'\npath = 'a.tar'\n\
         [[extract.command]]\nmatch = '*.xyz'\n\
         run = ['sh', '-c', 'stat -c %a {path} $(dirname {path}) $(dirname $(dirname {path})) >modes; cat {path}']\n\
         [embed.hash]\ndim = 16\n",
    );
    let ingest = kbingest(&place);
    let output = std::process::Command::new("sh")
        .current_dir(place.path(""))
        .args(["-c", script, "sh"])
        .arg(ingest.get_program())
        .args(["ingest", "--trust"])
        .env("HOME", place.path(""))
        .env("XDG_CACHE_HOME", place.cache())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(place.cache().join("kbingest")) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} {mode:o}", entry.path().display());
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
    // These are the user's, and follow the umask.
    for name in ["kb.kb", "kb.kb.lock"] {
        let mode = place.path(name).metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o666, "{name} {mode:o}");
    }
    let modes = walkdir::WalkDir::new(place.path("")).into_iter().map(Result::unwrap);
    for modes in modes.filter(|entry| entry.file_name() == "modes") {
        assert_eq!(fs::read_to_string(modes.path()).unwrap(), "600\n700\n700\n");
    }
}

#[test]
fn a_file_that_another_user_put_there_first_is_adopted_only_when_asked() {
    if !is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let place = Place::new();
    place.write("a.md", markdown(1, 2, "ferry"));
    let run = |arguments: &[&str]| kbingest(&place).args(arguments).output().unwrap();
    assert_eq!(run(&["ingest"]).status.code(), Some(0));
    for name in ["kb.kb", "kb.kb.lock", "kb.kb-journal", "kb.kb.next"] {
        let path = place.path(name);
        let was_there = path.exists();
        if !was_there {
            fs::write(&path, "").unwrap();
        }
        chown(&path, Some(OTHER), None).unwrap();
        for arguments in [&["ingest"][..], &["resume"], &["check", "--repair"]] {
            let output = run(arguments);
            assert_eq!(output.status.code(), Some(41), "{name} {arguments:?}: {}", said(&output));
            let shown = said(&output);
            let expected = format!("{name} belongs to user {OTHER}");
            assert!(shown.contains(&expected) && shown.contains("--adopt"), "{name}: {shown}");
        }
        assert_eq!(run(&["search", "kb.toml", "ferry"]).status.code(), Some(0), "{name}");
        let output = run(&["ingest", "--adopt"]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
        // It is written, and keeps its owner.
        match was_there {
            true => {
                assert_eq!(path.metadata().unwrap().uid(), OTHER, "{name}");
                chown(&path, Some(0), None).unwrap();
            }
            false => drop(fs::remove_file(&path)),
        }
    }
    assert_eq!(run(&["ingest"]).status.code(), Some(0));
}

/// In a folder where everybody may create files, the name of the cache may be in use.
#[test]
fn a_cache_of_another_user_is_not_used() {
    if !is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let place = Place::new();
    place.write("a.zip", EMPTY_ZIP);
    place.configure(
        "[[source.archive]]\nname = 'zip'\npath = 'docs/a.zip'\n[embed.hash]\ndim = 16\n",
    );
    let theirs = place.cache().join("kbingest");
    fs::create_dir_all(&theirs).unwrap();
    chown(&theirs, Some(OTHER), None).unwrap();
    let output = kbingest(&place).arg("ingest").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    assert!(place.path("kb.kb.cache").is_dir());
}
