//! Small tools that know nothing of documents: stopping, locking, retrying, time, events.

pub mod checkpoint;
pub mod clock;
pub mod events;
pub mod lock;
pub mod retry;
