//! The recipes of README for cron, systemd and CI do what they say.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{BROKEN, Place, program};

/// Returns the block of README whose second or first line is `# name`.
fn recipe(name: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let mut blocks = readme.split("```").skip(1).step_by(2);
    let is_wanted = |block: &&str| block.lines().take(3).any(|line| line.starts_with(name));
    let block = blocks.find(is_wanted).unwrap_or_else(|| panic!("README has no {name}"));
    block.split_once('\n').unwrap().1.to_owned()
}

/// A place with the program under test as `bin/kbingest`.
fn place() -> Place {
    let place = Place::new();
    place.write("fine.md", "words");
    let bin = place.path("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program().get_program(), bin.join("kbingest")).unwrap();
    place
}

fn write_script(place: &Place, name: &str, text: &str) -> PathBuf {
    let path = place.path(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Runs `command` with the program in its PATH; returns exit code and what it printed.
fn run(place: &Place, command: &mut Command) -> (i32, String) {
    let bin = place.path("bin").display().to_string();
    let output = command
        .current_dir(place.path(""))
        .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
        .env("XDG_CACHE_HOME", place.cache())
        .output()
        .unwrap();
    let Output { status, stdout, stderr } = output;
    let printed = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.code().unwrap(), printed)
}

#[test]
fn cron_mails_what_is_new() {
    let place = place();
    let script = write_script(&place, "kb-refresh", &recipe("# /usr/local/bin/kb-refresh"));
    let refresh = || run(&place, Command::new(&script).arg("kb.toml"));
    assert_eq!(refresh(), (0, String::new()));
    place.write("broken.md", BROKEN);
    let (code, mail) = refresh();
    assert!(code == 3 && mail.contains("1 new failure, 0 known"), "{code}: {mail}");
    assert!(mail.contains("docs\tbroken.md\tpermanent"), "{mail}");
    assert_eq!(refresh(), (0, String::new()));
    // What a person has to decide is mailed until it is.
    for name in ["fine.md", "broken.md"] {
        place.remove(name);
    }
    for _ in 0..2 {
        let (code, mail) = refresh();
        assert!(code == 21 && mail.contains("--allow-deletes"), "{code}: {mail}");
    }
}

/// Returns the settings of a unit.
fn unit(name: &str) -> HashMap<String, String> {
    let text = recipe(name);
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(key, value)| (key.to_owned(), value.replace("%i", "handbook"))).collect()
}

#[test]
fn systemd_starts_the_report_of_what_is_new() {
    let place = place();
    let here = |command: &str| {
        let at = |path: &str| place.path(path).display().to_string();
        command
            .replace("/usr/local/bin/kbingest", &at("bin/kbingest"))
            .replace("/srv/kb/handbook/kb.toml", &at("kb.toml"))
    };
    let service = unit("# /etc/systemd/system/kbingest@.service");
    let is_failure = |code: i32| {
        let fine = service["SuccessExitStatus"].split_whitespace().map(str::to_owned);
        code != 0 && !fine.collect::<Vec<_>>().contains(&code.to_string())
    };
    let start = || run(&place, Command::new("sh").args(["-c", &here(&service["ExecStart"])]));
    let (code, printed) = start();
    assert!(!is_failure(code), "{code}: {printed}");
    place.write("broken.md", BROKEN);
    let (code, printed) = start();
    assert!(is_failure(code), "{code}: {printed}");
    assert_eq!(service["OnFailure"], "kbingest-failed@handbook.service");
    let report = unit("# /etc/systemd/system/kbingest-failed@.service");
    let (code, printed) = run(&place, Command::new("sh").args(["-c", &here(&report["ExecStart"])]));
    assert!(code == 0 && printed.contains("docs\tbroken.md\tpermanent"), "{code}: {printed}");
    let (code, printed) = start();
    assert!(!is_failure(code), "{code}: {printed}");
}

#[test]
fn ci_keeps_the_file_and_fails_for_what_is_new() {
    let place = place();
    place.reconfigure("path = 'kb.kb'", "path = 'handbook.kb'");
    let script = write_script(&place, "build-kb.sh", &recipe("# build-kb.sh"));
    let build = || {
        let built = run(&place, Command::new(&script).env("KB_CACHE", "kept"));
        // A build starts with what the cache has.
        fs::remove_file(place.path("handbook.kb")).unwrap();
        built
    };
    let (code, printed) = build();
    assert!(code == 0 && printed.contains("1 new,"), "{code}: {printed}");
    assert!(place.path("kept/handbook.kb").is_file());
    place.write("broken.md", BROKEN);
    let (code, printed) = build();
    assert!(code == 3 && printed.contains("docs\tbroken.md\tpermanent"), "{code}: {printed}");
    let (code, printed) = build();
    assert!(code == 0 && printed.contains("0 new failures, 1 known"), "{code}: {printed}");
}
