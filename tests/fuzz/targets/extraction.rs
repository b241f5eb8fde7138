//! Fuzz target: see `oracles/extraction.rs`.
#![no_main]

#[path = "../oracles/mod.rs"]
#[expect(dead_code, reason = "each target uses one oracle")]
mod oracles;

libfuzzer_sys::fuzz_target!(|data: &[u8]| oracles::extraction::extraction_holds(data));
