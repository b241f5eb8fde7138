//! The pages that people see in a browser: complete HTML, which needs no JavaScript.
//!
//! Every text goes through `html!`, which escapes it: nothing makes HTML of text in another way. A
//! page loads only what is compiled in here, so its policy forbids everything else.

mod dates;
mod document;
mod error;
mod find;
mod hit;
mod layout;
mod links;
mod plot;
mod runs;
mod status;

pub use document::document;
pub use error::error;
pub use find::find;
pub use layout::Page;
pub use status::status;

/// What a page may load and do: its own style, script and icon, and ask its own server.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The files that pages load: path, content type, and content.
pub const FILES: [(&str, &str, &str); 3] = [
    ("/page/style.css", "text/css; charset=utf-8", include_str!("style.css")),
    ("/page/script.js", "text/javascript; charset=utf-8", include_str!("script.js")),
    ("/page/icon.svg", "image/svg+xml", include_str!("icon.svg")),
];
