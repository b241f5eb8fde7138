//! Removes from the text of a mail what is not text: embedded files, signatures and keys.

use crate::escapes;

/// First and last lines of what is left out: uuencode, and OpenPGP's armour (RFC 9580, section
/// 6.2).
const ENCODED: [(&str, &str); 4] = [
    ("begin ", "end"),
    ("-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"),
    ("-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----"),
    ("-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"),
];

/// Decodes quoted-printable (RFC 2045, section 6.7) as far as it is valid.
pub(super) fn without_quotation(text: &str) -> String {
    escapes::decoded(&text.replace("=\r\n", "").replace("=\n", ""), b'=')
}

/// Leaves out encoded data; without an end it stays.
pub(super) fn without_encoded(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let ends = |line: &str, kind: usize| line.trim_end() == ENCODED[kind].1;
    let last: Vec<_> =
        (0..ENCODED.len()).map(|kind| lines.iter().rposition(|line| ends(line, kind))).collect();
    let mut kept = Vec::with_capacity(lines.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        // A missing end is not searched for again and again.
        let kind = kind(line).filter(|&kind| last[kind] > Some(at));
        let length = kind.and_then(|kind| lines[at..].iter().position(|line| ends(line, kind)));
        if length.is_none() {
            kept.push(*line);
        }
        at += length.unwrap_or(0) + 1;
    }
    kept.join("\n")
}

/// Returns the kind of encoding that a line begins, as an index of [`ENCODED`].
fn kind(line: &str) -> Option<usize> {
    let kind = ENCODED.iter().position(|(begin, _)| line.starts_with(begin))?;
    let mode = line.strip_prefix("begin ").and_then(|rest| rest.split_once(' '));
    let is_file =
        mode.is_some_and(|(mode, _)| mode.len() == 3 && mode.bytes().all(|b| b.is_ascii_digit()));
    (kind > 0 || is_file).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_left() {
        let check =
            |text: &str, expected: &str| assert_eq!(without_encoded(text), expected, "{text}");
        check("a\nbegin 644 a.png\nM(((\nend\nb", "a\nb");
        check("a\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE----- \nb", "a\nb");
        check("begin again\nend", "begin again\nend");
        check("end\nbegin 644 a\nb", "end\nbegin 644 a\nb");
        check("-----BEGIN PGP MESSAGE-----\nx", "-----BEGIN PGP MESSAGE-----\nx");
    }
}
