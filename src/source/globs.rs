//! The include and exclude globs of one source, with one meaning for folders, repositories and
//! archives.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet};

use super::SourceError;
use crate::source::located::Located;
use crate::support::names::{nfc, nfc_path};

/// Include and exclude globs, matched on the whole path relative to the root, in NFC.
///
/// A folder that is excluded is excluded with everything in it.
#[derive(Clone, Debug)]
pub(super) struct Globs {
    /// `None` if every file is wanted.
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// Folders without any wanted file, which need not be opened.
    exclude_folder: GlobSet,
}

impl Globs {
    /// Compiles the globs; the error says which one is wrong and why.
    pub(super) fn new<'a>(
        include: impl Iterator<Item = &'a str>,
        exclude: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Self, String> {
        let include: Vec<_> = include.collect();
        let exclude_folder = exclude.clone().flat_map(|pattern| {
            // `drafts/**` matches everything below `drafts`, but not the folder itself.
            [Some(pattern), pattern.strip_suffix("/**")]
        });
        Ok(Self {
            include: if include.is_empty() { None } else { Some(set(include.into_iter())?) },
            exclude: set(exclude)?,
            exclude_folder: set(exclude_folder.flatten())?,
        })
    }

    /// Compiles the `include` and `exclude` of the source `name`.
    pub(super) fn of_source(
        name: &str,
        include: &[Located<String>],
        exclude: &[Located<String>],
    ) -> Result<Self, SourceError> {
        Self::new(texts(include), texts(exclude))
            .map_err(|reason| SourceError::Config { name: name.to_owned(), reason })
    }

    /// Reports whether the file at `path` is wanted, judging by its own path: for a walk that does
    /// not enter unwanted folders.
    pub(super) fn wants_file(&self, path: &Path) -> bool {
        let path = nfc_path(path);
        self.include.as_ref().is_none_or(|include| include.is_match(&path))
            && !self.exclude.is_match(&path)
    }

    /// Reports whether the folder at `path` may contain wanted files, judging by its own path.
    pub(super) fn wants_folder(&self, path: &Path) -> bool {
        !self.exclude_folder.is_match(nfc_path(path))
    }

    /// Reports whether the file at `path` is wanted, and so are all folders that it is in: for
    /// listings without folders.
    pub(super) fn wants(&self, path: &Path) -> bool {
        self.wants_file(path) && self.wants_folders_above(path)
    }

    /// Reports whether the folder at `path` and all folders that it is in may contain wanted files.
    pub(super) fn wants_below(&self, path: &Path) -> bool {
        self.wants_folder(path) && self.wants_folders_above(path)
    }

    fn wants_folders_above(&self, path: &Path) -> bool {
        if self.exclude_folder.is_empty() {
            return true;
        }
        let path = nfc_path(path);
        let mut above =
            path.ancestors().skip(1).take_while(|folder| !folder.as_os_str().is_empty());
        !above.any(|folder| self.exclude_folder.is_match(folder))
    }
}

fn texts(patterns: &[Located<String>]) -> impl Iterator<Item = &str> + Clone {
    patterns.iter().map(|pattern| pattern.get_ref().as_str())
}

/// Compiles several globs into one.
pub(super) fn set<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<GlobSet, String> {
    let mut builder = GlobSet::builder();
    for pattern in patterns {
        builder.add(glob(pattern)?);
    }
    builder.build().map_err(|error| error.kind().to_string())
}

