//! Fuzzes the bytes of a spool.
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the files are a part of the application as well")]

mod business {
    pub mod store {
        pub type Writes = std::collections::BTreeMap<String, bytes::Bytes>;
    }
}

#[path = "../../../../src/bin/graceful-exit/business/spool"]
mod spool {
    pub mod format;
    mod fuzz;

    pub fn check(input: &[u8]) {
        fuzz::check(input);
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| spool::check(input));
