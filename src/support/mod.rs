//! Small tools that know nothing of documents: stopping, locking, retrying, time, numbers, events,
//! the machine's limits, pages of HTML.

pub mod ascii;
pub mod bounded;
pub mod checkpoint;
pub mod clock;
pub mod events;
pub mod http;
pub mod limits;
pub mod lock;
pub mod percent;
pub mod quoted;
pub mod recent;
pub mod retry;
pub mod secrets;

pub use kbingest_extract::dom as html;
pub use kbingest_support::{
    byte_size, cache, files, fingerprint, front_matter, headings, line_ends, lookup, names,
    numbers, own_folder, panics, process_limit, rows, sandbox, sharing, storage, supervise,
};
