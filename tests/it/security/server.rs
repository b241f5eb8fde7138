//! B: a server that is crawled.