/// Compiles one glob; the error says what is wrong and what is allowed.
pub(super) fn glob(pattern: &str) -> Result<Glob, String> {
    let never = |why: &str| Err(format!("glob \"{pattern}\" matches nothing: {why}"));
    if pattern.is_empty() {
        return never("it is empty");
    }
    if pattern.starts_with('/') || pattern.split('/').any(|part| part == "." || part == "..") {
        return never("globs are relative to `path`, without a leading `/`, `.` or `..`");
    }
    if let Some(folder) = pattern.strip_suffix('/') {
        return never(&format!("write `{folder}/**` for everything below a folder"));
    }
    GlobBuilder::new(&nfc(pattern))
        .literal_separator(true)
        .build()
        .map_err(|error| format!("glob \"{pattern}\" cannot be read: {}", error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_paths() {
        let check = |include: &[&str], exclude: &[&str], path: &str, expected: bool| {
            let globs = Globs::new(include.iter().copied(), exclude.iter().copied()).unwrap();
            assert_eq!(
                globs.wants_file(Path::new(path)),
                expected,
                "{include:?} {exclude:?} {path}"
            );
        };
        check(&[], &[], "a/b.md", true);
        check(&["*.md"], &[], "b.md", true);
        check(&["*.md"], &[], "a/b.md", false);
        check(&["**/*.md"], &[], "b.md", true);
        check(&["**/*.md"], &[], "a/b/c.md", true);
        check(&["a/*/c.md"], &[], "a/b/c.md", true);
        check(&["a/*/c.md"], &[], "a/b/b/c.md", false);
        check(&["**/*.{md,txt}"], &[], "a/b.txt", true);
        check(&["**/*.md"], &["drafts/**"], "drafts/b.md", false);
        check(&["**/*.md"], &["**/drafts/*.md"], "a/drafts/b.md", false);
    }

    #[test]
    fn excluded_folders_are_not_entered() {
        let check = |exclude: &str, folder: &str, expected: bool| {
            let globs = Globs::new([].into_iter(), [exclude].into_iter()).unwrap();
            assert_eq!(globs.wants_folder(Path::new(folder)), expected, "{exclude} {folder}");
        };
        check("drafts", "drafts", false);
        check("drafts", "a/drafts", true);
        check("drafts/**", "drafts", false);
        check("**/drafts/**", "a/drafts", false);
        check("drafts/*.md", "drafts", true);
        check("**/*.md", "drafts", true);
        check("**", "drafts", false);
    }

    #[test]
    fn a_listing_without_folders_leaves_out_what_a_walk_does() {
        let check = |exclude: &str, path: &str, expected: bool| {
            let globs = Globs::new([].into_iter(), [exclude].into_iter()).unwrap();
            assert_eq!(globs.wants(Path::new(path)), expected, "{exclude} {path}");
        };
        check("drafts", "drafts/a/b.md", false);
        check("drafts", "a/drafts/b.md", true);
        check("**/node_modules", "a/node_modules/b/c.md", false);
        check("**/node_modules", "node_modules/c.md", false);
        check("a/b", "a/b/c.md", false);
        check("a/b", "a/bc/c.md", true);
        check("a/*", "a/b/c.md", false);
        check("*.d", "conf.d/a.md", false);
    }

    #[test]
    fn globs_match_either_form_of_an_accent() {
        let (composed, decomposed) = ("Vertr\u{e4}ge", "Vertra\u{308}ge");
        for (pattern, folder) in [(composed, decomposed), (decomposed, composed)] {
            let (all, one) = (format!("{pattern}/**"), format!("{folder}/\u{e4}.md"));
            let include = Globs::new([all.as_str()].into_iter(), [].into_iter()).unwrap();
            assert!(include.wants(Path::new(&one)));
            let exclude = Globs::new([].into_iter(), [all.as_str()].into_iter()).unwrap();
            assert!(!exclude.wants(Path::new(&one)));
            assert!(!exclude.wants_folder(Path::new(folder)));
        }
    }

    #[test]
    fn a_glob_that_matches_nothing_is_an_error() {
        let check = |pattern: &str, expected: &str| {
            assert_eq!(glob(pattern).unwrap_err(), expected);
        };
        check("", "glob \"\" matches nothing: it is empty");
        check("a/", "glob \"a/\" matches nothing: write `a/**` for everything below a folder");
        let relative = "globs are relative to `path`, without a leading `/`, `.` or `..`";
        check("/a", &format!("glob \"/a\" matches nothing: {relative}"));
        check("./a", &format!("glob \"./a\" matches nothing: {relative}"));
        check("a/../b", &format!("glob \"a/../b\" matches nothing: {relative}"));
        check("[a", "glob \"[a\" cannot be read: unclosed character class; missing ']'");
    }
}
