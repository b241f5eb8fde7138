//! Fuzz target: see `oracles/knowledge_base.rs`.
#![no_main]

#[path = "../oracles/mod.rs"]
#[expect(dead_code, reason = "each target uses one oracle")]
mod oracles;

libfuzzer_sys::fuzz_target!(|data: &[u8]| oracles::knowledge_base::damage_is_borne(data));
