//! `[[source.directory]]`: the settings of one folder, with their positions in kb.toml for error
//! messages.

use std::path::{Path, PathBuf};

use crate::analysis::AnchorStyle;
use crate::source::located::Located;
use serde::Deserialize;

use super::settings::{Checks, empty, max_documents_default, max_file_size_default};
use super::{ByteSize, MaxDelete, Problems};

/// One folder of documents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryConfig {
    /// Name of the source: letters, digits, `-`, `_` and `.`, at most 64.
    pub name: Located<String>,
    /// The folder, relative to kb.toml.
    pub path: Located<PathBuf>,
    /// Globs of files to include, relative to `path`; empty means all.
    #[serde(default)]
    pub include: Vec<Located<String>>,
    /// Globs of files and folders to exclude; they win over `include`.
    #[serde(default)]
    pub exclude: Vec<Located<String>>,
    /// Obey `.gitignore`, `.git/info/exclude` and `.kbignore`, and skip `.git` itself.
    #[serde(default = "yes")]
    pub gitignore: bool,
    /// Include files and folders whose names begin with a dot.
    #[serde(default)]
    pub hidden: bool,
    /// Follow symbolic links that stay inside the folder.
    #[serde(default)]
    pub follow_links: bool,
    /// Larger files are skipped and reported.
    #[serde(default = "max_file_size_default")]
    pub max_file_size: Located<ByteSize>,
    /// Limit on the number of documents.
    #[serde(default = "max_documents_default")]
    pub max_documents: Located<u64>,
    /// Limit on the documents that one run deletes; `None`: half of them, or ten, but never all.
    #[serde(default)]
    pub max_delete: Option<MaxDelete>,
    /// Documents with such metadata are skipped: `draft=true`, or `nosearch` for any value.
    #[serde(default)]
    pub skip_if: Vec<Located<String>>,
    /// Where readers find the documents: a URL with `{path}`; empty: nowhere.
    #[serde(default = "empty")]
    pub base_url: Located<String>,
    /// By which rule a heading becomes the fragment of a link.
    #[serde(default)]
    pub anchors: AnchorStyle,
}

fn yes() -> bool {
    true
}

impl DirectoryConfig {
    /// Returns the folder at `path` with the defaults of all other settings.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into().into(),
            path: path.into().into(),
            include: Vec::new(),
            exclude: Vec::new(),
            gitignore: yes(),
            hidden: false,
            follow_links: false,
            max_file_size: max_file_size_default(),
            max_documents: max_documents_default(),
            max_delete: None,
            skip_if: Vec::new(),
            base_url: empty(),
            anchors: AnchorStyle::default(),
        }
    }

    /// Checks what the syntax cannot; returns for every problem its bytes in kb.toml, the key, what
    /// is wrong and what is allowed.
    ///
    /// With `base`, the folder of kb.toml, `path` must not be a file.
    #[doc(hidden)]
    pub fn problems(&self, base: Option<&Path>) -> Problems {
        let mut checks = Checks::of("source.directory");
        checks.name(&self.name);
        checks.base_url(&self.base_url);
        if let Some(base) = base {
            let path = base.join(self.path.get_ref());
            checks.add(self.path.span(), "path", check_path(&path));
        }
        checks.globs("include", &self.include);
        checks.globs("exclude", &self.exclude);
        checks.size("max_file_size", &self.max_file_size);
        checks.max_documents(&self.max_documents);
        checks.into_problems()
    }
}

fn check_path(path: &Path) -> Result<(), String> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(format!("{} is not a folder", path.display())),
        // It may be on a disk that is not mounted: the run reports it as unreachable.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::source::SourceConfig;

    #[test]
    fn settings_are_checked_with_their_place_in_the_file() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir(base.path().join("docs")).unwrap();
        std::fs::write(base.path().join("file"), "").unwrap();
        let text = r#"
[[directory]]
name = "my docs"
path = "docs"
include = ["**/*.md", "[a"]
exclude = ["./drafts"]
max_file_size = 0

[[directory]]
name = "fine-1.0_x"
path = "docs"

[[directory]]
name = "on-a-disk-that-is-not-mounted"
path = "missing"

[[directory]]
name = ""
path = "file"
max_file_size = "10MiB"
"#;
        let config: SourceConfig = toml::from_str(text).unwrap();
        let problems: Vec<_> = config
            .directory
            .iter()
            .flat_map(|directory| directory.problems(Some(base.path())))
            .map(|(span, key, what)| format!("{} | {key} | {what}", &text[span]))
            .collect();
        let shown = problems.join("\n").replace(base.path().to_str().unwrap(), "BASE");
        insta::assert_snapshot!(shown, @r#"
    "my docs" | source.directory.name | "my docs" is not a name; allowed are 1 to 64 letters a-z and A-Z, digits, `-`, `_` and `.`, the first a letter or a digit
    "[a" | source.directory.include | glob "[a" cannot be read: unclosed character class; missing ']'
    "./drafts" | source.directory.exclude | glob "./drafts" matches nothing: globs are relative to `path`, without a leading `/`, `.` or `..`
    0 | source.directory.max_file_size | a limit of 0 skips every file; allowed is 1 byte and more
    "" | source.directory.name | "" is not a name; allowed are 1 to 64 letters a-z and A-Z, digits, `-`, `_` and `.`, the first a letter or a digit
    "file" | source.directory.path | BASE/file is not a folder
    "#);
    }

    #[test]
    fn settings_that_cannot_be_read_say_what_is_allowed() {
        let check = |table: &str, expected: &str| {
            let text = format!("[[directory]]\nname = \"a\"\n{table}");
            let error = toml::from_str::<SourceConfig>(&text).unwrap_err();
            let marked = &text[error.span().unwrap()];
            assert_eq!(format!("{marked} | {}", error.message()), expected);
        };
        let sizes = "allowed is a whole number of bytes, or a number with a unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB";
        let size = |value| format!("path = \".\"\nmax_file_size = {value}");
        check(&size("\"10 megs\""), &format!("\"10 megs\" | \"10 megs\" is not a size; {sizes}"));
        check(&size("-1"), &format!("-1 | -1 is not a size; {sizes}"));
        check(
            &size("true"),
            &format!("true | invalid type: boolean `true`, expected {}", &sizes[11..]),
        );
        let keys = "`name`, `path`, `include`, `exclude`, `gitignore`, `hidden`, `follow_links`, `max_file_size`, `max_documents`, `max_delete`, `skip_if`, `base_url`, `anchors`";
        check(
            "path = \".\"\nfollow = true",
            &format!("follow | unknown field `follow`, expected one of {keys}"),
        );
        check("", "[[directory]] | missing field `path`");
    }
}
