//! Repositories with SHA-256 ids, and settings of the environment that concern other repositories.

use super::*;

/// Runs the program with `variables`; it must end with 0.
fn run(repository: &Repository, variables: &[(&str, &str)]) {
    let mut command = crate::support::program();
    command.arg("ingest").arg(repository.place.toml()).envs(variables.iter().copied());
    command.env("XDG_CACHE_HOME", repository.place.path("cache"));
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{variables:?}: {stderr}");
}

#[test]
fn the_environment_does_not_change_what_a_repository_is() {
    let repository = Repository::new();
    repository.write("a.md", "# A\n\nalpha\n");
    repository.commit();
    let nowhere = repository.place.path("nowhere").display().to_string();
    let ceiling = repository.place.path("").display().to_string();
    let settings: [&[(&str, &str)]; 8] = [
        &[("GIT_DEFAULT_HASH", "sha256")],
        &[("GIT_DIR", &nowhere), ("GIT_WORK_TREE", &nowhere), ("GIT_INDEX_FILE", &nowhere)],
        &[("GIT_OBJECT_DIRECTORY", &nowhere), ("GIT_ALTERNATE_OBJECT_DIRECTORIES", &nowhere)],
        &[("GIT_COMMON_DIR", &nowhere), ("GIT_NAMESPACE", "elsewhere")],
        &[("GIT_CEILING_DIRECTORIES", &ceiling), ("GIT_DISCOVERY_ACROSS_FILESYSTEM", "0")],
        &[("GIT_SHALLOW_FILE", &nowhere), ("GIT_REPLACE_REF_BASE", "refs/x/")],
        &[
            ("GIT_CONFIG_COUNT", "6"),
            ("GIT_CONFIG_KEY_0", "extensions.objectFormat"),
            ("GIT_CONFIG_VALUE_0", "sha256"),
            ("GIT_CONFIG_KEY_1", "init.defaultObjectFormat"),
            ("GIT_CONFIG_VALUE_1", "sha256"),
            ("GIT_CONFIG_KEY_2", "core.bare"),
            ("GIT_CONFIG_VALUE_2", "false"),
            ("GIT_CONFIG_KEY_3", "safe.bareRepository"),
            ("GIT_CONFIG_VALUE_3", "explicit"),
            ("GIT_CONFIG_KEY_4", "core.worktree"),
            ("GIT_CONFIG_VALUE_4", &nowhere),
            ("GIT_CONFIG_KEY_5", "color.ui"),
            ("GIT_CONFIG_VALUE_5", "always"),
        ],
        &[("GIT_REF_FORMAT", "reftable"), ("GIT_PROTOCOL", "version=0"), ("GIT_TRACE", "1")],
    ];
    for (number, variables) in settings.iter().enumerate() {
        // The first fetch, and one into the clone of another run.
        for _ in 0..2 {
            repository.write("a.md", format!("# A\n\nalpha {number}\n"));
            repository.commit();
            run(&repository, variables);
            let texts = rows(&repository.place.kb(), "SELECT text FROM chunks");
            assert!(texts.concat().contains(&format!("alpha {number}")), "{variables:?}");
        }
        remove_kb(&repository.place.kb());
        fs::remove_dir_all(repository.place.path("cache")).unwrap();
    }
}

#[test]
fn repositories_with_sha256_ids_are_ingested() {
    let repository = Repository::new();
    let make = |format: &str| {
        fs::remove_dir_all(repository.folder()).unwrap();
        fs::create_dir(repository.folder()).unwrap();
        repository.git(&["init", "-q", "-b", "main", &format!("--object-format={format}")]);
        repository.write("a.md", "# A\n\nalpha\n");
        repository.write("sub/b.md", "# B\n\nbeta\n");
        repository.commit()
    };
    let first = make("sha256");
    assert_eq!(first.len(), 64);
    assert_eq!(repository.counts(), [2, 0, 0, 0]);
    assert_eq!(repository.counts(), [0, 0, 2, 0]);
    let clone = repository.clone_folder();
    let pack = |clone: &Path| fs::read_dir(clone.join("objects/pack")).unwrap().count();
    let packs = pack(&clone);
    repository.write("a.md", "# A\n\nanother alpha\n");
    repository.commit();
    assert_eq!(repository.counts(), [0, 1, 1, 0]);
    assert!(pack(&clone) > packs, "the clone was made again");
    repository.assert_equals_fresh_ingest("after an edit");
    // By its id, from scratch and with the clone of the branch.
    repository.place.reconfigure("url = 'repo'", &format!("url = 'repo'\nref = '{first}'"));
    assert_eq!(repository.counts(), [0, 1, 1, 0]);
    remove_all(&repository.place, &repository.place.config());
    assert_eq!(repository.counts(), [2, 0, 0, 0]);
    // The clone is damaged, and then the repository is replaced by one with other ids, and back.
    fs::remove_dir_all(repository.clone_folder().join("objects")).unwrap();
    assert_eq!(repository.counts(), [0, 0, 2, 0]);
    repository.place.configure(SETTINGS);
    for format in ["sha1", "sha256"] {
        make(format);
        let report = repository.ingest_to(0).0;
        assert_eq!(report.run.unwrap().metrics.documents_crawled, 2);
        repository.assert_equals_fresh_ingest(format);
    }
    repository.place.reconfigure("url = 'repo'", "url = 'repo'\ndepth = 0");
    remove_all(&repository.place, &repository.place.config());
    repository.ingest_to(0);
    let changed = rows(&repository.place.kb(), "SELECT metadata FROM revision").concat();
    assert!(changed.contains("\"changed\":\"2024-05-06T07:08:09Z\""), "{changed}");
}

#[test]
fn submodules_have_sha256_ids_too() {
    let repository = Repository::new();
    let init = ["init", "-q", "-b", "main", "--object-format=sha256"];
    fs::remove_dir_all(repository.folder()).unwrap();
    fs::create_dir(repository.folder()).unwrap();
    repository.git(&init);
    repository.write("a.md", "# A\n\nalpha\n");
    repository.commit();
    fs::rename(repository.folder(), repository.place.path("lib")).unwrap();
    fs::create_dir(repository.folder()).unwrap();
    repository.git(&init);
    repository.git(&["submodule", "--quiet", "add", "../lib", "lib"]);
    repository.commit();
    repository.place.reconfigure("url = 'repo'", "url = 'repo'\nsubmodules = true");
    assert_eq!(repository.counts(), [1, 0, 0, 0]);
    assert_eq!(repository.uris(), ["lib/a.md"]);
    assert_eq!(repository.counts(), [0, 0, 1, 0]);
}
