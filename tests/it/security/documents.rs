//! A: documents that somebody else wrote.
