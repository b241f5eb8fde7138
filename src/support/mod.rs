//! Small tools that know nothing of documents: stopping, locking, retrying, time, events,
//! the machine's limits, pages of HTML.

pub mod ascii;
pub mod bounded;
pub mod byte_size;
pub mod cache;
pub mod checkpoint;
pub mod clock;
pub mod events;
pub mod files;
pub mod html;
pub mod limits;
pub mod lock;
pub mod own_folder;
pub mod panics;
pub mod percent;
pub mod recent;
pub mod retry;
pub mod rows;
pub mod sandbox;
pub mod secrets;
pub mod storage;
pub mod supervise;
