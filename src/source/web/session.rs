//! Sites that redirect until a cookie is sent: the redirects are followed at once, and if they lead
//! back, the page is requested again. To the crawl they would be a circle.

use std::sync::PoisonError;

use url::Url;

use super::address::host;
use super::client::{RequestError, Response, Validators};
use super::scope::Verdict;
use super::visit::{Visitor, location};

/// Limit on the redirects that are followed for a page.
const HOPS_MAX: u32 = 5;
/// Limit on the requests for a page: each time its server may set another cookie.
const ROUNDS_MAX: u32 = 3;

impl Visitor {
    /// Requests the page at `url`, with the cookies that its server wants to see; `None` if the run
    /// is stopped.
    pub(super) fn request_page(
        &self,
        url: &Url,
        validators: &Validators,
    ) -> Option<Result<Response, RequestError>> {
        let mut answered = self.request(url, validators)?;
        for _ in 1..ROUNDS_MAX {
            let Ok(response) = &answered else { break };
            let Some(to) = location(url, response).filter(|_| self.may_check(url, response)) else {
                break;
            };
            let leads_back = self.leads_back(url, to, response.cookies.is_changed)?;
            self.sessions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(host(url))
                .and_modify(|checks| *checks |= leads_back)
                .or_insert(leads_back);
            if !leads_back {
                break;
            }
            answered = self.request(url, validators)?;
        }
        Some(answered)
    }

    /// Reports whether a redirect may be a check for cookies: it sets one, or its host has made
    /// such checks, or may make them. One redirect of each host is followed to learn that.
    fn may_check(&self, url: &Url, response: &Response) -> bool {
        let checks = || {
            let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.get(&host(url)).copied().unwrap_or(true)
        };
        match response.status {
            301 | 308 => response.cookies.is_changed,
            302 | 303 | 307 => response.cookies.is_changed || checks(),
            _ => false,
        }
    }

    /// Reports whether the redirect from `url` to `to` leads back to it, with another cookie than
    /// before.
    fn leads_back(&self, url: &Url, to: Url, mut has_new_cookie: bool) -> Option<bool> {
        let mut at = to;
        for _ in 0..HOPS_MAX {
            let Some(normal) = self.scope.resolve(&at, "") else { return Some(false) };
            if normal == *url {
                return Some(has_new_cookie);
            }
            let is_ours = host(&at) == host(url) || self.scope.judge(&normal) == Verdict::Wanted;
            if !is_ours || self.is_put_off(&at).is_some() || !self.may_request(&at)? {
                return Some(false);
            }
            let Ok(response) = self.request(&at, &Validators::default())? else {
                return Some(false);
            };
            has_new_cookie |= response.cookies.is_changed;
            let is_redirect = matches!(response.status, 301 | 302 | 303 | 307 | 308);
            match location(&at, &response).filter(|_| is_redirect) {
                Some(next) => at = next,
                None => return Some(false),
            }
        }
        Some(false)
    }
}
