//! D: what a kb.toml from a stranger may not do before its content is allowed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const READS: &str = "[[source.directory]]\nname = 'docs'\npath = 'docs'\n";

/// A folder as received, beside the home of the user.
struct Folder {
    root: TempDir,
}

impl Folder {
    fn new(settings: &str) -> Self {
        let folder = Self { root: TempDir::new().unwrap() };
        for name in ["home", "came/docs"] {
            fs::create_dir_all(folder.root.path().join(name)).unwrap();
        }
        folder.write("docs/a.xyz", "words of a document\n");
        folder.write("kb.toml", &format!("{READS}{settings}"));
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.path().join("came").join(name), text).unwrap();
    }

    fn script(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.write(name, &format!("#!/bin/sh\n{text}\n"));
        let path = self.root.path().join("came").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
        let home = self.root.path().join("home");
        command.args(arguments).current_dir(self.root.path().join("came")).stdin(Stdio::null());
        command.env("HOME", &home).env_remove("KBINGEST_TRUST");
        command.env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME");
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        ended(&self.command(arguments).output().unwrap())
    }

    fn has_run(&self) -> bool {
        self.root.path().join("came/ran").exists()
    }
}

fn ended(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn nothing_is_run_or_sent_before_it_was_allowed() {
    let web = "[[source.web]]\nname = 'site'\nstart_urls = ['https://example.invalid/']\n";
    let git = "[[source.git]]\nname = 'repo'\n";
    let check = |settings: &str, asked: &str| {
        let folder = Folder::new(settings);
        let document = ["docs/a.xyz", "--config", "kb.toml"];
        for arguments in [
            &["ingest"][..],
            &["resume"],
            &[&["extract"], &document[..]].concat(),
            &[&["chunk"], &document[..]].concat(),
        ] {
            let (code, said) = folder.run(arguments);
            assert_eq!(code, 2, "{arguments:?} {said}");
            for words in [asked, "kbingest trust kb.toml", "--trust", "KBINGEST_TRUST="] {
                assert!(said.contains(words), "{words}: {said}");
            }
            assert!(!folder.has_run());
        }
        assert!(!folder.root.path().join("came/kb.kb").exists());
        // A kb.toml that neither runs nor sends anything requests nothing.
        assert_eq!(folder.run(&["status"]).0, 10);
    };
    check(
        "[[extract.command]]\nmatch = '*.xyz'\nrun = ['touch', 'ran', '{path}']\n",
        r#"[[extract.command]]: runs ["touch", "ran", "{path}"] for "*.xyz""#,
    );
    check(
        &format!("{web}headers = ['Authorization=GITHUB_TOKEN']\n"),
        r#"[[source.web]] "site": sends the environment variable GITHUB_TOKEN in the header Authorization"#,
    );
    check(&format!("{web}private_hosts = ['10.0.0.1']\n"), "connects to hosts that are not public");
    for url in [
        "ssh://example.invalid/a",
        "a@example.invalid:b",
        "git://example.invalid/a",
        "http://example.invalid/a",
    ] {
        check(
            &format!("{git}url = '{url}'\n"),
            &format!("fetches {url:?} by another protocol than https"),
        );
    }
    check(
        &format!(
            "{git}url = 'https://example.invalid/a'\npassword_env = 'AWS_SECRET_ACCESS_KEY'\n"
        ),
        "sends the environment variable AWS_SECRET_ACCESS_KEY as a password",
    );
}

#[test]
fn reading_folders_asks_for_nothing() {
    let folder = Folder::new("");
    assert_eq!(folder.run(&["ingest"]).0, 0);
    assert!(folder.run(&["trust"]).1.contains("asks for nothing"));
}

#[test]
fn paths_that_lead_out_are_listed_with_the_rest() {
    let folder = Folder::new("[[extract.command]]\nmatch = '*.xyz'\nrun = ['cat', '{path}']\n");
    let secrets = folder.root.path().join("home/secrets");
    fs::create_dir(&secrets).unwrap();
    let docs = folder.root.path().join("came/docs");
    fs::remove_dir_all(&docs).unwrap();
    // A link in a clone names no path outside, but leads there.
    std::os::unix::fs::symlink(&secrets, &docs).unwrap();
    let (code, said) = folder.run(&["ingest"]);
    assert_eq!(code, 2);
    let expected =
        format!("[[source.directory]] \"docs\": reads {:?}", secrets.canonicalize().unwrap());
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn what_was_allowed_holds_for_that_content_in_that_place() {
    let command = "[[extract.command]]\nmatch = '*.xyz'\nrun = ['./convert.sh', '{path}']\n";
    let folder = Folder::new(command);
    folder.script("convert.sh", "cat \"$1\"");
    assert_eq!(folder.run(&["ingest"]).0, 2);
    let (code, said) = folder.run(&["trust", "--show"]);
    assert!(code == 0 && said.contains("it is not allowed"), "{said}");
    assert_eq!(folder.run(&["ingest"]).0, 2);
    let hash = said.lines().find_map(|line| line.strip_prefix("hash: ")).unwrap().to_owned();

    let by_variable = |value: &str| {
        let mut command = folder.command(&["ingest"]);
        ended(&command.env("KBINGEST_TRUST", value).output().unwrap()).0
    };
    assert_eq!(by_variable(&hash[..32]), 2);
    assert_eq!(by_variable("0"), 2);
    assert_eq!(by_variable(&format!("0,{hash}")), 0);
    assert_eq!(folder.run(&["ingest", "--trust"]).0, 0);
    assert_eq!(folder.run(&["ingest"]).0, 2);

    let (code, said) = folder.run(&["trust"]);
    assert!(code == 0 && said.contains("runs [\"./convert.sh\", \"{path}\"]"), "{said}");
    assert_eq!(folder.run(&["ingest"]).0, 0);
    // An edit of the file, or of the program beside it.
    folder.script("convert.sh", "touch ../ran ran; cat \"$1\"");
    assert_eq!(folder.run(&["ingest"]).0, 2);
    assert_eq!(folder.run(&["trust"]).0, 0);
    assert_eq!(folder.run(&["ingest"]).0, 0);
    folder.write("kb.toml", &format!("{READS}{command}# edited\n"));
    assert_eq!(folder.run(&["ingest"]).0, 2);
    folder.write("kb.toml", &format!("{READS}{command}"));
    assert_eq!(folder.run(&["ingest"]).0, 0);
    // The same content elsewhere, with whatever is beside it there.
    let copy = folder.root.path().join("copy");
    let copied = Command::new("cp")
        .args(["-r", "."])
        .arg(&copy)
        .current_dir(folder.root.path().join("came"))
        .status();
    assert!(copied.unwrap().success());
    assert_eq!(ended(&folder.command(&["ingest"]).current_dir(&copy).output().unwrap()).0, 2);
    let (code, said) = folder.run(&["trust", "--revoke"]);
    assert!(code == 0 && said.contains("no longer allowed"), "{said}");
    assert_eq!(folder.run(&["ingest"]).0, 2);
}

#[test]
fn the_register_is_the_users_own() {
    let folder = Folder::new("[[extract.command]]\nmatch = '*.xyz'\nrun = ['cat', '{path}']\n");
    assert_eq!(folder.run(&["trust"]).0, 0);
    assert_eq!(folder.run(&["ingest"]).0, 0);
    let register = folder.root.path().join("home/.local/state/kbingest/allowed");
    let mode = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        path.metadata().unwrap().mode() & 0o777
    };
    assert_eq!(mode(&register), 0o700);
    let entry = fs::read_dir(&register).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&entry), 0o600);
    // Others may have put it there.
    assert!(Command::new("chmod").arg("o+w").arg(&register).status().unwrap().success());
    assert_eq!(folder.run(&["ingest"]).0, 2);
    assert!(folder.run(&["trust"]).1.contains("others may write to it"));
}

