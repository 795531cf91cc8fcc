//! Fuzzes the settings: a file, the environment, or the command line's pairs.
#![no_main]
#![allow(unreachable_pub, reason = "the file is a part of the library as well")]

use std::{env, path::PathBuf, process, sync::LazyLock};

use graceful_exit::{locale, settings};

#[path = "../../../../src/settings/fuzz.rs"]
mod fuzz;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| env::temp_dir().join(format!("graceful-exit-fuzz-{}.toml", process::id())));

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::check(input, &FILE));
