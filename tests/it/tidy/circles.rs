//! Circles of imports: files that use each other, directly or through others.
//!
//! A file uses another one if it names it or something in it, in an import or elsewhere, by
//! whichever re-exports. That a `mod.rs` or `lib.rs` uses the files of its folder is their normal
//! shape and counts for nothing: it chooses among variants that share its trait. Test modules may
//! use what they like.

use std::collections::{BTreeMap, BTreeSet};

use super::rust::{self, NamedPath};

/// Re-exports that are followed from one name.
const REEXPORTS_MAX: usize = 8;

/// The names that a file takes from each file that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Files that use each other, in order.
#[derive(Debug, PartialEq)]
pub struct Circle {
    pub files: Vec<String>,
    /// A line for each pair of files: which names the first one takes from the second.
    pub ties: Vec<String>,
}

/// Returns all circles of `files`, those of one crate, given with their texts.
pub fn circles(files: &[(String, String)]) -> Vec<Circle> {
    let house = House::new(files);
    let uses: BTreeMap<&str, Uses> =
        files.iter().map(|(path, _)| (path.as_str(), house.uses(path))).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|path| (*path, reached(path, &uses))).collect();
    let mut circles: Vec<Circle> = Vec::new();
    for (path, others) in &reached {
        let files: Vec<_> = others.iter().filter(|other| reached[*other].contains(path)).collect();
        if files.first() == Some(&path) {
            let ties = files.iter().flat_map(|from| {
                let to = uses[**from].iter().filter(|(to, _)| files.contains(&&to.as_str()));
                to.map(move |(to, names)| {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    format!("{from} -> {to}: {}", names.join(", "))
                })
            });
            circles.push(Circle {
                ties: ties.collect(),
                files: files.iter().map(|file| (**file).to_owned()).collect(),
            });
        }
    }
    circles
}

/// Returns every file that `path` uses, directly or through others.
fn reached<'a>(path: &str, uses: &'a BTreeMap<&str, Uses>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![path];
    while let Some(path) = waiting.pop() {
        for to in uses[path].keys() {
            if reached.insert(to.as_str()) {
                waiting.push(to);
            }
        }
    }
    reached
}

/// All files by their modules, with what they import and name.
struct House<'a> {
    files: BTreeMap<Vec<String>, &'a str>,
    paths: BTreeMap<&'a str, Vec<NamedPath>>,
}

impl<'a> House<'a> {
    fn new(files: &'a [(String, String)]) -> Self {
        let named = files.iter().map(|(path, text)| {
            let mut paths = rust::read(path, text).paths;
            paths.retain(|named| !named.is_in_tests);
            (path.as_str(), paths)
        });
        Self {
            paths: named.collect(),
            files: files.iter().map(|(path, _)| (rust::module_of(path), path.as_str())).collect(),
        }
    }

    fn uses(&self, path: &str) -> Uses {
        let mut uses = Uses::new();
        for named in &self.paths[path] {
            let Some((file, name)) = self.seen_from_root(path, named).and_then(|it| self.find(it))
            else {
                continue;
            };
            let folder = path.strip_suffix("mod.rs").or_else(|| path.strip_suffix("lib.rs"));
            let is_own_child = folder.is_some_and(|folder| file.starts_with(folder));
            if file != path && !is_own_child {
                uses.entry(file.to_owned()).or_default().insert(name);
            }
        }
        uses
    }

    /// Returns where `named`, a path of `file`, points to: seen from the root, through an import or
    /// in a child.
    fn seen_from_root(&self, file: &str, named: &NamedPath) -> Option<Vec<String>> {
        if let Some(path) = named.seen_from_root() {
            return Some(path);
        }
        let (first, rest) = named.segments.split_first()?;
        let child = [named.scope.as_slice(), std::slice::from_ref(first)].concat();
        if self.files.contains_key(&child) {
            return Some([&child, rest].concat());
        }
        let import = self.import(file, first).filter(|_| named.imported_as.is_none())?;
        Some([&import, rest].concat())
    }

    /// Returns what `file` imports under `name`.
    fn import(&self, file: &str, name: &str) -> Option<Vec<String>> {
        let mut imports = self.paths[file].iter();
        let import = imports.find(|named| named.imported_as.as_deref() == Some(name))?;
        match import.seen_from_root() {
            Some(path) => Some(path),
            None => self.seen_from_root(file, import),
        }
    }

    /// Returns the file that defines what `path` names, with the name that it has there.
    fn find(&self, mut path: Vec<String>) -> Option<(&'a str, String)> {
        for _ in 0..REEXPORTS_MAX {
            let depth = (0..=path.len()).rev().find(|n| self.files.contains_key(&path[..*n]))?;
            let file = self.files[&path[..depth]];
            let Some(name) = path.get(depth) else { return Some((file, "*".to_owned())) };
            match self.import(file, name) {
                Some(import) => path = [&import, &path[depth + 1..]].concat(),
                None => return Some((file, name.clone())),
            }
        }
        None
    }
}

#[test]
fn circles_are_found() {
    let check = |files: &[(&str, &str)], expected: &[&str]| {
        let owned = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let ties: Vec<_> =
            circles(&owned.collect::<Vec<_>>()).into_iter().flat_map(|it| it.ties).collect();
        assert_eq!(ties, expected, "{files:?}");
    };
    let (a, b, c) = ("src/m/a.rs", "src/m/b.rs", "src/m/c.rs");
    let both = ["src/m/a.rs -> src/m/b.rs: B", "src/m/b.rs -> src/m/a.rs: A"];
    check(&[(a, "use super::b::B;"), (b, "struct B;")], &[]);
    check(&[(a, "use super::b::B;"), (b, "use super::a::A;")], &both);
    check(
        &[(a, "use crate::m::{b::{B, self}};"), (b, "fn f() { g(crate::m::a::A) }")],
        &["src/m/a.rs -> src/m/b.rs: *, B", both[1]],
    );
    check(
        &[
            (a, "use super::b as x; fn f() { x::B }"),
            (b, "use super::*; fn f() { g!(super::a::A) }"),
        ],
        &["src/m/a.rs -> src/m/b.rs: *, B", both[1]],
    );
    // Through a third one, and which files do not belong to it.
    check(
        &[
            (a, "use super::b::B;"),
            (b, "use super::c::C;"),
            (c, "use super::a::A;"),
            ("src/m/d.rs", "use super::a::A;"),
        ],
        &[
            "src/m/a.rs -> src/m/b.rs: B",
            "src/m/b.rs -> src/m/c.rs: C",
            "src/m/c.rs -> src/m/a.rs: A",
        ],
    );
    // The face of a folder, whose names are those of its files.
    let face = "mod a; mod b; pub use a::A; use self::b::B; trait T { }";
    check(&[("src/m/mod.rs", face), (a, "use super::T;"), (b, "use super::T;")], &[]);
    check(&[("src/m/mod.rs", face), (a, "use super::B;"), (b, "use crate::m::A;")], &both);
    check(
        &[("src/m/mod.rs", "use crate::n::N; trait T {}"), ("src/n.rs", "use crate::m::T;")],
        &["src/m/mod.rs -> src/n.rs: N", "src/n.rs -> src/m/mod.rs: T"],
    );
    // Tests may use anything.
    check(
        &[(a, "use super::b::B;"), (b, "#[cfg(test)] mod tests { use super::super::a::A; }")],
        &[],
    );
}
