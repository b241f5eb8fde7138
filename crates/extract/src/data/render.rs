//! Nodes as Markdown: a heading for each list and object, a list item for each value.

use super::{Kind, Node};
use crate::writer::{Writer, escaped};
use crate::{LineMap, TEXT_BYTES_MAX};

/// Levels of headings; deeper nodes are named by their path below the last.
const LEVELS_MAX: usize = 6;

/// Limit on the columns of a table.
const COLUMNS_MAX: usize = 20;

/// Limit on the bytes of a value in a table.
const CELL_BYTES_MAX: usize = 500;

/// Names of the value that serves as the heading of an object in a list.
const NAMES: [&str; 4] = ["name", "title", "id", "key"];

/// Limit on the bytes of such a heading.
const NAME_BYTES_MAX: usize = 80;

/// Renders `node`.
pub(super) fn render(node: &Node) -> (String, LineMap) {
    let mut renderer = Renderer { writer: Writer::new(TEXT_BYTES_MAX), in_list: false };
    match resource(node) {
        Some(name) => renderer.below(&name, node, 0, ""),
        None => renderer.render(node, 0, ""),
    }
    renderer.end_list();
    renderer.writer.finish_with_lines()
}

struct Renderer {
    writer: Writer,
    /// A list of values is open.
    in_list: bool,
}

impl Renderer {
    /// Renders a node below `level` headings; `path` is the part of its path that they do not show.
    fn render(&mut self, node: &Node, level: usize, path: &str) {
        match &node.kind {
            Kind::Value(value) => self.item(path, value, node),
            Kind::Object(members) => {
                // Values first: after the heading of an inner object they would belong to that.
                let (values, others): (Vec<_>, Vec<_>) =
                    members.iter().partition(|(_, node)| is_value(node));
                for (name, value) in values {
                    self.item(&joined(path, name), &shown(value), value);
                }
                for (name, node) in others {
                    self.below(name, node, level, path);
                }
            }
            Kind::List(nodes) => {
                if let Some(rows) = table(nodes) {
                    self.end_list();
                    self.rows(nodes, rows);
                    return;
                }
                for (number, node) in (1..).zip(nodes) {
                    let resource = resource(node);
                    let name = NAMES.iter().find_map(|name| node.value(name));
                    let name = resource.as_deref().or(name);
                    let name = name.filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
                    match &node.kind {
                        Kind::Value(value) => self.item(path, value, node),
                        _ => self.below(name.unwrap_or(&number.to_string()), node, level, path),
                    }
                }
            }
        }
    }

    /// Renders a list or object under its name.
    fn below(&mut self, name: &str, node: &Node, level: usize, path: &str) {
        if level < LEVELS_MAX && !name.trim().is_empty() {
            self.end_list();
            self.writer.at((node.lines.0, node.lines.0));
            self.writer.heading(level + 1, &escaped(name));
            self.render(node, level + 1, path);
        } else {
            self.render(node, level, &joined(path, name));
        }
    }

    /// Writes objects as a table; `rows` begin with its header.
    fn rows(&mut self, nodes: &[Node], rows: Vec<Vec<String>>) {
        self.writer.begin_table(rows.first().map_or(0, Vec::len));
        for (node, row) in nodes.iter().take(1).chain(nodes).zip(rows) {
            self.writer.at(node.lines);
            self.writer.row(row.into_iter());
        }
        self.writer.end_table();
    }

    fn item(&mut self, name: &str, value: &str, node: &Node) {
        if !self.in_list {
            self.writer.open_list(true);
            self.in_list = true;
        }
        self.writer.open_item("- ");
        self.writer.at(node.lines);
        let value = escaped(value.trim());
        let colon = if name.is_empty() || value.is_empty() { "" } else { ": " };
        self.writer.paragraph(&format!("{}{colon}{value}", escaped(name)));
        self.writer.close();
    }

    fn end_list(&mut self) {
        if std::mem::take(&mut self.in_list) {
            self.writer.close();
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    let dot = if path.is_empty() || name.is_empty() { "" } else { "." };
    format!("{path}{dot}{name}")
}

/// Returns kind and name of a resource of Kubernetes, as in `Deployment web`.
fn resource(node: &Node) -> Option<String> {
    let name = node.member("metadata")?.value("name")?;
    Some(format!("{} {name}", node.value("kind")?))
}

/// Reports whether a node is rendered as one item: a value, or a list of values.
fn is_value(node: &Node) -> bool {
    match &node.kind {
        Kind::Value(_) => true,
        Kind::List(nodes) => nodes.iter().all(|node| matches!(node.kind, Kind::Value(_))),
        Kind::Object(members) => members.is_empty(),
    }
}

fn shown(node: &Node) -> String {
    match &node.kind {
        Kind::Value(value) => value.clone(),
        Kind::List(nodes) => nodes.iter().map(shown).collect::<Vec<_>>().join(", "),
        Kind::Object(_) => String::new(),
    }
}

/// Returns header and rows if the nodes are objects of short values with the same names.
fn table(nodes: &[Node]) -> Option<Vec<Vec<String>>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for node in nodes {
        let Kind::Object(members) = &node.kind else { return None };
        let is_row =
            |(_, node): &(String, Node)| is_value(node) && shown(node).len() <= CELL_BYTES_MAX;
        if members.len() < 2 || members.len() > COLUMNS_MAX || !members.iter().all(is_row) {
            return None;
        }
        if rows.is_empty() {
            rows.push(members.iter().map(|(name, _)| escaped(name)).collect());
        }
        let is_same = rows[0].len() == members.len()
            && rows[0].iter().zip(members).all(|(known, (name, _))| *known == escaped(name));
        if !is_same {
            return None;
        }
        rows.push(members.iter().map(|(_, node)| escaped(&shown(node))).collect());
    }
    (rows.len() > 2).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    #[test]
    fn values_come_with_their_path() {
        let text = r#"{
            "service": {"web": {"image": "nginx", "ports": [80, 443], "env": {}}, "db": {"size": null}},
            "version": "3.8",
            "users": [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob | B"}],
            "jobs": [{"name": "build", "steps": [["a", {"run": "make\nmake test"}]]}, {"steps": "none"}],
            "a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": "deep"}}}}}}}
        }"#;
        insta::assert_snapshot!(render(&json::read(text).unwrap()).0, @r"
        - version: 3.8

        # service

        ## web

        - image: nginx
        - ports: 80, 443
        - env

        ## db

        - size: null

        # users

        | id | name |
        | --- | --- |
        | 1 | Ada |
        | 2 | Bob \| B |

        # jobs

        ## build

        - name: build

        ### steps

        #### 1

        - a

        ##### 2

        - run: make
          make test

        ## 2

        - steps: none

        # a

        ## b

        ### c

        #### d

        ##### e

        ###### f

        - g.h: deep
        ");
    }
}
