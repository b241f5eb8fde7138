//! Selects the proxy of a request by the environment variables that curl and others read:
//! `http_proxy`, `https_proxy` and `all_proxy`, and `no_proxy` for hosts to contact directly; also
//! in capitals.

use url::Url;

/// The proxies of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    pub http: Option<String>,
    pub https: Option<String>,
    direct: Vec<String>,
}

impl Proxies {
    /// Reads the variables through `variable`, which returns the value of one.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).map(|value| value.trim().to_owned());
        let find = |name: &str| set(name).or_else(|| set(&name.to_ascii_uppercase()));
        let proxy =
            |name: &str| find(name).or_else(|| find("all_proxy")).filter(|one| !one.is_empty());
        let direct = find("no_proxy").unwrap_or_default().to_ascii_lowercase();
        let hosts = direct.split([',', ' ']).filter(|host| !host.is_empty());
        Self {
            http: proxy("http_proxy"),
            https: proxy("https_proxy"),
            direct: hosts.map(str::to_owned).collect(),
        }
    }

    /// Reports whether the host of `url` is contacted directly: `no_proxy` lists it, or a domain
    /// that contains it, with or without its port.
    pub fn is_direct(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        self.direct.iter().any(|listed| {
            let listed = listed.strip_suffix(&port).unwrap_or(listed);
            let listed = listed.trim_start_matches("*.").trim_matches(['.', '[', ']']);
            let above = host.strip_suffix(listed);
            listed == "*"
                || !listed.is_empty() && above.is_some_and(|it| it.is_empty() || it.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let find = |name: &str| variables.iter().find(|(set, _)| *set == name);
        Proxies::new(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn variables_are_for_a_scheme_or_all() {
        let check = |variables: &[(&str, &str)], http: Option<&str>, https: Option<&str>| {
            let found = proxies(variables);
            assert_eq!(
                (found.http.as_deref(), found.https.as_deref()),
                (http, https),
                "{variables:?}"
            );
        };
        check(&[], None, None);
        check(&[("HTTP_PROXY", "a:1")], Some("a:1"), None);
        check(&[("https_proxy", "b:2"), ("HTTPS_PROXY", "c:3")], None, Some("b:2"));
        check(&[("ALL_PROXY", "d:4"), ("http_proxy", "a:1")], Some("a:1"), Some("d:4"));
        check(&[("http_proxy", ""), ("HTTP_PROXY", "a:1")], None, None);
    }

    #[test]
    fn listed_hosts_are_asked_directly() {
        let check = |list: &str, url: &str, expected: bool| {
            let found = proxies(&[("NO_PROXY", list)]);
            let url = Url::parse(&format!("http:{}{url}/", "//")).unwrap();
            assert_eq!(found.is_direct(&url), expected, "{list}: {url}");
        };
        check("", "example.org", false);
        check("*", "example.org", true);
        check("example.org", "EXAMPLE.org", true);
        check("example.org", "docs.example.org", true);
        check(".example.org, other", "example.org", true);
        check("*.example.org", "docs.example.org", true);
        check("example.org", "badexample.org", false);
        check("example.org:8080", "example.org:8080", true);
        check("example.org:8080", "example.org", false);
        check("127.0.0.1,::1", "[::1]:80", true);
    }
}
