//! Pages that also exist as Markdown: one document each, however the Markdown is found.

use super::Site;
use super::server::{NOBODY, Reply, html};
use crate::support::rows;

const LINK: &str = "<link rel=alternate type='text/markdown' href='";

/// A page that names `twin` in its head.
fn with_twin(title: &str, links: &[&str], twin: &str) -> Reply {
    let page = html(title, "As HTML.", links).replace("<head>", &format!("<head>{LINK}{twin}'>"));
    Reply::html(&page)
}

fn markdown(text: &str) -> Reply {
    Reply::new(200, "text/markdown; charset=utf-8", format!("# Title\n\n{text}\n"))
}

fn texts(site: &Site) -> Vec<String> {
    let texts = rows(&site.place.kb(), "SELECT uri, text FROM chunks ORDER BY uri");
    texts.iter().map(|row| row.replace(&site.server.url(""), "").replace('\n', " ")).collect()
}

#[test]
fn markdown_that_pages_name_is_the_document() {
    let site = Site::new();
    let server = &site.server;
    server.put("/docs/", with_twin("start", &["a.html", "b.html", "c.html", "b.md"], "index.md"));
    server.put("/docs/index.md", markdown("The start as Markdown."));
    server.put("/docs/a.html", with_twin("a", &["below.html"], "/docs/a.md"));
    server.put("/docs/a.md", markdown("Alpha as Markdown."));
    let header =
        format!("<{}>; rel=\"alternate\"; type=\"text/markdown\"", server.url("/docs/b.md"));
    server.put("/docs/b.html", Reply::html(&html("b", "As HTML.", &[])).with("Link", &header));
    server.put("/docs/b.md", markdown("Beta as Markdown, [more](a.html)."));
    server.page("/docs/c.html", "Only HTML.", &[]);
    server.page("/docs/below.html", "Found by a link of HTML alone.", &[]);
    let expected =
        ["/docs/a.md", "/docs/b.md", "/docs/below.html", "/docs/c.html", "/docs/index.md"];
    assert_eq!(site.counts(0), [5, 0, 0, 0]);
    assert_eq!(site.documents(), expected);
    assert!(
        texts(&site).contains(&"/docs/a.md|# Title  Alpha as Markdown.".to_owned()),
        "{:?}",
        texts(&site)
    );

    // Every page is requested conditionally, and unchanged.
    server.take_asked();
    let before = site.place.dump();
    assert_eq!(site.counts(0), [0, 0, 5, 0]);
    crate::support::assert_same(&site.place.dump(), &before, "the first run");
    let asked = server.take_asked();
    assert_eq!(asked.len(), 8, "{asked:#?}");
    assert!(asked.iter().all(|asked| asked.headers.contains_key("if-none-match")), "{asked:#?}");

    // One of the two changes; the other does not.
    server.put("/docs/a.md", markdown("Alpha, changed."));
    assert_eq!(site.counts(0), [0, 1, 4, 0]);
    server.put("/docs/a.html", with_twin("a", &["below.html", "new.html"], "/docs/a.md"));
    server.page("/docs/new.html", "New.", &[]);
    assert_eq!(site.counts(0), [1, 0, 5, 0]);
    site.assert_equals_fresh_ingest("changes of both kinds");

    // The page no longer names it.
    server.page("/docs/a.html", "Alpha as HTML.", &["below.html", "new.html"]);
    assert_eq!(site.counts(3), [1, 0, 5, 0]);
    assert_eq!(site.counts(0), [0, 0, 6, 1]);
    site.assert_equals_fresh_ingest("no Markdown any more");
    // And with the feature turned off.
    site.configure("prefer_markdown = false");
    server.take_asked();
    site.ingest_to(3);
    site.ingest_to(0);
    let html = ["/docs/", "/docs/a.html", "/docs/b.html", "/docs/b.md", "/docs/below.html"];
    assert_eq!(site.documents()[..5], html);
    let asked = server.take_paths();
    assert!(!asked.contains(&"/llms.txt".to_owned()), "{asked:?}");
    site.assert_equals_fresh_ingest("Markdown not wanted");
}

