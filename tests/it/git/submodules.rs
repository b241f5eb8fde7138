//! `submodules = true`: repositories inside of repositories.

use super::*;

/// Makes a repository in `folder` with these files and submodules, and returns its commit.
fn make(
    place: &Place,
    folder: &str,
    files: &[(&str, &str)],
    submodules: &[(&str, &str)],
) -> String {
    let root = place.path(folder);
    if !root.exists() {
        fs::create_dir(&root).unwrap();
        git(place, folder, &["init", "-q", "-b", "main"]);
    }
    for (name, text) in files {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), text).unwrap();
    }
    for (path, url) in submodules {
        git(place, folder, &["submodule", "--quiet", "add", url, path]);
    }
    git(place, folder, &["add", "-A"]);
    git(place, folder, &["commit", "-q", "--allow-empty", "-m", "change"]);
    git(place, folder, &["rev-parse", "HEAD"])
}

fn git(place: &Place, folder: &str, arguments: &[&str]) -> String {
    let settings = ["user.name=A", "user.email=a@example.org", "protocol.file.allow=always"];
    let output = Command::new("git")
        .current_dir(place.path(folder))
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .args(arguments)
        .env("GIT_COMMITTER_DATE", "2024-05-06T07:08:09Z")
        .env("GIT_AUTHOR_DATE", "2024-05-06T07:08:09Z")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with a submodule that contains another one.
fn nested() -> Repository {
    let place = Place::new();
    make(&place, "inner", &[("i.md", "# Inner\n\niota\n"), ("drafts/d.md", "# Draft\n")], &[]);
    make(
        &place,
        "lib",
        &[("l.md", "# Library\n\nlambda\n"), ("l.txt", "text\n")],
        &[("deep", "../inner")],
    );
    make(
        &place,
        "repo",
        &[("a.md", "# A\n\nalpha\n"), ("z.md", "# Z\n\nzeta\n")],
        &[("vendor/lib", "../lib")],
    );
    place.configure(&SETTINGS.replace("url = 'repo'", "url = 'repo'\nsubmodules = true"));
    Repository { place }
}

/// Moves the submodule of `repo` to the current commit of `lib`.
fn pull(repository: &Repository) {
    repository.git(&["submodule", "--quiet", "update", "--remote", "vendor/lib"]);
    repository.commit();
}

fn failures(report: &RunReport) -> Vec<String> {
    report.failures.iter().map(|one| format!("{}: {}", one.uri, one.error)).collect()
}

fn clones(repository: &Repository) -> usize {
    let clones = repository.place.cache_of(&repository.place.kb()).join("git");
    fs::read_dir(clones).unwrap().count()
}

#[test]
fn files_of_submodules_are_documents_below_their_paths() {
    let repository = nested();
    assert_eq!(repository.counts(), [6, 0, 0, 0]);
    let all = [
        "a.md",
        "vendor/lib/deep/drafts/d.md",
        "vendor/lib/deep/i.md",
        "vendor/lib/l.md",
        "vendor/lib/l.txt",
        "z.md",
    ];
    assert_eq!(repository.uris(), all);
    // Not followed, they are reported.
    repository.place.reconfigure("submodules = true", "max_delete = '100%'");
    let (report, _) = repository.ingest_to(0);
    assert_eq!(
        failures(&report),
        [
            "vendor/lib: vendor/lib: a submodule; `submodules = true` in its [[source.git]] follows it"
        ]
    );
    assert_eq!(clones(&repository), 1);
}

#[test]
fn only_what_changed_is_read() {
    let repository = nested();
    repository.ingest_to(0);
    assert_eq!(clones(&repository), 3);
    assert_eq!(repository.counts(), [0, 0, 6, 0]);
    // A new commit of the library that the repository does not use yet.
    make(&repository.place, "lib", &[("l.md", "# Library\n\nanother lambda\n")], &[]);
    assert_eq!(repository.counts(), [0, 0, 6, 0]);
    pull(&repository);
    assert_eq!(repository.counts(), [0, 1, 5, 0]);
    repository.assert_equals_fresh_ingest("another commit of a submodule");
    // The remote of an unchanged submodule is not needed.
    fs::rename(repository.place.path("inner"), repository.place.path("away")).unwrap();
    assert_eq!(repository.counts(), [0, 0, 6, 0]);
    fs::rename(repository.place.path("away"), repository.place.path("inner")).unwrap();
    // A submodule that goes takes its documents and clones with it.
    repository.git(&["rm", "-q", "vendor/lib"]);
    repository.write("b.md", "# B\n\nbeta\n");
    repository.commit();
    repository.place.reconfigure("submodules = true", "submodules = true\nmax_delete = '100%'");
    assert_eq!(repository.counts(), [1, 0, 2, 4]);
    assert_eq!(clones(&repository), 1);
}

#[test]
fn globs_folders_and_history_hold_for_submodules_too() {
    let check = |keys: &str, expected: &[&str]| {
        let repository = nested();
        repository.place.reconfigure("submodules = true", &format!("submodules = true\n{keys}"));
        repository.ingest_to(0);
        assert_eq!(repository.uris(), expected, "{keys}");
        repository
    };
    check("exclude = ['vendor']", &["a.md", "z.md"]);
    check("exclude = ['vendor/lib/**']", &["a.md", "z.md"]);
    check(
        "exclude = ['**/drafts', '*.md']",
        &["vendor/lib/deep/i.md", "vendor/lib/l.md", "vendor/lib/l.txt"],
    );
    check("include = ['vendor/*/*.md']", &["vendor/lib/l.md"]);
    check("subdirectory = 'vendor'\ninclude = ['**/*.md']\nexclude = ['lib/deep']", &["lib/l.md"]);
    let repository = check("depth = 0\ninclude = ['**/i.md']", &["vendor/lib/deep/i.md"]);
    let commit = git(&repository.place, "inner", &["rev-parse", "HEAD"]);
    let metadata = rows(&repository.place.kb(), "SELECT metadata FROM revision");
    let expected = format!(
        r#"{{"git":{{"changed":"2024-05-06T07:08:09Z","commit":"{commit}","path":"vendor/lib/deep/i.md"}}}}"#
    );
    assert_eq!(metadata, [expected]);
}

#[test]
fn a_submodule_that_is_unavailable_costs_only_itself() {
    let repository = nested();
    repository.ingest_to(0);
    // Its new commit cannot be fetched.
    make(&repository.place, "lib", &[("l.md", "# Library\n\nanother lambda\n")], &[]);
    repository.write("a.md", "# A\n\nanother alpha\n");
    repository.git(&["rm", "-q", "z.md"]);
    pull(&repository);
    fs::rename(repository.place.path("lib"), repository.place.path("away")).unwrap();
    let (report, _) = repository.ingest_to(3);
    let said =
        failures(&report).join("\n").replace(repository.place.path("").to_str().unwrap(), "ROOT/");
    insta::assert_snapshot!(said, @"vendor/lib: cannot list vendor/lib: this submodule is unavailable: 'ROOT/lib' does not appear to be a git repository; Could not read from remote repository.");
    let metrics = report.run.unwrap().metrics;
    assert_eq!((metrics.documents_changed, metrics.documents_deleted), (1, 0));
    assert!(repository.uris().iter().any(|uri| uri == "vendor/lib/deep/i.md"));
    fs::rename(repository.place.path("away"), repository.place.path("lib")).unwrap();
    repository.ingest_to(0);
    repository.assert_equals_fresh_ingest("a submodule that is back");
    // Damage of its clone is repaired as that of any clone.
    let folder = repository.place.cache_of(&repository.place.kb()).join("git");
    for clone in fs::read_dir(folder).unwrap() {
        fs::remove_dir_all(clone.unwrap().path().join("objects")).unwrap();
    }
    assert_eq!(repository.counts()[2], 5);
    // Without a URL, and with one that is not allowed.
    repository.write(".gitmodules", "[submodule \"x\"]\n\tpath = elsewhere\n\turl = ../lib\n");
    repository.commit();
    let (report, _) = repository.ingest_to(3);
    assert_eq!(
        failures(&report),
        [
            "vendor/lib: cannot list vendor/lib: this submodule is unavailable: .gitmodules has no URL for it"
        ]
    );
    for url in ["ext::sh -c 'touch hacked'", "http://example.org/x", "--upload-pack=touch hacked"] {
        repository.write(
            ".gitmodules",
            format!("[submodule \"x\"]\n\tpath = vendor/lib\n\turl = \"{url}\"\n"),
        );
        repository.commit();
        let (report, _) = repository.ingest_to(3);
        let said = failures(&report).join("\n");
        assert!(said.contains("vendor/lib: ") && said.contains("source of its own"), "{said}");
        assert!(!repository.place.path("hacked").exists());
    }
    assert!(repository.uris().iter().any(|uri| uri == "vendor/lib/deep/i.md"));
}

#[test]
fn a_repository_inside_of_itself_ends() {
    let place = Place::new();
    let id = make(&place, "repo", &[("a.md", "# A\n\nalpha\n")], &[]);
    let repository = Repository { place };
    let modules = "[submodule \"x\"]\n\tpath = x\n\turl = ./\n[submodule \"y\"]\n\tpath = y\n\turl = ../repo\n";
    repository.write(".gitmodules", modules);
    repository.git(&["add", ".gitmodules"]);
    // Each commit contains the one before it twice.
    let mut id = id;
    for _ in 0..10 {
        for path in ["x", "y"] {
            repository.git(&[
                "update-index",
                "--add",
                "--cacheinfo",
                &format!("160000,{id},{path}"),
            ]);
        }
        repository.git(&["commit", "-q", "-m", "deeper"]);
        id = repository.git(&["rev-parse", "HEAD"]);
    }
    repository
        .place
        .configure(&SETTINGS.replace("url = 'repo'", "url = 'repo'\nsubmodules = true"));
    let config = repository.place.config();
    let report = ingest(&config, None);
    assert!([3, 4].contains(&report.exit_code), "{report:#?}");
    assert!(repository.uris().len() <= 201);
    assert_sound(&repository.place.kb());
}

#[test]
fn a_stop_while_submodules_are_fetched_is_continued() {
    let repository = nested();
    let whole = repository.place.config_into("whole.kb");
    assert_eq!(ingest(&whole, None).exit_code, 0);
    let expected = dump(&whole.kb);
    remove_all(&repository.place, &whole);
    for visit in 1..8 {
        ingest(&whole, Some(&stop_at(None, visit)));
        assert_eq!(ingest(&whole, None).exit_code, 0);
        assert_same(&dump(&whole.kb), &expected, "the uninterrupted run");
        remove_all(&repository.place, &whole);
    }
}

#[test]
fn a_server_that_gives_only_its_branches_is_enough() {
    let repository = nested();
    // The library has moved on: its commit in the repository is no tip of a branch.
    make(&repository.place, "lib", &[("l.md", "# Library\n\nanother lambda\n")], &[]);
    let mut command = crate::support::program();
    command.arg("ingest").arg(repository.place.toml());
    command.env("XDG_CACHE_HOME", repository.place.path("cache"));
    command.env("GIT_CONFIG_COUNT", "1");
    command.env("GIT_CONFIG_KEY_0", "protocol.version").env("GIT_CONFIG_VALUE_0", "0");
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let texts = rows(&repository.place.kb(), "SELECT text FROM chunks").concat();
    assert!(texts.contains("lambda") && !texts.contains("another lambda"), "{texts}");
}

#[test]
fn a_kill_while_submodules_are_fetched_is_continued() {
    let repository = nested();
    for number in 0..200 {
        repository.write(format!("more/{number}.md"), markdown(number, 1, "common"));
    }
    repository.commit();
    let run = || {
        let mut command = crate::support::program();
        command.args(["ingest", "-q"]).arg(repository.place.toml());
        command.env("XDG_CACHE_HOME", repository.place.cache());
        command
    };
    for pause_ms in [20, 60, 100, 140, 180, 220, 300] {
        let mut child = run().spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        let _ = child.kill();
        child.wait().unwrap();
        if pause_ms % 40 == 20 {
            assert_eq!(run().status().unwrap().code(), Some(0), "after {pause_ms} ms");
            repository.assert_equals_fresh_ingest(&format!("a kill after {pause_ms} ms"));
            remove_kb(&repository.place.kb());
        }
    }
}
