//! What a page says about itself, other than in its text: that it is a login, not found, empty.

use url::Url;

use crate::extract::html;
use crate::source::Fetched;

/// Limit on the text of a page that says it was not found, in bytes.
const NOT_FOUND_BYTES_MAX: usize = 1500;
/// Words of such a page that say so in its text, too; fewer say nothing else.
const APOLOGY_WORDS_MAX: usize = 9;
/// Limit on the text of a page that asks for JavaScript, in bytes.
const SCRIPT_BYTES_MAX: usize = 300;

/// Recognises the URL of a page that asks who you are.
pub fn is_login(url: &Url) -> bool {
    const WORDS: [&str; 10] =
        ["login", "log-in", "signin", "sign-in", "sign_in", "sso", "auth", "oauth2", "saml", "cas"];
    let is_word = |part: &str| {
        let name = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
        WORDS.contains(&name.as_str())
    };
    url.path().split('/').any(is_word)
}

/// Reports whether only scripts fill a page: there is no text, or one that asks for JavaScript.
pub fn needs_script(converted: &html::Page) -> bool {
    let text = body(converted);
    let asks = || {
        let text = text.to_lowercase();
        let verbs = ["enable", "need", "require", "turn on", "activate", "without", "disabled"];
        text.contains("javascript") && verbs.iter().any(|verb| text.contains(verb))
    };
    converted.facts.has_script && text.len() <= SCRIPT_BYTES_MAX && (text.is_empty() || asks())
}

/// Detects HTML by its media type, or by its beginning if that is inconclusive; servers send wrong
/// types both ways.
pub fn is_html(fetched: &Fetched) -> bool {
    match fetched.media_type.as_str() {
        "text/html" | "application/xhtml+xml" => true,
        "" | "application/octet-stream" | "text/plain" => {
            let start = &fetched.bytes[..fetched.bytes.len().min(512)];
            let start = String::from_utf8_lossy(start).to_ascii_lowercase();
            let start = start.trim_start_matches('\u{feff}').trim_start();
            start.starts_with("<!doctype html") || start.starts_with("<html")
        }
        _ => false,
    }
}

/// Reports whether a page with status 200 says that it was not found, in its title and in its text:
/// a page about 404s says more.
pub fn says_not_found(converted: &html::Page) -> bool {
    const APOLOGIES: [&str; 8] = [
        "not found",
        "not be found",
        "n't find",
        "n’t find",
        "n't exist",
        "not exist",
        "no longer",
        "been moved",
    ];
    let title = converted.title.as_deref().unwrap_or_default().to_lowercase();
    let says = title.starts_with("404") || title.contains("page not found") || title == "not found";
    if !says || converted.markdown.len() > NOT_FOUND_BYTES_MAX {
        return false;
    }
    let lines = converted.markdown.lines().filter(|line| !line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    let words = text.split_whitespace().count();
    words <= APOLOGY_WORDS_MAX || APOLOGIES.iter().any(|apology| text.contains(apology))
}

/// Returns the text of a page without white space around it; empty if it is only the title.
pub fn body(page: &html::Page) -> &str {
    let text = page.markdown.trim();
    let is_title = page.title.as_deref() == Some(text.trim_start_matches(['#', ' ']));
    if is_title { "" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apologies_are_told_from_pages_about_them() {
        let check = |title: &str, text: &str, expected: bool| {
            let (title, markdown) = (Some(title.to_owned()), format!("# {title}\n\n{text}\n"));
            let page = html::Page { title, markdown, ..html::Page::default() };
            assert_eq!(says_not_found(&page), expected, "{text}");
        };
        check("404 | Page not found", "Oops", true);
        check(
            "404",
            "Sorry, the page that you are looking for does not exist. Try the search.",
            true,
        );
        check(
            "Page not found",
            "We couldn't find what you were looking for on this server, sorry.",
            true,
        );
        check(
            "404 Not Found",
            "The API answers 404 when the order id is unknown. Check the id, the tenant and the region.",
            false,
        );
        check("Guide", "The page is not found.", false);
    }

    #[test]
    fn pages_that_only_scripts_fill_are_recognised() {
        let check = |text: &str, has_script: bool, expected: bool| {
            let facts = html::Facts { has_script, ..html::Facts::default() };
            let title = Some("App".to_owned());
            let page =
                html::Page { title, markdown: text.to_owned(), facts, ..html::Page::default() };
            assert_eq!(needs_script(&page), expected, "{text}");
        };
        check("", true, true);
        check("App\n", true, true);
        check("You need to enable JavaScript to run this app.", true, true);
        check("", false, false);
        check("A guide to JavaScript.", true, false);
        check("The text.", true, false);
    }

    #[test]
    fn logins_are_recognised_by_their_urls() {
        let check = |path: &str, expected: bool| {
            let url = Url::parse(&format!("https://example.org/{path}")).unwrap();
            assert_eq!(is_login(&url), expected, "{path}");
        };
        check("login", true);
        check("users/Sign-In.aspx?next=/a", true);
        check("sso/start", true);
        check("docs/login-screens", false);
        check("docs/authors", false);
    }
}
