//! Fuzzes what a report file is read as, and how it is shown and drawn.
#![no_main]
#![allow(unreachable_pub, reason = "the files are a part of the library and of the application as well")]

use graceful_exit::{Language, locale, report};

#[path = "../../../../src/report/fuzz.rs"]
mod fuzz;

#[path = "../../../../src/bin/graceful-exit/report"]
mod picture {
    pub mod svg;

    pub fn draw(report: &graceful_exit::Report, language: graceful_exit::Language) -> String {
        svg::draw(report, language)
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some(report) = fuzz::check(input) {
        for language in Language::ALL {
            let picture = picture::draw(&report, language);
            assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        }
    }
});
