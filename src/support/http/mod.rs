//! HTTP connections whose waits all end when a run is stopped, directly or through a proxy.

pub mod names;
pub mod proxy;
pub mod transport;

use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, NextTimeout, RustlsConnector,
};
use ureq::{Agent, Proxy, ProxyProtocol};
use url::Url;

use self::names::Names;
use self::proxy::Proxies;
use self::transport::StoppableConnector;
use super::checkpoint::StopSignal;

/// Time limit to connect; the rest of the time-out is for the response.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Limit on response headers, in bytes.
const HEADERS_BYTES_MAX: usize = 64 * 1024;
/// Limit on the addresses of a host, of the array that ureq takes.
const ADDRESSES_MAX: usize = 16;

/// Agents that send requests directly or through the proxies of the environment, and never follow a
/// redirect.
pub struct Agents {
    /// Sends requests to hosts without a proxy.
    pub direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
    proxies: Proxies,
}

/// The settings of agents.
pub struct AgentOptions {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Time limit of a request.
    pub timeout: Duration,
    /// Connections to a host that are kept open.
    pub connections: usize,
    /// The proxies.
    pub proxies: Proxies,
    /// Ends every request.
    pub stop: Arc<StopSignal>,
}

/// Looks up names, of private hosts too: for servers that the user names.
#[derive(Clone, Debug)]
pub struct AnyHost(pub Arc<Names>);

impl Resolver for AnyHost {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let mut found = self.empty();
        for address in self.0.addresses(host, timeout)?.into_iter().take(ADDRESSES_MAX) {
            found.push((address, port).into());
        }
        Ok(found)
    }
}

impl Agents {
    /// Returns agents that look up names by `resolver`; fails if the address of a proxy is invalid.
    pub fn new(options: AgentOptions, resolver: &(impl Resolver + Clone)) -> Result<Self, String> {
        let AgentOptions { timeout, proxies, .. } = &options;
        let agent = |proxy: Option<Proxy>| {
            let config = Config::builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .timeout_global(Some(*timeout))
                .timeout_connect(Some((*timeout).min(CONNECT_MAX)))
                .timeout_resolve(Some((*timeout).min(CONNECT_MAX)))
                .max_response_header_size(HEADERS_BYTES_MAX)
                .max_idle_connections_per_host(options.connections)
                .user_agent(&options.user_agent)
                .proxy(proxy)
                .build();
            let connector =
                ().chain(ConnectProxyConnector::default())
                    .chain(StoppableConnector { stop: Arc::clone(&options.stop) })
                    .chain(RustlsConnector::default());
            Agent::with_parts(config, connector, resolver.clone())
        };
        let through = |proxy: &Option<String>| -> Result<Option<Agent>, String> {
            let Some(address) = proxy else { return Ok(None) };
            let wrong = |reason: String| {
                format!("the proxy {} of the environment: {reason}", shown(address))
            };
            let proxy = Proxy::new(address).map_err(|error| wrong(error.to_string()))?;
            match proxy.protocol() {
                ProxyProtocol::Http | ProxyProtocol::Https => Ok(Some(agent(Some(proxy)))),
                _ => Err(wrong("only http: and https: are supported".to_owned())),
            }
        };
        let (http, https) = (through(&proxies.http)?, through(&proxies.https)?);
        Ok(Self { direct: agent(None), http, https, proxies: options.proxies })
    }

    /// Returns the agent for requests to `url` through a proxy; `None` if they are sent directly.
    pub fn proxied(&self, url: &Url) -> Option<&Agent> {
        let proxied = if url.scheme() == "https" { &self.https } else { &self.http };
        proxied.as_ref().filter(|_| !self.proxies.is_direct(url))
    }
}

/// Returns the URL of a proxy, which may lack a scheme, without its password.
fn shown(proxy: &str) -> String {
    match proxy.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => proxy.to_owned(),
    }
}

/// Splits `Name=VARIABLE`, a header whose value is in an environment variable.
pub fn parse_header(header: &str) -> Result<(&str, &str), String> {
    let is_token = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    header.split_once('=').filter(|(name, variable)| is_token(name) && is_token(variable)).ok_or_else(
        || format!("{header:?} is not a header; write Name=VARIABLE, with the value in that environment variable"),
    )
}