#[test]
fn hosts_that_may_be_private_ask_for_leave() {
    let check = |settings: &str, asked: Option<&str>| {
        let folder = Folder::new("");
        folder.write("kb.toml", &format!("{settings}\n{READS}"));
        let (code, shown) = folder.run(&["ingest", "--progress", "none"]);
        match asked {
            Some(asked) => assert!(code == 2 && shown.contains(asked), "{settings}: {shown}"),
            None => assert!(code != 2, "{settings}: {shown}"),
        }
    };
    for host in
        ["127.0.0.1", "localhost:80", "[::1]", "2130706433", "0x7f.1", "x@10.0.0.1", "intranet"]
    {
        let git = format!("[[source.git]]\nname = 'g'\nurl = 'https://{host}/a'");
        check(&git, Some("may not be public"));
    }
    check("[[source.git]]\nname = 'g'\nurl = 'https://git.example.invalid/a'", None);
}

/// Whatever argument names it.
#[test]
fn what_a_command_runs_from_the_folder_is_part_of_what_was_allowed() {
    for (run, program) in [
        ("['sh', '{base}/c.sh', '{path}']", "c.sh"),
        ("['sh', '-c', '{base}/c.sh $0', '{path}']", "c.sh"),
        ("['env', 'A=1', '{base}/c.sh', '{path}']", "c.sh"),
        ("['sh', '{base}/tools/run', '{path}']", "tools/run"),
        ("['ls', '{base}/tools', '{path}']", "tools/inner"),
    ] {
        let folder = Folder::new("");
        let base = folder.root.path().join("came");
        fs::create_dir_all(base.join("tools")).unwrap();
        folder.script(program, "cat \"$1\"");
        let run = run.replace("{base}", base.to_str().unwrap());
        let command = format!("[[extract.command]]\nmatch = '*.xyz'\nrun = {run}\n");
        folder.write("kb.toml", &format!("{READS}{command}"));
        let (code, shown) = folder.run(&["trust"]);
        assert_eq!(code, 0, "{run}: {shown}");
        assert_ne!(folder.run(&["ingest"]).0, 2, "{run}");
        folder.script(program, "touch ran");
        assert_eq!(folder.run(&["ingest"]).0, 2, "{run}");
        assert!(!folder.has_run());
    }
}

/// A kb.toml from a stranger may name a knowledge base of the user.
#[test]
fn documents_of_other_sources_are_not_deleted_elsewhere() {
    let folder = Folder::new("");
    let other = "[kb]\npath = '../other.kb'\n[[source.directory]]\npath = 'docs'\n";
    folder.write("kb.toml", &format!("{other}name = 'mine'\n"));
    assert_eq!(folder.run(&["ingest"]).0, 0);
    folder.write("kb.toml", &format!("{other}name = 'theirs'\n"));
    let (code, shown) = folder.run(&["ingest"]);
    assert!(code == 2 && shown.contains("mine"), "{shown}");
    let (code, shown) = folder.run(&["search", "../other.kb", "words", "--source", "mine"]);
    assert!(code == 0 && shown.contains("mine:a.xyz"), "{shown}");
    assert_eq!(folder.run(&["ingest", "--trust"]).0, 21);
    let (code, shown) = folder.run(&["search", "../other.kb", "words", "--source", "mine"]);
    assert!(code == 0 && shown.contains("mine:a.xyz"), "{shown}");
    assert_eq!(folder.run(&["ingest", "--trust", "--allow-deletes=mine"]).0, 0);
}
