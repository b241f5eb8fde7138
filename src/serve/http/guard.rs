//! Who may ask: names of the server, origins of pages, and the token.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Access;
use crate::serve::refusal::{Refusal, RefusalCode};

/// The path that needs no token: whether the server is alive is no secret.
const WITHOUT_TOKEN: &str = "/healthz";

/// Decides who may ask.
pub struct Guard {
    /// Hash of the token: comparing hashes takes the same time for any guess.
    token: Option<blake3::Hash>,
    hosts: Vec<String>,
}

impl Guard {
    /// Makes the guard of `access`.
    pub fn of(access: Access) -> Self {
        let token = access.token.map(|token| blake3::hash(token.as_bytes()));
        let hosts = access.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { token, hosts }
    }

    /// Fails unless a request for `path` with these headers is allowed.
    pub fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let refuse = |code, message: &str| Err(Refusal { code, message: message.to_owned() });
        // A page of a stranger can give its own name the address of this machine, and would then
        // count as of the same origin; but its name is in the request.
        let host = text(HOST).unwrap_or_default();
        if !self.is_ours(host) {
            return refuse(
                RefusalCode::Forbidden,
                "the server has no such name; `--allow-host` adds names",
            );
        }
        // Browsers send it with all that a page of another origin asks for and could read.
        if let Some(origin) = text(ORIGIN)
            && origin.split_once("://").map(|(_, authority)| authority) != Some(host)
        {
            return refuse(RefusalCode::Forbidden, "pages of other origins may not ask");
        }
        let Some(token) = self.token.filter(|_| path != WITHOUT_TOKEN) else { return Ok(()) };
        match given_token(text(AUTHORIZATION).unwrap_or_default()) {
            Some(given) if blake3::hash(&given) == token => Ok(()),
            _ => refuse(RefusalCode::Unauthorized, "a token is needed: Authorization: Bearer …"),
        }
    }

    /// Reports whether `host`, with or without a port, is an IP address or a name of the server.
    fn is_ours(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port),
            _ => (host, ""),
        };
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let name = name.to_ascii_lowercase();
        port.bytes().all(|byte| byte.is_ascii_digit())
            && (address.unwrap_or(&name).parse::<IpAddr>().is_ok()
                || name == "localhost"
                || self.hosts.contains(&name))
    }
}

/// Returns the token in `authorization`: of a program as `Bearer`, of a browser as the password of
/// `Basic`, whoever the user is (RFC 7617).
fn given_token(authorization: &str) -> Option<Vec<u8>> {
    let (scheme, given) = authorization.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(given.trim().into()),
        "basic" => {
            let pair = BASE64_STANDARD.decode(given.trim()).ok()?;
            let colon = pair.iter().position(|byte| *byte == b':')?;
            Some(pair[colon + 1..].to_vec())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_are_refused() {
        let guard = Guard::of(Access { token: None, hosts: vec!["Kb.Example.org".to_owned()] });
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:8321", true),
            ("127.0.0.1:8321", true),
            ("[::1]:8321", true),
            ("[::1]", true),
            ("kb.example.org", true),
            ("KB.example.org:443", true),
            ("evil.example.org", false),
            ("localhost.evil.example.org", false),
            ("127.0.0.1.evil.example.org", false),
            ("localhost:8321:x", false),
            ("localhost:80@evil", false),
            ("", false),
        ] {
            assert_eq!(guard.is_ours(host), expected, "{host}");
        }
    }
}
