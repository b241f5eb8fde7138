//! Crawler traps of every kind: new pages in them are found, and then the crawl ends by itself.

use super::Site;
use super::server::{Reply, html};

/// Returns the number at the end of a path; 0 if there is none.
fn number(path: &str) -> u64 {
    path.rsplit(['/', '=']).next().and_then(|last| last.parse().ok()).unwrap_or(0)
}

/// A site with one good page besides the responses of `trap`; returns the number of pages
/// requested.
fn crawl(
    first: &str,
    keys: &str,
    exit_code: u8,
    trap: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> (Site, usize) {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["good.html", first]);
    site.server.page("/docs/good.html", "Good.", &[]);
    site.server.handle(move |asked, _| trap(&asked.path).map(|page| Reply::html(&page)));
    site.configure(&format!("max_depth = 1000\nmax_pages = 1000\n{keys}"));
    site.ingest_to(exit_code);
    let asked = site.server.take_pages();
    assert!(site.documents().contains(&"/docs/good.html".to_owned()), "{asked:?}");
    (site, asked.len())
}

#[test]
fn an_endless_calendar_ends() {
    let day = |path: &str| {
        let path = path.strip_prefix("/docs/calendar/")?;
        let next = number(path) + 1;
        let next = format!("/docs/calendar/{}/{}/{next}", 2000 + next / 366, next % 12);
        Some(html("Calendar", &format!("Nothing on day {path}."), &[&next]))
    };
    let (site, asked) = crawl("calendar/2000/1/1", "", 0, day);
    assert!((20..40).contains(&asked), "{asked}");
    let states = site.states().join("\n");
    assert!(states.contains("|excluded|20 pages like it say the same"), "{states}");
}

#[test]
fn session_ids_in_paths_end() {
    let page = |path: &str| {
        let rest = path.strip_prefix("/docs/(S(")?;
        let (id, name) = rest.split_once("))/")?;
        let next = u64::from_str_radix(id, 16).ok()?.wrapping_mul(6_364_136_223_846_793_005) + 1;
        let links = ["one.html", "two.html"].map(|name| format!("/docs/(S({next:016x}))/{name}"));
        Some(html(name, &format!("This is {name}."), &links.each_ref().map(String::as_str)))
    };
    let (_, asked) = crawl("(S(0123456789abcdef))/one.html", "", 0, page);
    assert!(asked < 100, "{asked}");
}

#[test]
fn filters_that_multiply_end() {
    let list = |path: &str| {
        let query = path.strip_prefix("/docs/list")?;
        let number = number(query);
        let links =
            [format!("list?page={}", number + 1), format!("list?page={}", number * 7 + 1000)];
        let text = format!("Words of {}.", crate::support::markdown(number, 1, "list"));
        Some(html("List", &text, &links.each_ref().map(String::as_str)))
    };
    let (site, asked) = crawl("list?page=1", "max_queries = 100", 4, list);
    assert!((100..=103).contains(&asked), "{asked}");
    let states = site.states().join("\n");
    assert!(states.contains("|excluded|its path has more queries than max_queries"), "{states}");
    // The limit holds when the pages are unchanged, and can be raised.
    site.ingest_to(4);
    site.configure("max_depth = 1000\nmax_pages = 150\nmax_queries = 1000");
    site.ingest_to(4);
    assert!(site.documents().len() > 140, "{}", site.documents().len());
}

#[test]
fn a_folder_that_grows_is_limited_and_that_is_said() {
    // Texts and names of words that are always new.
    let word = |number: u64| -> String {
        format!("{number}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
    };
    let page = move |path: &str| {
        let name = path.strip_prefix("/docs/words/").filter(|name| name.len() < 10)?;
        let number = name.bytes().fold(0_u64, |number, c| number * 10 + u64::from(c - b'a'));
        let links = [word(number + 1), word(number + 77)];
        Some(html(name, &format!("All about {name}."), &links.each_ref().map(String::as_str)))
    };
    let (site, asked) = crawl("words/b", "max_per_folder = 50", 4, page);
    assert_eq!(asked, 52, "{:#?}", site.states());
    let states = site.states().join("\n");
    assert!(states.contains("|excluded|its folder has more pages than max_per_folder"), "{states}");
    // And again: everything is unchanged except for what cannot be requested.
    site.ingest_to(4);
    assert_eq!(site.server.take_pages().len(), 52);
}

#[test]
fn paths_that_repeat_themselves_end() {
    let page = |path: &str| {
        path.contains("again/").then(|| html("Again", &format!("Here at {path}."), &["again/"]))
    };
    let (site, asked) = crawl("again/", "", 0, page);
    assert!(asked <= 5, "{asked}");
    let states = site.states().join("\n");
    assert!(states.contains("|excluded|its path repeats itself"), "{states}");
}

#[test]
fn many_pages_of_one_form_that_differ_are_all_taken() {
    let page = |path: &str| {
        let number = number(path.strip_prefix("/docs/notes/")?);
        (number < 60).then(|| {
            let text = format!("At station {number}: {} degrees.", number * 13 + 100);
            html("Note", &text, &[&format!("{}", number + 1)])
        })
    };
    let (site, _) = crawl("notes/1", "", 0, page);
    assert_eq!(site.documents().len(), 61);
}