#[test]
fn markdown_that_cannot_be_had_leaves_the_page() {
    let site = Site::new();
    let server = &site.server;
    let twins = [
        ("gone", "gone.md"),
        ("refused", "refused.md"),
        ("shell", "shell.md"),
        ("away", "away.md"),
        ("private", "private/page.md"),
        ("outside", "/elsewhere/page.md"),
        ("self", "self.html"),
        ("late", "late.md"),
    ];
    // Found as a link before and after the page that names it.
    let links: Vec<_> = twins.iter().map(|(name, _)| format!("{name}.html")).collect();
    let mut links: Vec<_> = links.iter().map(String::as_str).collect();
    links.insert(0, "late.md");
    server.page("/docs/", "Start.", &links);
    for (name, twin) in twins {
        server.put(&format!("/docs/{name}.html"), with_twin(name, &[], twin));
    }
    server.put(
        "/robots.txt",
        Reply::new(200, "text/plain", "User-agent: *\nDisallow: /docs/private/"),
    );
    server.put("/docs/refused.md", Reply::new(403, "text/plain", "no"));
    server.page("/docs/shell.md", "A page for every address.", &[]);
    server.put("/docs/away.md", Reply::redirect("/docs/other.md"));
    server.put("/docs/other.md", markdown("Never asked for."));
    server.put("/elsewhere/page.md", markdown("Outside."));
    server.put("/docs/private/page.md", markdown("Private."));
    site.ingest_to(0);
    let mut expected: Vec<_> = twins.iter().map(|(name, _)| format!("/docs/{name}.html")).collect();
    expected.push("/docs/".to_owned());
    expected.sort();
    assert_eq!(site.documents(), expected);
    let asked = server.take_paths();
    let forbidden = ["/elsewhere/page.md", "/docs/private/page.md", "/docs/other.md"];
    assert!(!asked.iter().any(|path| forbidden.contains(&path.as_str())), "{asked:?}");
    assert_eq!(site.counts(0), [0, 0, 9, 0]);

    // A twin that is removed: the page is its own document at once, and the Markdown has its grace.
    server.put("/docs/gone.md", markdown("Here for a while."));
    server.put("/docs/gone.html", with_twin("gone again", &[], "gone.md"));
    assert_eq!(site.counts(0), [1, 0, 8, 1]);
    assert!(site.documents().contains(&"/docs/gone.md".to_owned()));
    server.remove("/docs/gone.md");
    assert_eq!(site.counts(3), [1, 0, 8, 0]);
    assert_eq!(site.counts(0), [0, 0, 9, 1]);
    assert_eq!(site.documents(), expected);
    // An outage is no reason to use the page instead.
    server.put("/docs/late.html", with_twin("late again", &[], "slow.md"));
    server.put("/docs/slow.md", Reply::new(503, "text/plain", "later"));
    site.ingest_to(20);
    assert_eq!(site.documents(), expected);
    server.put("/docs/slow.md", markdown("Late."));
    site.ingest_to(0);
    assert!(site.documents().contains(&"/docs/slow.md".to_owned()));
}

#[test]
fn llms_txt_begins_a_crawl_and_names_markdown() {
    let site = Site::new();
    let server = &site.server;
    let list = "# Site\n\n- [One](/docs/one.md)\n- [Two](/docs/two.html.md): two\n- [Three](/docs/three)\n\
                - [Outside](/blog/)\n- [Away](https://example.org/docs/)\n";
    server.put("/llms.txt", Reply::new(200, "text/plain", list));
    server.page("/docs/", "Start.", &["one.html", "two.html", "four.html"]);
    for name in ["one", "two", "four"] {
        server.page(&format!("/docs/{name}.html"), &format!("{name} as HTML."), &[]);
    }
    server.put("/docs/one.md", markdown("One."));
    server.put("/docs/two.html.md", markdown("Two."));
    server.page("/docs/three", "Three, which no page links to.", &[]);
    site.ingest_to(0);
    let expected =
        ["/docs/", "/docs/four.html", "/docs/one.md", "/docs/three", "/docs/two.html.md"];
    assert_eq!(site.documents(), expected);
    server.take_asked();
    assert_eq!(site.counts(0), [0, 0, 5, 0]);
    let asked = server.take_paths();
    assert_eq!(asked.iter().filter(|path| *path == "/llms.txt").count(), 1, "{asked:?}");
    assert!(!asked.iter().any(|path| path.ends_with(NOBODY)), "{asked:?}");

    // A page that is listed as Markdown only now.
    server.put("/docs/four.md", markdown("Four."));
    server.put(
        "/llms.txt",
        Reply::new(200, "text/plain", format!("{list}- [Four](/docs/four.md)\n")),
    );
    assert_eq!(site.counts(0), [1, 0, 4, 1]);
    site.assert_equals_fresh_ingest("a longer list");
    // A list that existed and is unavailable is an outage; one that never existed is not.
    server.put("/llms.txt", Reply::new(503, "text/plain", "later"));
    let before = site.documents();
    site.ingest_to(20);
    assert_eq!(site.documents(), before);
    crate::support::remove_kb(&site.place.kb());
    site.ingest_to(0);
    assert!(!site.documents().contains(&"/docs/three".to_owned()));
}

#[test]
fn a_server_that_has_both_gives_markdown() {
    let site = Site::new();
    site.server.page("/docs/", "As HTML.", &["a"]);
    site.server.handle(|asked, _| {
        let wants_markdown = asked.headers["accept"].starts_with("text/markdown");
        (asked.path == "/docs/a").then(|| {
            if wants_markdown {
                markdown("As Markdown.")
            } else {
                Reply::html(&html("a", "As HTML.", &[]))
            }
        })
    });
    site.ingest_to(0);
    assert_eq!(texts(&site), ["/docs/|# Page /docs/  As HTML.", "/docs/a|# Title  As Markdown."]);
    site.configure("prefer_markdown = false");
    site.ingest_to(0);
    assert_eq!(texts(&site), ["/docs/|# Page /docs/  As HTML.", "/docs/a|# Page a  As HTML."]);
}
