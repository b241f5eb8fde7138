//! Formulas in MathML as TeX, so that they can be read and their signs keep their order.

use crate::dom::{NodeId, Tree};

/// Limit on nested elements.
const DEPTH_MAX: usize = 64;

/// Returns the TeX of a formula; empty if it contains nothing.
pub(super) fn tex(tree: &Tree, id: NodeId) -> String {
    let mut tex = String::new();
    push_row(tree, id, 0, &mut tex);
    tex.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn push_row(tree: &Tree, id: NodeId, depth: usize, tex: &mut String) {
    for child in tree.children(id) {
        push(tree, child, depth + 1, tex);
    }
}

fn push(tree: &Tree, id: NodeId, depth: usize, tex: &mut String) {
    if depth > DEPTH_MAX {
        return tex.push_str(&tree.text(id));
    }
    let parts: Vec<NodeId> = tree.children(id).filter(|&one| !tree.name(one).is_empty()).collect();
    let part = |at: usize| {
        let mut part = String::new();
        if let Some(&id) = parts.get(at) {
            push(tree, id, depth + 1, &mut part);
        }
        part
    };
    match tree.name(id) {
        "mi" | "mn" | "mo" | "ms" => tex.push_str(tree.text(id).trim()),
        "mtext" => tex.push_str(&format!("\\text{{{}}}", tree.text(id))),
        "msup" | "mover" => tex.push_str(&format!("{}^{{{}}}", part(0), part(1))),
        "msub" | "munder" => tex.push_str(&format!("{}_{{{}}}", part(0), part(1))),
        "msubsup" | "munderover" => {
            tex.push_str(&format!("{}_{{{}}}^{{{}}}", part(0), part(1), part(2)));
        }
        "mfrac" => tex.push_str(&format!("\\frac{{{}}}{{{}}}", part(0), part(1))),
        "mroot" => tex.push_str(&format!("\\sqrt[{}]{{{}}}", part(1), part(0))),
        "msqrt" => {
            tex.push_str("\\sqrt{");
            push_row(tree, id, depth, tex);
            tex.push('}');
        }
        "mtr" | "mlabeledtr" => {
            let cells: Vec<String> = (0..parts.len()).map(part).collect();
            tex.push_str(&cells.join(" & "));
            tex.push_str(" \\\\ ");
        }
        "mspace" | "mphantom" => tex.push(' '),
        "annotation" | "annotation-xml" => {}
        "" => tex.push_str(tree.own_text(id).trim()),
        _ => push_row(tree, id, depth, tex),
    }
}
