//! Formulas of Word documents as LaTeX: the reader of the document ignores them, so they are added
//! to its text first.
//!
//! After Office Math Markup (ECMA-376, part 1, section 22.1): the elements that Word's own editor
//! writes; unknown ones contribute their text.

use crate::xml::{self, Part};

/// Signs and operators with their LaTeX names.
const SIGNS: [(char, &str); 44] = [
    ('α', "alpha"),
    ('β', "beta"),
    ('γ', "gamma"),
    ('δ', "delta"),
    ('ε', "epsilon"),
    ('ζ', "zeta"),
    ('η', "eta"),
    ('θ', "theta"),
    ('κ', "kappa"),
    ('λ', "lambda"),
    ('μ', "mu"),
    ('ν', "nu"),
    ('ξ', "xi"),
    ('π', "pi"),
    ('ρ', "rho"),
    ('σ', "sigma"),
    ('τ', "tau"),
    ('φ', "phi"),
    ('χ', "chi"),
    ('ψ', "psi"),
    ('ω', "omega"),
    ('Γ', "Gamma"),
    ('Δ', "Delta"),
    ('Θ', "Theta"),
    ('Λ', "Lambda"),
    ('Π', "Pi"),
    ('Σ', "Sigma"),
    ('Φ', "Phi"),
    ('Ψ', "Psi"),
    ('Ω', "Omega"),
    ('∞', "infty"),
    ('×', "times"),
    ('÷', "div"),
    ('±', "pm"),
    ('∓', "mp"),
    ('≤', "leq"),
    ('≥', "geq"),
    ('≠', "neq"),
    ('≈', "approx"),
    ('→', "rightarrow"),
    ('∂', "partial"),
    ('∈', "in"),
    ('∙', "cdot"),
    ('⋯', "cdots"),
];

/// Operators with limits, and their LaTeX names.
const LARGE: [(char, &str); 7] = [
    ('∑', "sum"),
    ('∏', "prod"),
    ('∫', "int"),
    ('∬', "iint"),
    ('∮', "oint"),
    ('⋃', "bigcup"),
    ('⋂', "bigcap"),
];

/// Functions with a LaTeX name.
const FUNCTIONS: [&str; 16] = [
    "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "log", "ln", "exp", "lim",
    "min", "max", "det",
];

/// Replaces every formula by a run of text.
pub(crate) fn replace(document: &str) -> String {
    const END: &str = "</m:oMath>";
    let mut text = String::with_capacity(document.len());
    let mut rest = document;
    while let Some(at) = rest.find("<m:oMath") {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(tag_end) = rest.find('>') else { break };
        let is_formula = rest[..=tag_end].starts_with("<m:oMath>") || rest.starts_with("<m:oMath ");
        let end = rest.find(END).filter(|_| is_formula);
        match end {
            Some(end) => {
                let formula = &rest[..end + END.len()];
                let latex = quick_xml::escape::escape(latex(formula)).into_owned();
                text.push_str(&format!("<w:r><w:t xml:space=\"preserve\">{latex}</w:t></w:r>"));
                rest = &rest[formula.len()..];
            }
            // `m:oMathPara` and its settings only surround formulas.
            None => rest = &rest[tag_end + 1..],
        }
    }
    text.push_str(rest);
    text.replace("</m:oMathPara>", "").replace("</m:oMathParaPr>", "")
}

/// An element of a formula.
#[derive(Default)]
struct Element {
    name: String,
    /// Of its attribute `m:val`.
    value: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the value of one of its settings, such as the character of an operator.
    fn setting(&self, name: &str) -> Option<&str> {
        let properties = self.children.iter().find(|child| child.name.ends_with("Pr"))?;
        properties.child(name).map(|setting| setting.value.as_str())
    }
}

/// Returns a formula with its dollar signs; empty if it has no content.
fn latex(formula: &str) -> String {
    let mut open = vec![Element::default()];
    let read = xml::read(formula, |part| {
        match part {
            Part::Start(element) => {
                let value = element.attribute("val").unwrap_or_default().to_owned();
                open.push(Element { value, name: element.name, ..Element::default() });
            }
            Part::End(_) if open.len() > 1 => {
                let element = open.pop().unwrap_or_default();
                if let Some(around) = open.last_mut() {
                    around.children.push(element);
                }
            }
            Part::End(_) => {}
            Part::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(text);
                }
            }
        }
        true
    });
    let rendered = match read {
        Ok(()) => open.first().map(render).unwrap_or_default(),
        Err(_) => String::new(),
    };
    let rendered = rendered.split_whitespace().collect::<Vec<_>>().join(" ");
    if rendered.is_empty() { rendered } else { format!("${rendered}$") }
}

