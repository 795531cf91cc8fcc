//! No text makes it panic.

use std::fs;

use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use super::{environment, set};
use crate::settings::{Layers, Settings, keys};

/// Text that gets further into the parsers than random characters do.
fn near_toml() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\[\\]{}\"'=.,# \n0-9a-z_:+-]{0,60}",
        "[0-9]{1,40}(ns|us|ms|s|m|h|d|w|M|y|)( [0-9.]{1,30}(s|y))?",
        "(shutdown|log|servers\\.admin|admin|cache)\\.[a-z_]{1,12}[ =]{1,3}[\"0-9a-z\\[\\]{}]{0,12}",
    ]
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(text in near_toml(), section in "(\\[[a-z_.]{1,12}\\]\n)?") {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("any.toml");
        fs::write(&path, section + &text)?;
        let _ = Settings::load(&Layers { files: vec![path], ..Layers::default() });
    }

    #[test]
    fn no_pair_makes_it_panic(key in 0..keys::names().count(), value in near_toml(), pair in near_toml()) {
        for pair in [format!("{}={value}", keys::names().nth(key).unwrap_or_default()), pair] {
            if let Err(error) = set(&[&pair]) {
                assert_eq!(error.to_string().lines().count(), error.mistakes.len());
            }
        }
    }

    #[test]
    fn no_variable_makes_it_panic(key in 0..keys::names().count(), name in near_toml(), value in near_toml()) {
        for name in [name, keys::names().nth(key).unwrap_or_default().to_uppercase().replace('.', "__")] {
            let _ = Settings::load(&environment(&[(&format!("GRACEFUL_EXIT__{name}"), &value)]));
        }
    }
}
