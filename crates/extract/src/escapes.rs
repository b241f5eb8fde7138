//! Bytes written as a sign and two hexadecimal digits: `%20` in URLs, `=20` in mails.

/// Decodes such bytes in a text; everything else stays.
pub(crate) fn decoded(text: &str, sign: u8) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .filter(|hex| byte == sign && hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_decoded() {
        let check = |text: &str, sign: u8, expected: &str| {
            assert_eq!(decoded(text, sign), expected, "{text}");
        };
        check("a%20b%2", b'%', "a b%2");
        check("100%, %+1", b'%', "100%, %+1");
        check("gr=C3=BC=c3=9fe", b'=', "grüße");
        check("%ff", b'%', "\u{fffd}");
    }
}
