//! A: documents that somebody else wrote.

mod listings;
