//! What strangers may try, one file for each threat model of docs/security.md, through the real
//! binary where it can.

mod documents;
mod folder;
mod knowledge_base;
mod server;
mod trust;
mod users;
