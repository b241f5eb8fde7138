//! A page that says why there is no other.

use maud::html;

use super::find::Form;
use super::layout::{Page, page};
use crate::serve::refusal::Refusal;

/// Returns the page for a request that is not answered.
pub fn error(refusal: &Refusal) -> Page {
    let main = html! {
        h1 { "This page cannot be shown" }
        p .error role="alert" { (refusal.message) }
    };
    let page = page("Not shown - kbingest", &Form::plain(), &main);
    Page { error: Some(refusal.code), ..page }
}
