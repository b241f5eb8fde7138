//! What all pages share: the head, the search box, and the links to the other pages.

use maud::{DOCTYPE, Markup, html};

use crate::serve::refusal::RefusalCode;

/// A page, and the error that it is about, if any.
#[derive(Debug)]
pub struct Page {
    /// The HTML.
    pub html: String,
    /// Why the request is not answered.
    pub error: Option<RefusalCode>,
}

/// Returns a page with a `title`, the search form, and `main`.
pub fn page(title: &str, form: &Markup, main: &Markup) -> Page {
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href="/page/style.css";
                link rel="icon" href="/page/icon.svg" type="image/svg+xml";
                script src="/page/script.js" defer {}
            }
            body {
                a .skip href="#main" { "Skip to content" }
                header {
                    a .home href="/" aria-label="kbingest, start page" { "kb" span { "ingest" } }
                    (form)
                    nav aria-label="Pages" { a href="/status.html" { "Status" } }
                }
                main #main tabindex="-1" { (main) }
                aside #side aria-label="Document" hidden {}
                footer {
                    p #keys hidden {
                        kbd { "/" } " search, " kbd { "j" } " " kbd { "k" } " next and previous hit, "
                        kbd { "Enter" } " opens it beside, " kbd { "Esc" } " closes it"
                    }
                }
            }
        }
    };
    Page { html: html.into_string(), error: None }
}
