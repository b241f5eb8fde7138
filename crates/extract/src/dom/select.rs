//! The subset of CSS selectors that selects parts of a page: `main`, `#content`, `div.body`,
//! `[role=main]`, `.docs article`.

use super::tree::{NodeId, Tree};

/// One selector: compounds, each inside the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    compounds: Vec<Compound>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Compound {
    name: Option<String>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Class(String),
    Attribute(String, Option<String>),
}

impl Selector {
    /// Parses a selector; the error lists what is supported.
    pub fn parse(text: &str) -> Result<Self, String> {
        let compounds: Option<Vec<_>> = text.split_whitespace().map(Compound::parse).collect();
        compounds.filter(|all| !all.is_empty()).map(|compounds| Self { compounds }).ok_or_else(
            || format!("\"{text}\" must be made of tag, #id, .class, [name] and [name=value]"),
        )
    }

    /// Reports whether it requires no attribute of the element itself.
    pub fn is_bare(&self) -> bool {
        self.compounds.last().is_some_and(|last| last.conditions.is_empty())
    }

    /// Reports whether it selects the element.
    pub fn matches(&self, tree: &Tree, id: NodeId) -> bool {
        let Some((last, outer)) = self.compounds.split_last() else { return false };
        if !last.matches(tree, id) {
            return false;
        }
        let mut at = id;
        outer.iter().rev().all(|compound| {
            while at != NodeId::ROOT {
                at = tree.parent(at);
                if compound.matches(tree, at) {
                    return true;
                }
            }
            false
        })
    }
}

impl Compound {
    fn parse(text: &str) -> Option<Self> {
        let end = |rest: &str| rest.find(['#', '.', '[']).unwrap_or(rest.len());
        let (name, mut rest) = text.split_at(end(text));
        let mut compound = Self {
            name: (!name.is_empty() && name != "*").then(|| name.to_ascii_lowercase()),
            conditions: Vec::new(),
        };
        if name.contains([']', '>', '+', '~', ':', ',']) {
            return None;
        }
        while let Some(mark) = rest.chars().next() {
            let value;
            if mark == '[' {
                (value, rest) = rest[1..].split_once(']')?;
                compound.conditions.push(attribute(value));
            } else {
                (value, rest) = rest[1..].split_at(end(&rest[1..]));
                compound.conditions.push(match mark {
                    '#' => Condition::Attribute("id".to_owned(), Some(value.to_owned())),
                    _ => Condition::Class(value.to_owned()),
                });
            }
            if value.is_empty() || value.contains(['>', '+', '~', ':', ',']) {
                return None;
            }
            if !rest.is_empty() && !rest.starts_with(['#', '.', '[']) {
                return None;
            }
        }
        Some(compound)
    }

    fn matches(&self, tree: &Tree, id: NodeId) -> bool {
        let name = tree.name(id);
        !name.is_empty()
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self.conditions.iter().all(|condition| match condition {
                Condition::Class(class) => tree.classes(id).any(|one| one == class),
                Condition::Attribute(name, wanted) => tree
                    .attribute(id, name)
                    .is_some_and(|value| wanted.as_ref().is_none_or(|wanted| value == wanted)),
            })
    }
}

fn attribute(text: &str) -> Condition {
    match text.split_once('=') {
        Some((name, value)) => {
            let value = value.trim_matches(['"', '\'']).to_owned();
            Condition::Attribute(name.to_ascii_lowercase(), Some(value))
        }
        None => Condition::Attribute(text.to_ascii_lowercase(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dom::parse;

    #[test]
    fn selectors_name_elements() {
        let tree = parse("<div id=a class='x y'><p role=main><b>1</b></p></div><b class=x>2</b>");
        let check = |selector: &str, expected: &[&str]| {
            let selector = Selector::parse(selector).unwrap();
            let found = tree.all().filter(|&id| selector.matches(&tree, id));
            assert_eq!(found.map(|id| tree.text(id)).collect::<Vec<_>>(), expected);
        };
        check("b", &["1", "2"]);
        check("div b", &["1"]);
        check("#a p b", &["1"]);
        check(".x", &["1", "2"]);
        check("b.x", &["2"]);
        check("div.x.y#a", &["1"]);
        check("[role=main]", &["1"]);
        check("p[role='main'] b", &["1"]);
        check("[class]", &["1", "2"]);
        check("*.y", &["1"]);
        check("i", &[]);
        for wrong in ["", " ", "a > b", "a,b", "a:first", ".", "#", "[", "[]", "a]"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
