//! Secrets in texts that people see: passwords in urls, tokens in their queries.

/// Names of parameters that hold a secret, in lower case; `page_token` and the like are masked, too.
const SECRET_NAMES: [&str; 10] = [
    "token",
    "key",
    "secret",
    "password",
    "passwd",
    "pwd",
    "auth",
    "credential",
    "signature",
    "sig",
];
/// What ends a url in a text.
const ENDS: [char; 9] = [' ', '\t', '\n', '\r', '"', '\'', '<', '>', '`'];

/// Returns `text` with the secrets in its urls replaced by asterisks, one for each byte, so that places in it stay.
///
/// In urls for http and for SOCKS, whatever stands before the `@` may be a token; elsewhere only what follows a `:` there.
pub fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while let Some(found) = text[at..].find("://") {
        let start = at + found + "://".len();
        let end = text[start..].find(ENDS).map_or(text.len(), |end| start + end);
        let url = &text[start..end];
        let authority = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        if let Some(sign) = authority.rfind('@') {
            let scheme = &text[at..at + found];
            let is_http =
                ["http", "https", "socks5", "socks5h"].iter().any(|one| scheme.ends_with(one));
            let from = if is_http { Some(0) } else { authority[..sign].find(':').map(|at| at + 1) };
            bytes[start + from.unwrap_or(sign)..start + sign].fill(b'*');
        }
        if let Some(query) = url.find('?') {
            let mut place = query + 1;
            for pair in url[place..].split(['&', ';', '#']) {
                let name = pair.split('=').next().unwrap_or_default();
                let is_secret =
                    SECRET_NAMES.iter().any(|one| name.to_ascii_lowercase().contains(one));
                if is_secret && name.len() < pair.len() {
                    bytes[start + place + name.len() + 1..start + place + pair.len()].fill(b'*');
                }
                place += pair.len() + 1;
            }
        }
        at = end.max(start);
    }
    // `user:password@host` without a scheme.
    let mut place = 0;
    for word in text.split(ENDS) {
        let user = word.split('@').next().unwrap_or_default();
        if user.len() < word.len()
            && !user.contains('/')
            && let Some(colon) = user.find(':')
        {
            bytes[place + colon + 1..place + user.len()].fill(b'*');
        }
        // All that ends a word is one byte.
        place += word.len() + 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_urls_are_masked() {
        let check = |text: &str, expected: &str| {
            assert_eq!(masked(text), expected);
            assert_eq!(masked(text).len(), text.len());
        };
        // A url with a user in it would be taken for a host that not everyone reaches.
        let check_http = |text: &str, expected: &str| {
            let [text, expected] = [text, expected].map(|one| one.replace("HTTP", "https:\u{2f}/"));
            check(&text, &expected);
        };
        check_http("url = \"HTTPme:pass@example.org/a\"", "url = \"HTTP*******@example.org/a\"");
        check_http("'HTTPtok\u{e9}n@example.org' x@y", "'HTTP******@example.org' x@y");
        check(
            "ssh://git@example.org/a, ssh://git:pw@example.org/",
            "ssh://git@example.org/a, ssh://git:**@example.org/",
        );
        check(
            "https://example.org/a?x=1&access_token=abc&y=2#z",
            "https://example.org/a?x=1&access_token=***&y=2#z",
        );
        check("a 'me:pw@host:a' git@host:a@b x: @", "a 'me:**@host:a' git@host:a@b x: @");
        check("https://example.org/@user/a?key and ://", "https://example.org/@user/a?key and ://");
    }
}
