//! What a URL says by itself: its host, and whether it may be fetched.

use url::Url;

/// Returns host and port; http and https with their default ports are one host.
pub(super) fn host(url: &Url) -> Option<String> {
    let name = url.host_str()?;
    Some(url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")))
}

/// Reports whether a URL named by a server may be requested: http or https, and without a password.
pub(super) fn may_be_asked(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && !has_credentials(url) && url.has_host()
}

/// Reports whether `url` contains a user name or password.
pub(super) fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}
