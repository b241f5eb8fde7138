//! `~` and environment variables in the paths of kb.toml.

use std::fs;

use super::kbingest;
use crate::support::{Place, rows};

/// Runs the program with the home `home` and the variable `DOCS`; returns its exit code and stderr.
fn run(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = kbingest(&place.path(""));
    command.env_remove("DOCS").env("HOME", place.path("home")).args(arguments);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), stderr)
}

fn place() -> Place {
    let place = Place::new();
    for folder in ["home", "$x", "~y", "srv"] {
        place.put(
            &place.path(folder).join("d/a.md"),
            format!("# In {folder}\n\nWords.\n").as_bytes(),
        );
        place.put(&place.path(folder).join("r.csv"), b"id,text\n1,words\n");
    }
    place.put(&place.path("tool.sh"), b"cat \"$1\"\n");
    place
}

#[test]
fn paths_are_expanded_in_every_table() {
    let place = place();
    let srv = place.path("srv").display().to_string();
    let git = |arguments: &[&str]| {
        let author = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
        let mut command = std::process::Command::new("git");
        let folder = place.path("srv/d");
        assert!(
            command.current_dir(folder).args(author).args(arguments).status().unwrap().success()
        );
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "all"]);
    let mut archive = tar::Builder::new(fs::File::create(place.path("srv/t.tar")).unwrap());
    archive.append_path_with_name(place.path("srv/d/a.md"), "inner.md").unwrap();
    archive.finish().unwrap();
    place.configure(
        "[kb]\npath = '~/made.kb'\n
         [[source.directory]]\nname = 'home'\npath = '~/d'\n
         [[source.directory]]\nname = 'variable'\npath = '${DOCS}/d'\n
         [[source.directory]]\nname = 'dollar'\npath = '$$x/d'\n
         [[source.directory]]\nname = 'tilde'\npath = './~y/d'\n
         [[source.git]]\nname = 'git'\nurl = '$DOCS/d'\n
         [[source.archive]]\nname = 'archive'\npath = '$DOCS/t.tar'\n
         [[source.records]]\nname = 'records'\npath = '$DOCS/r.csv'\nid = 'id'\ntext = ['text']\n
         [embed.hash]\ndim = 16\n",
    );
    let (code, stderr) = run(&place, &["ingest"], &[("DOCS", &srv)]);
    assert_eq!(code, 0, "{stderr}");
    let kb = place.path("home/made.kb");
    assert_eq!(
        rows(&kb, "SELECT DISTINCT source, uri FROM chunks ORDER BY 1, 2"),
        [
            "archive|inner.md",
            "dollar|a.md",
            "git|a.md",
            "home|a.md",
            "records|1",
            "tilde|a.md",
            "variable|a.md"
        ]
    );
    // A search needs the knowledge base only, whatever is wrong with the paths of sources.
    place.reconfigure("path = '$DOCS/r.csv'", "path = '$DOCS'\nformat = ''");
    assert_eq!(run(&place, &["search", "words"], &[]).0, 0);
    place.reconfigure("path = '$DOCS'\nformat = ''", "path = '$DOCS/r.csv'");
    assert_eq!(run(&place, &["search", "words"], &[]).0, 0);
    let (code, stderr) = run(&place, &["ingest"], &[]);
    assert_eq!(code, 2, "{stderr}");
    for key in ["directory.path", "git.url", "archive.path", "records.path"] {
        assert!(stderr.contains(&format!("source.{key}")), "{key}: {stderr}");
    }
    assert!(stderr.contains("environment variable DOCS, which is not set"), "{stderr}");
}

#[test]
fn what_cannot_be_expanded_is_refused_with_its_place() {
    let check = |settings: &str, expected: &[&str]| {
        let place = place();
        let needed = "[[source.directory]]\nname = 'docs'\npath = 'docs'\n[embed.hash]\ndim = 16\n";
        let settings = if settings.contains("[[source.dir") {
            settings.to_owned()
        } else {
            format!("{settings}\n{needed}")
        };
        place.configure(&settings);
        let (code, stderr) = run(&place, &["ingest"], &[]);
        assert_eq!(code, 2, "{settings}\n{stderr}");
        for words in expected {
            assert!(stderr.contains(words), "{settings}: {words} is not in\n{stderr}");
        }
    };
    check(
        "[kb]\npath = '$DOCS/x.kb'",
        &["kb.path", "environment variable DOCS", "not set", "kb.toml:2:8"],
    );
    check("[kb]\npath = '~ann/x.kb'", &["kb.path", "home of a user", "./~ann"]);
    check(
        "[[source.directory]]\nname = 'a'\npath = '~ann/docs'",
        &["source.directory.path", "home of a user", ":3:8"],
    );
    check("[[source.git]]\nname = 'a'\nurl = '${DOCS}/r'", &["source.git.url", "DOCS"]);
    check("[[source.web]]\nname = 'a'\nurl_file = '$DOCS/u'", &["source.web.url_file", "DOCS"]);
    check(
        "[[extract.command]]\nmatch = '*.x'\nrun = ['$DOCS/tool', '{path}']",
        &["extract.command", "DOCS"],
    );
}

#[test]
fn a_url_is_never_made_of_variables() {
    let place = place();
    let check = |url: &str, value: &str| {
        place.configure(&format!(
            "[[source.git]]\nname = 'a'\nurl = '{url}'\n[embed.hash]\ndim = 16\n"
        ));
        let (code, stderr) = run(&place, &["ingest"], &[("DOCS", value)]);
        assert_eq!(code, 2, "{url}: {stderr}");
        assert!(!stderr.contains(value), "{url}: {stderr}");
    };
    check("$DOCS", "https://example.org/secret");
    check("$DOCS", "me@example.org:secret");
    check("$DOCS::x", "ext");
}

#[test]
fn a_program_that_a_variable_names_is_part_of_what_is_allowed() {
    let place = place();
    let needed = "[[source.directory]]\nname = 'docs'\npath = 'docs'\n[embed.hash]\ndim = 16\n";
    place.configure(&format!(
        "[[extract.command]]\nmatch = '*.x'\nrun = ['$DOCS', '{{path}}']\n{needed}"
    ));
    place.write("a.x", "# X\n\nWords of a program.\n");
    let state = place.path("state").display().to_string();
    let with = |arguments: &[&str], program: &str| {
        run(&place, arguments, &[("DOCS", program), ("XDG_STATE_HOME", &state)])
    };
    let (code, stderr) = with(&["ingest"], "cat");
    assert!(code == 2 && stderr.contains("runs [\"cat\""), "{stderr}");
    assert_eq!(with(&["trust"], "cat").0, 0);
    let (code, stderr) = with(&["ingest"], "cat");
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(rows(&place.kb(), "SELECT DISTINCT uri FROM chunks"), ["a.x"]);
    // Another program has to be allowed again.
    assert_eq!(with(&["ingest"], "head").0, 2);
    // Arguments are not paths: a shell gets its own variables.
    place.configure(&format!(
        "[[extract.command]]\nmatch = '*.x'\nrun = ['sh', '-c', 'cat $0', '{{path}}']\n{needed}"
    ));
    let (code, stderr) = run(&place, &["ingest", "--trust"], &[]);
    assert_eq!(code, 0, "{stderr}");
}
