//! What a URL says by itself: its host, its spelling, and whether it may be fetched.

use url::Url;

/// Returns host and port of a URL that `may_be_asked`; http and https with their default ports
/// are one host.
pub fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// Reports whether a URL named by a server may be requested: http or https, and without a password.
pub(super) fn may_be_asked(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && !has_credentials(url) && url.has_host()
}

/// Returns the parts of a URL that robots.txt is about.
pub(super) fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// Returns `text` with one spelling of percent-encoding: letters, digits and `-._~` are never
/// encoded, and escapes are in upper case (RFC 3986, section 6.2.2).
pub(super) fn with_plain_escapes(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3);
        match code.and_then(|code| u8::from_str_radix(code, 16).ok().zip(Some(code))) {
            Some((byte, _)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                plain.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            Some((_, code)) => {
                plain.push('%');
                plain.push_str(&code.to_ascii_uppercase());
                rest = &rest[at + 3..];
            }
            None => {
                plain.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    (plain != text).then_some(plain)
}

/// Reports whether `url` contains a user name or password.
pub(super) fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_have_one_spelling() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(with_plain_escapes(text).as_deref(), expected, "{text}");
        };
        check("/caf%c3%a9", Some("/caf%C3%A9"));
        check("/%7Ea/%41%2d%2E%5f", Some("/~a/A-._"));
        check("/a%2fb%3F", Some("/a%2Fb%3F"));
        check("/100%/%zz/%", None);
        check("/%E4", None);
        check("/%+1", None);
        check("/a~b", None);
    }
}
