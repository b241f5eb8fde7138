//! Hides secrets in URLs: passwords, and the values of parameters that look like secrets.
//!
//! Used for everything that is printed, logged or stored as an error. The URI of a document is not
//! changed, as it identifies the document.

use std::ops::Range;

use super::percent;

/// Replaces a secret.
const HIDDEN: &str = "***";
/// Parts of the names of parameters whose values are secrets,
const PARTS: [&str; 9] =
    ["token", "secret", "passw", "signature", "credential", "session", "bearer", "saml", "hmac"];
/// ends of such names,
const ENDINGS: [&str; 5] = ["key", "auth", "pwd", "sig", "jwt"];
/// and words in such names.
const WORDS: [&str; 9] = ["key", "auth", "pwd", "sig", "pass", "code", "sas", "otp", "ticket"];
/// Characters that end a URL in a text.
const ENDS: [char; 10] = [' ', '\t', '\n', '\r', '"', '\'', '<', '>', '`', ')'];

/// Returns `text`, a message or a URL, with the secrets in every URL hidden.
pub fn hidden(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets(text) {
        shown.push_str(&text[from..secret.start]);
        shown.push_str(HIDDEN);
        from = secret.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// Returns `text` like [`hidden`], with an asterisk for each hidden byte: all other bytes keep
/// their position.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets(text) {
        shown.push_str(&text[from..secret.start]);
        shown.extend(std::iter::repeat_n('*', secret.len()));
        from = secret.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// Returns the ranges of the secrets in the URLs of `text`, in order.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + 3;
        let end = text[start..].find(ENDS).map_or(text.len(), |length| start + length);
        add_secrets(text, start..end, &mut found);
        from = end;
    }
    add_passwords(text, &mut found);
    found
}

/// Adds the passwords in `user:password@host` without a scheme.
fn add_passwords(text: &str, found: &mut Vec<Range<usize>>) {
    let mut place = 0;
    for word in text.split(ENDS) {
        if let Some((user, host)) = word.split_once('@')
            && !user.contains('/')
            && is_host(host)
            && let Some(colon) = user.find(':')
        {
            found.push(place + colon + 1..place + user.len());
        }
        // Every character that ends a word is one byte.
        place += word.len() + 1;
    }
    found.sort_by_key(|secret| secret.start);
}

/// Returns whether `text` may begin with a host name: unlike the number in `recall@5`.
fn is_host(text: &str) -> bool {
    let end = text.find([':', '/', '?', '#']).unwrap_or(text.len());
    text.starts_with('[') || text[..end].contains(|c: char| c == '.' || c.is_alphabetic())
}

/// Adds the secrets of a URL; `url` is the part after `://`.
fn add_secrets(text: &str, url: Range<usize>, found: &mut Vec<Range<usize>>) {
    let rest = &text[url.clone()];
    let authority_end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = &rest[..authority_end];
    let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
    let at = authority.rfind('@').or_else(|| {
        // A password with an unescaped slash.
        let may_go_on = authority.contains(':') && !is_port(authority);
        rest[..path_end].rfind('@').filter(|_| may_go_on)
    });
    if let Some(at) = at.filter(|at| *at > 0) {
        found.push(url.start..url.start + at);
    }
    let mut place = url.start + at.unwrap_or(0);
    let mut is_parameter = false;
    for part in text[place..url.end].split_inclusive(['?', '&', ';', '#']) {
        let parameter = part.trim_end_matches(['?', '&', ';', '#']);
        if let Some((name, value)) = parameter.split_once('=')
            && is_parameter
            && (is_secret(name) || holds_secret(value))
            && !value.is_empty()
        {
            let start = place + name.len() + 1;
            found.push(start..start + value.len());
        }
        place += part.len();
        is_parameter = true;
    }
}

/// Returns whether a value is an escaped URL that contains secrets.
fn holds_secret(value: &str) -> bool {
    if !value.contains('%') {
        return false;
    }
    let plain = percent::decoded(value);
    let url = plain.find("://").map_or(0, |at| at + 3);
    let mut found = Vec::new();
    add_secrets(&plain, url..plain.len(), &mut found);
    !found.is_empty()
}

fn is_port(authority: &str) -> bool {
    authority.starts_with('[')
        || authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_secret(name: &str) -> bool {
    let name = percent::decoded(name).to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_not_shown() {
        let check = |text: &str, expected: &str| {
            assert_eq!(hidden(&text.replace("||", "//")), expected.replace("||", "//"));
        };
        check("nothing: to hide", "nothing: to hide");
        check("https:||example.org/a?b=c#d", "https:||example.org/a?b=c#d");
        check("https:||me:hush@example.org/a", "https:||***@example.org/a");
        check("at \"https:||me@ex@example.org/\": no", "at \"https:||***@example.org/\": no");
        check("https:||me:hu/sh@example.org/a", "https:||***@example.org/a");
        check("me:hush@example.org:22", "me:***@example.org:22");
        check("me:hush@localhost", "me:***@localhost");
        check("text:recall@5 is 0.6667", "text:recall@5 is 0.6667");
        check("https:||example.org:80/a@b", "https:||example.org:80/a@b");
        check(
            "no https:||example.org/?page=1&access_token=hush&x=2, https:||example.org/?X-Amz-Signature=hush#a",
            "no https:||example.org/?page=1&access_token=***&x=2, https:||example.org/?X-Amz-Signature=***#a",
        );
        check(
            "https:||example.org/?next=%2Fx%3Ftoken%3DV&a=b%20c",
            "https:||example.org/?next=***&a=b%20c",
        );
        check("https:||example.org/?t=http%3A%2F%2Fu%3APW%40h%2F", "https:||example.org/?t=***");
        check(
            "https:||example.org/?SAMLResponse=a&otp=1",
            "https:||example.org/?SAMLResponse=***&otp=***",
        );
        check("https:||example.org/#id_token=hush", "https:||example.org/#id_token=***");
        check(
            "site:https:||example.org/?API_KEY=hush: 404",
            "site:https:||example.org/?API_KEY=*** 404",
        );
    }

    #[test]
    fn what_is_masked_keeps_its_length() {
        let text = "a = \"https:||me:h\u{fc}sh@example.org/?sig=x\" # b";
        let expected = "a = \"https:||********@example.org/?sig=*\" # b";
        let text = text.replace("||", "//");
        assert_eq!(masked(&text), expected.replace("||", "//"));
        assert_eq!(masked(&text).len(), text.len());
    }
}
