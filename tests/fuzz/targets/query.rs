//! Fuzz target: see `oracles/query.rs`.
#![no_main]

#[path = "../oracles/mod.rs"]
#[expect(dead_code, reason = "each target uses one oracle")]
mod oracles;

libfuzzer_sys::fuzz_target!(|data: &[u8]| oracles::query::query_is_answered(data));
