//! Fuzzes the HTTP/2 frame scanner, and the reader that takes its own frame out.
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the files are a part of the library as well")]

#[path = "../../../../src/server/http2"]
mod http2 {
    mod fields;
    mod frames;
    mod fuzz;
    mod reader;

    pub fn check(input: &[u8]) {
        fuzz::check(input);
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| http2::check(input));
