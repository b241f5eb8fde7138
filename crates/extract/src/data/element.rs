//! XML that contains data, as nodes: attributes and elements by name.

use super::{Kind, NODES_MAX, Node};
use crate::xml::{self, Part};

/// An element that is not closed yet.
#[derive(Default)]
struct Open {
    name: String,
    members: Vec<(String, Node)>,
    text: String,
}

/// Returns the elements of a text; `None` if it is not XML, is over a limit, or mixes texts and
/// elements, as documents do.
pub(crate) fn read_xml(text: &str) -> Option<Node> {
    let mut open = vec![Open::default()];
    let mut is_data = true;
    let mut nodes = 0;
    let read = xml::read(text, |part| {
        match part {
            Part::Start(element) => {
                let members = element.attributes().map(|(name, value)| {
                    nodes += 1;
                    (name.to_owned(), Kind::Value(value.to_owned()).into())
                });
                let members = members.collect();
                open.push(Open { name: element.name, members, text: String::new() });
                nodes += 1;
            }
            Part::End(_) if open.len() > 1 => {
                let Open { name, mut members, text } = open.pop().unwrap_or_default();
                let text = text.trim();
                if members.is_empty() || !text.is_empty() {
                    members.push((String::new(), Kind::Value(text.to_owned()).into()));
                }
                let node = if members.len() == 1 && members[0].0.is_empty() {
                    members.remove(0).1
                } else {
                    Kind::Object(members).into()
                };
                if let Some(around) = open.last_mut() {
                    is_data &= around.text.trim().is_empty();
                    around.members.push((name, node));
                }
            }
            Part::End(_) => {}
            Part::Text(text) => {
                if let Some(around) = open.last_mut() {
                    let has_elements = around.members.iter().any(|(_, node)| !is_attribute(node));
                    is_data &= !has_elements || text.trim().is_empty();
                    around.text.push_str(text);
                }
            }
        }
        is_data && nodes < NODES_MAX
    });
    let root = (open.len() == 1).then(|| open.remove(0)).filter(|_| is_data && read.is_ok())?;
    (!root.members.is_empty() && nodes < NODES_MAX).then(|| Kind::Object(root.members).into())
}

/// Only a node with elements cannot be an attribute; a text after it is then mixed.
fn is_attribute(node: &Node) -> bool {
    matches!(node.kind, Kind::Value(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_distinguished_from_documents() {
        let value = |text: &str| Node::from(Kind::Value(text.to_owned()));
        let named = |name: &str, node| (name.to_owned(), node);
        let object = |members| Node::from(Kind::Object(members));
        assert_eq!(
            read_xml(
                "<?xml version='1.0'?><a x='1'>\n <b>two</b>\n <b>&lt;3</b><c y='4'>five</c><d/></a>"
            ),
            Some(object(vec![named(
                "a",
                object(vec![
                    named("x", value("1")),
                    named("b", value("two")),
                    named("b", value("<3")),
                    named("c", object(vec![named("y", value("4")), named("", value("five"))])),
                    named("d", value("")),
                ])
            )]))
        );
        for other in [
            "<p>some <em>words</em></p>",
            "<p>some <em>words</em> more</p>",
            "no",
            "<a>",
            "<a><b></a",
        ] {
            assert_eq!(read_xml(other), None, "{other}");
        }
    }
}
