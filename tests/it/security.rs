//! What strangers may try, a file for each threat model of docs/security.md, through the real
//! binary if possible.

mod documents;
mod folder;
mod knowledge_base;
mod server;
mod trust;
mod users;
