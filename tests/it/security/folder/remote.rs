//! What the server of a clone sends: it may be anything, and must do no harm.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::clone::{only, repository};
use super::{kbingest, said};
use crate::support::{Place, rows};

/// Makes an ssh URL run a script instead of ssh; it writes `words` and fails.
fn remote_that_says(place: &Place, words: &str) -> String {
    let script = place.path("ssh");
    fs::write(&script, format!("#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\n{}", answer(words)))
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script.to_str().unwrap().to_owned()
}

/// Returns the line of a shell script that also sends `words` as an error of the protocol
/// (gitprotocol-pack(5)).
fn answer(words: &str) -> String {
    let packet = format!("ERR {words}\nfatal: {words}");
    format!("printf '%s' '{:04x}{packet}'\nexit 1\n", packet.len() + 4)
}

#[test]
fn words_of_the_other_side_throw_nothing_away_and_fill_no_disk() {
    let place = repository("url = 'host:repo'");
    let good = place.path("good");
    let folder = place.path("repo");
    let serve = format!("#!/bin/sh\nexec git upload-pack '{}'\n", folder.display());
    fs::write(&good, serve).unwrap();
    fs::set_permissions(&good, fs::Permissions::from_mode(0o755)).unwrap();
    let ingest = |ssh: &str| {
        let mut command = kbingest(&place);
        command.args(["ingest", "--trust"]).env("GIT_SSH_COMMAND", ssh).output().unwrap()
    };
    let output = ingest(good.to_str().unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let clone = only(&only(&place.cache().join("kbingest")).join("git"));
    let packs = || {
        let mut names: Vec<_> = fs::read_dir(clone.join("objects/pack"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        (names, fs::read_to_string(clone.join("refs/kbingest/head")).unwrap())
    };
    let before = packs();
    for words in [
        "loose object 0123 is corrupt",
        "bad object HEAD",
        "remote: fatal: packfile ./objects/pack/x.pack is corrupt",
        "not a git repository",
        "shallow file has changed since we read it",
        "did not send all necessary objects",
        "bad config line 1 in file config",
        "write error: No space left on device",
        "unable to write: Disk quota exceeded",
        "index-pack died of signal 25",
    ] {
        let output = ingest(&remote_that_says(&place, words));
        assert_eq!(output.status.code(), Some(20), "{words}: {}", said(&output));
        assert_eq!(packs(), before, "{words}");
        assert_eq!(rows(&place.kb(), "SELECT COUNT(*) FROM document"), ["2"]);
    }
    // Real damage is found and repaired, whatever the message says.
    let pack = before.0.iter().find(|name| name.to_string_lossy().ends_with(".pack")).unwrap();
    let pack = clone.join("objects/pack").join(pack);
    fs::remove_file(&pack).unwrap();
    let output = ingest(good.to_str().unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(packs().0.len() >= 2);
}

/// The name in an https URL may be a token: it is on no command line, where other users see it.
#[test]
fn a_user_name_is_on_no_command_line() {
    let place = repository("url = \"http:\\u002f/t0ken@localhost:1/a.git\"");
    let tools = place.path("tools");
    fs::create_dir(&tools).unwrap();
    let log = place.path("log");
    let script = format!(
        "#!/bin/sh\necho \"$*\" >>'{}'\nPATH=\"${{PATH#*:}}\"\nexec git \"$@\"\n",
        log.display()
    );
    fs::write(tools.join("git"), script).unwrap();
    fs::set_permissions(tools.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let output = kbingest(&place).args(["ingest", "--trust"]).env("PATH", path).output().unwrap();
    assert_eq!(output.status.code(), Some(20), "{}", said(&output));
    let ran = fs::read_to_string(&log).unwrap();
    assert!(ran.contains("fetch") && !ran.contains("t0ken"), "{ran}");
    assert!(!said(&output).contains("t0ken"), "{}", said(&output));
}
