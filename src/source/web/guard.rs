//! Keeps the crawler away from private IP addresses: loopback, private and link-local networks, and
//! the metadata services of clouds at 169.254.169.254.
//!
//! Checks the IP addresses that a name resolves to, at each connection, and connects to exactly
//! these, so that the name cannot change in between. A proxy resolves names itself, and reaches
//! networks that we do not: behind one, names are its responsibility, but IP addresses in URLs are
//! still checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use url::{Host, Url};

use crate::support::http::names::Names;

/// Limit on the addresses of a host, of the array that ureq takes.
const ADDRESSES_MAX: usize = 16;

/// Refused, because the host is private and not listed.
#[derive(Debug, thiserror::Error)]
#[error("{address} is not public; list {host:?} in `private_hosts` to allow it")]
pub(super) struct NotPublic {
    pub(super) host: String,
    address: IpAddr,
}

/// Resolves names, and refuses private IP addresses.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    private_hosts: Vec<String>,
    names: Arc<Names>,
}

impl Guard {
    /// `private_hosts` may have any IP address.
    pub(super) fn new(private_hosts: Vec<String>, names: Names) -> Self {
        Self { private_hosts, names: Arc::new(names) }
    }

    /// Refuses URLs whose host is a private IP address or a name of this machine, without resolving
    /// anything.
    pub(super) fn refuse_literal(&self, url: &Url) -> Option<NotPublic> {
        let name = url.host_str()?.trim_matches(['[', ']']);
        let address = match url.host()? {
            Host::Ipv4(ip) => IpAddr::V4(ip),
            Host::Ipv6(ip) => IpAddr::V6(ip),
            Host::Domain(name) if is_this_machine(name) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Host::Domain(_) => return None,
        };
        let is_refused = !is_public(address) && !self.is_listed(name);
        is_refused.then(|| NotPublic { host: name.to_owned(), address })
    }

    fn is_listed(&self, host: &str) -> bool {
        self.private_hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host))
    }
}

/// Recognises the names of RFC 6761, section 6.3.
fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let addresses = self.names.addresses(host, timeout)?;
        let is_listed = self.is_listed(host);
        let is_proxy = config.proxy().is_some_and(|proxy| proxy.host() == host);
        match addresses.iter().find(|ip| !is_public(**ip)) {
            Some(address) if !is_listed && !is_proxy => {
                let refused = NotPublic { host: host.to_owned(), address: *address };
                Err(ureq::Error::Io(std::io::Error::other(refused)))
            }
            _ => {
                let mut resolved = self.empty();
                for address in addresses.into_iter().take(ADDRESSES_MAX) {
                    resolved.push(SocketAddr::new(address, port));
                }
                Ok(resolved)
            }
        }
    }
}

/// Reports whether `ip` can belong to a public server, by IANA's special-purpose registries.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match embedded_v4(ip) {
            Some(ip) => is_public_v4(ip),
            None => is_public_v6(ip),
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 198 && (18..20).contains(&b);
    !is_special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    // Global unicast is 2000::/3, except Teredo, documentation and the like.
    first & 0xe000 == 0x2000 && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
}

/// Returns the IPv4 address inside `ip`: mapped, compatible, NAT64 and 6to4.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff | 0] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        let check = |address: &str, expected: bool| {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        };
        for address in
            ["8.8.8.8", "93.184.215.14", "2606:4700::1", "64:ff9b::8.8.8.8", "2002:808:808::1"]
        {
            check(address, true);
        }
        for address in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "203.0.113.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            check(address, false);
        }
    }
}