/// Renders an element.
fn render(element: &Element) -> String {
    let of = |name: &str| element.child(name).map(render).unwrap_or_default();
    match element.name.as_str() {
        "t" => signs(&element.text),
        name if name.ends_with("Pr") => String::new(),
        "f" => format!("\\frac{{{}}}{{{}}}", of("num"), of("den")),
        "sSup" => format!("{}^{{{}}}", of("e"), of("sup")),
        "sSub" => format!("{}_{{{}}}", of("e"), of("sub")),
        "sSubSup" => format!("{}_{{{}}}^{{{}}}", of("e"), of("sub"), of("sup")),
        "rad" => match of("deg") {
            degree if degree.is_empty() => format!("\\sqrt{{{}}}", of("e")),
            degree => format!("\\sqrt[{degree}]{{{}}}", of("e")),
        },
        "nary" => {
            let sign = element.setting("chr").and_then(|text| text.chars().next()).unwrap_or('∫');
            let name = LARGE.iter().find(|(large, _)| *large == sign);
            let name = name.map_or(sign.to_string(), |(_, name)| format!("\\{name}"));
            let bound = |mark: char, bound: String| {
                if bound.is_empty() { bound } else { format!("{mark}{{{bound}}}") }
            };
            let (low, high) = (bound('_', of("sub")), bound('^', of("sup")));
            format!("{name}{low}{high} {{{}}}", of("e"))
        }
        "d" => {
            let inside: Vec<_> =
                element.children.iter().filter(|child| child.name == "e").map(render).collect();
            let open = element.setting("begChr").unwrap_or("(");
            let close = element.setting("endChr").unwrap_or(")");
            format!("\\left{}{}\\right{}", bracket(open), inside.join(" | "), bracket(close))
        }
        "func" => format!("{}{{{}}}", of("fName"), of("e")),
        "fName" => {
            let name = all(element);
            let bare = name.trim();
            if FUNCTIONS.contains(&bare) { format!("\\{bare}") } else { name }
        }
        "limLow" => format!("{}_{{{}}}", of("e"), of("lim")),
        "limUpp" => format!("{}^{{{}}}", of("e"), of("lim")),
        "bar" => format!("\\overline{{{}}}", of("e")),
        "m" => {
            let row =
                |row: &Element| row.children.iter().map(render).collect::<Vec<_>>().join(" & ");
            let rows = element.children.iter().filter(|child| child.name == "mr");
            let rows = rows.map(row).collect::<Vec<_>>().join(" \\\\ ");
            format!("\\begin{{matrix}} {rows} \\end{{matrix}}")
        }
        _ => all(element),
    }
}

fn all(element: &Element) -> String {
    element.children.iter().map(render).collect()
}

/// A bracket for `\left`; none is a full stop.
fn bracket(sign: &str) -> String {
    match sign {
        "" => ".".to_owned(),
        "{" | "}" => format!("\\{sign}"),
        sign => sign.to_owned(),
    }
}

/// Returns text with the LaTeX names of its signs.
fn signs(text: &str) -> String {
    let mut rendered = String::with_capacity(text.len());
    for sign in text.chars() {
        match SIGNS.iter().chain(&LARGE).find(|(known, _)| *known == sign) {
            Some((_, name)) => rendered.push_str(&format!("\\{name} ")),
            None => rendered.push(sign),
        }
    }
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_latex() {
        let check = |inside: &str, expected: &str| {
            let formula = format!("<m:oMath>{inside}</m:oMath>");
            assert_eq!(latex(&formula), expected, "{inside}");
        };
        let run =
            |text: &str| format!("<m:r><m:rPr><m:sty m:val=\"p\"/></m:rPr><m:t>{text}</m:t></m:r>");
        check(&run("E=m"), "$E=m$");
        check("", "");
        check(
            &format!("<m:f><m:num>{}</m:num><m:den>{}</m:den></m:f>", run("1"), run("π")),
            "$\\frac{1}{\\pi }$",
        );
        check(
            &format!(
                "<m:nary><m:naryPr><m:chr m:val=\"∑\"/></m:naryPr><m:sub>{}</m:sub><m:sup>{}</m:sup><m:e>{}</m:e></m:nary>",
                run("n=1"),
                run("∞"),
                run("x")
            ),
            "$\\sum_{n=1}^{\\infty } {x}$",
        );
        check(
            &format!(
                "<m:d><m:e><m:sSup><m:e>{}</m:e><m:sup>{}</m:sup></m:sSup></m:e></m:d>",
                run("x"),
                run("2")
            ),
            "$\\left(x^{2}\\right)$",
        );
        check(
            &format!("<m:func><m:fName>{}</m:fName><m:e>{}</m:e></m:func>", run("log"), run("y")),
            "$\\log{y}$",
        );
    }

    #[test]
    fn runs_take_the_place_of_formulas() {
        let document = "<w:p><w:r><w:t>a</w:t></w:r><m:oMathPara><m:oMathParaPr><m:jc m:val=\"left\"/></m:oMathParaPr>\
                        <m:oMath><m:r><m:t>x&lt;y</m:t></m:r></m:oMath></m:oMathPara></w:p><m:oMath>";
        assert_eq!(
            replace(document),
            "<w:p><w:r><w:t>a</w:t></w:r><m:jc m:val=\"left\"/>\
             <w:r><w:t xml:space=\"preserve\">$x&lt;y$</w:t></w:r></w:p>"
        );
    }
}
