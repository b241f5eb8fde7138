//! Functions, classes and the like, found by the grammar of a language with tree-sitter,
//! independent of indentation.
//!
//! Each line gets a mark, which `units.rs` uses instead of indentation. If a text is too long, or
//! there is no grammar for its language, `units.rs` falls back to indentation.

use tree_sitter::{Language, Node, Parser};

use super::units::{Mark, definition, short};

/// Longer texts are usually generated, and in the worst case a parser takes a kilobyte of memory
/// per byte of text (`(a)(a)(a)…` in C), and seconds for a text of another language.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The kinds of nodes that are units, for all languages: no kind has another meaning in another
/// language.
const KINDS: [&str; 31] = [
    // Rust
    "function_item",
    "function_signature_item",
    "struct_item",
    "enum_item",
    "union_item",
    "trait_item",
    "impl_item",
    "mod_item",
    "macro_definition",
    // Python, C
    "function_definition",
    "class_definition",
    "struct_specifier",
    "enum_specifier",
    "union_specifier",
    // JavaScript, TypeScript
    "function_declaration",
    "generator_function_declaration",
    "class_declaration",
    "abstract_class_declaration",
    "method_definition",
    "internal_module",
    "type_alias_declaration",
    "arrow_function",
    "function_expression",
    // Go
    "type_declaration",
    "method_declaration",
    // Java
    "interface_declaration",
    "enum_declaration",
    "record_declaration",
    "annotation_type_declaration",
    "constructor_declaration",
    "compact_constructor_declaration",
];

/// Returns a mark for each line of `text`, from a file called `title`; `None` if there is no
/// grammar for it.
pub(super) fn marks(text: &str, title: &str) -> Option<Vec<Mark>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(&language(title)?).ok()?;
    let tree = parser.parse(text, None)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut units = Units { names: vec![None; lines.len()], ends: vec![0; lines.len()], lines };
    let mut cursor = tree.walk();
    // A loop instead of recursion: the nesting of a text is unlimited.
    loop {
        units.take(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return Some(units.into_marks());
            }
        }
    }
}

fn language(title: &str) -> Option<Language> {
    let grammar = match title.rsplit_once('.')?.1 {
        "rs" => tree_sitter_rust::LANGUAGE,
        "py" | "pyi" => tree_sitter_python::LANGUAGE,
        "js" | "mjs" | "cjs" | "jsx" => tree_sitter_javascript::LANGUAGE,
        "ts" | "mts" | "cts" => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
        "tsx" => tree_sitter_typescript::LANGUAGE_TSX,
        "go" => tree_sitter_go::LANGUAGE,
        "c" | "h" => tree_sitter_c::LANGUAGE,
        "java" => tree_sitter_java::LANGUAGE,
        _ => return None,
    };
    Some(grammar.into())
}

/// The units of a text, by line.
struct Units<'a> {
    lines: Vec<&'a str>,
    /// Name of the unit that begins on each line.
    names: Vec<Option<String>>,
    /// How many units end with each line.
    ends: Vec<usize>,
}

impl Units<'_> {
    /// Records `node` if it is a unit; parents come before their children.
    fn take(&mut self, node: Node<'_>) {
        let (first, end) = (node.start_position().row, node.end_position());
        // A node may end with the line break of its last line.
        let last = if end.column == 0 { end.row.saturating_sub(1) } else { end.row };
        if first >= last || last >= self.lines.len() || !KINDS.contains(&node.kind()) {
            return;
        }
        // A second unit on a line is part of the first.
        if self.names[first].is_some() {
            return;
        }
        let (line, next) = (self.lines[first], self.lines[first + 1]);
        let name = definition(line.trim(), next.trim()).or_else(|| name(node, &self.lines));
        // A function in the middle of a line is a value.
        if name.is_some() {
            self.names[first] = name;
            self.ends[last] += 1;
        }
    }

    fn into_marks(self) -> Vec<Mark> {
        let mut depth = 0;
        let lines = self.names.into_iter().zip(self.ends);
        let marks = lines.map(|(name, ends)| {
            let mark = Mark { depth, name };
            depth = depth + usize::from(mark.name.is_some()) - ends;
            mark
        });
        marks.collect()
    }
}

/// Returns the name by the grammar, if the unit begins its line.
fn name(node: Node<'_>, lines: &[&str]) -> Option<String> {
    let start = node.start_position();
    let before = lines[start.row].get(..start.column)?;
    // In C, the name is somewhere in the declarator, as in `int *(*parse)(void)`.
    let mut name = node.child_by_field_name("name").or(node.child_by_field_name("declarator"))?;
    while let Some(inside) = name.child_by_field_name("declarator") {
        name = inside;
    }
    let (from, to) = (name.start_position(), name.end_position());
    let name = lines[from.row].get(from.column..to.column).filter(|_| from.row == to.row)?;
    before.trim().is_empty().then(|| short(name))
}

#[cfg(test)]
mod tests {
    use super::marks;

    /// Returns the depth of each line, and the name of the unit that begins there.
    fn shown(text: &str, title: &str) -> Vec<String> {
        let marks = marks(text, title).expect("there is a grammar");
        let shown = marks.into_iter().map(|mark| match mark.name {
            Some(name) => format!("{} {name}", mark.depth),
            None => mark.depth.to_string(),
        });
        shown.collect()
    }

    #[test]
    fn units_are_those_of_the_grammar() {
        let check = |title: &str, text: &str, expected: &[&str]| {
            assert_eq!(shown(text, title), expected, "{title}");
        };
        check(
            "a.rs",
            "use b;\nimpl Walk {\nfn next(\n&self,\n) -> u8 {\nlet s = \"\nfn no() {\n\";\n}\n}\nconst C: u8 = 1;\n",
            &["0", "0 impl Walk", "1 fn next", "2", "2", "2", "2", "2", "2", "1", "0"],
        );
        check(
            "a.py",
            "class Shop:\n    \"\"\"\ndef no():\n\"\"\"\n    def buy(self):\n        pass\nx = 1\n",
            &["0 class Shop", "1", "1", "1", "1 def buy", "2", "0"],
        );
        check(
            "a.ts",
            "export class App {\n  run(): void {\n    go();\n  }\n}\nconst f = () => {\n  go();\n};\n",
            &["0 class App", "1 run", "2", "2", "1", "0 f", "1", "1"],
        );
        check(
            "a.go",
            "func (s *Server) Serve() {\n\tgo s.run()\n}\n\ntype T struct {\n\tA int\n}\n",
            &["0 func (s *Server) Serve", "1", "1", "0", "0 type T struct", "1", "1"],
        );
        check(
            "a.c",
            "static int\nparse(char *text)\n{\n  return 0;\n}\nstruct point {\n  int x;\n};\n",
            &["0 parse", "1", "1", "1", "1", "0 struct point", "1", "1"],
        );
        check(
            "A.java",
            "class A {\n  A() {\n    run();\n  }\n  void run() {\n  }\n}\n",
            &["0 class A", "1 A", "2", "2", "1 run", "2", "1"],
        );
        assert!(marks("a = 1", "a.rb").is_none());
    }

    #[test]
    fn nesting_and_nonsense_end() {
        for text in
            ["(".repeat(100_000), "fn a() {".repeat(20_000), "}\u{0}\u{feff}{".repeat(9_000)]
        {
            assert!(marks(&text, "a.rs").is_some());
            assert!(marks(&text, "a.js").is_some());
        }
    }
}
