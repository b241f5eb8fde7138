//! Documents that kb.toml names one by one: a file in `include`, a page in `start_urls`, `urls` or
//! `url_file`. Somebody wants each of them, so that its failure is always reported.

use super::{AnySource, Located, SourceConfig};

impl SourceConfig {
    /// Reports whether an `include` of the source `name` is the path of the document `uri`.
    pub fn includes_by_name(&self, name: &str, uri: &str) -> bool {
        let directories = self.directory.iter().map(|one| (&one.name, &one.include));
        let repositories = self.git.iter().map(|one| (&one.name, &one.include));
        let archives = self.archive.iter().map(|one| (&one.name, &one.include));
        let names_it = |include: &[Located<String>]| {
            include.iter().any(|pattern| pattern.get_ref() == uri && is_path(pattern.get_ref()))
        };
        directories
            .chain(repositories)
            .chain(archives)
            .any(|(source, include)| source.get_ref() == name && names_it(include))
    }
}

impl AnySource {
    /// Reports whether `uri` is a page that the settings of this site name.
    pub fn names_page(&self, uri: &str) -> bool {
        matches!(self, Self::Crawled(site) if site.names(uri))
    }
}

/// Returns whether a glob has no wildcard.
fn is_path(glob: &str) -> bool {
    !glob.contains(['*', '?', '[', '{', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_path_and_not_by_a_glob() {
        let text = r#"
[[directory]]
name = "docs"
path = "docs"
include = ["**/*.md", "policies/leave.pdf", "a[1].txt"]

[[archive]]
name = "old"
path = "old.zip"
include = ["letter.docx"]
"#;
        let config: SourceConfig = toml::from_str(text).unwrap();
        assert!(config.includes_by_name("docs", "policies/leave.pdf"));
        assert!(config.includes_by_name("old", "letter.docx"));
        for (source, uri) in [
            ("docs", "a.md"),
            ("docs", "**/*.md"),
            ("docs", "leave.pdf"),
            ("docs", "a[1].txt"),
            ("docs", "letter.docx"),
            ("other", "letter.docx"),
        ] {
            assert!(!config.includes_by_name(source, uri), "{source} {uri}");
        }
    }
}
