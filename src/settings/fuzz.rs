//! What holds for any settings: the entry point of the fuzzer (`.ci/fuzz`), and the inputs that it has found.

use std::{fs, path::Path};

use crate::{
    locale::{Language, is_misleading},
    settings::{Layers, Loaded, SettingsError},
};

/// Checks one input. Its first byte says where the rest of it stands: in a file, which is written to `file`, in the
/// environment, or in pairs; of the latter two each line is one.
pub(crate) fn check(input: &[u8], file: &Path) {
    let Some((place, text)) = input.split_first() else { return };
    let mut layers = Layers::default();
    let lines = || text.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    match place % 3 {
        0 => {
            fs::write(file, text).expect("the input is written");
            layers.files.push(file.to_owned());
        }
        1 => {
            let variable = |line: &str| {
                let (name, value) = line.split_once('=').unwrap_or((line, ""));
                (format!("GRACEFUL_EXIT__{name}").into(), value.into())
            };
            layers.environment = lines().map(variable).collect();
        }
        _ => layers.set = lines().map(str::to_owned).collect(),
    }
    match layers.load() {
        Ok(loaded) => is_read_back(&loaded),
        Err(error) => is_one_line_a_mistake(error),
    }
}

/// What is shown of settings is what they are set by.
fn is_read_back(loaded: &Loaded) {
    let shown = |loaded: &Loaded| -> Vec<String> {
        let entries = loaded.entries().map(|entry| format!("{}={}", entry.key, entry.value));
        entries.filter(|entry| !entry.contains("***")).collect()
    };
    let set = shown(loaded);
    let again = Layers { set: set.clone(), ..Layers::default() }.load();
    let again = again.unwrap_or_else(|error| panic!("{error}\n{set:#?}"));
    assert_eq!(shown(&again), set);
}

fn is_one_line_a_mistake(mut error: SettingsError) {
    for language in Language::ALL {
        error.language = language;
        let text = error.to_string();
        assert_eq!(text.lines().count(), error.mistakes.len(), "{text}");
        assert!(!text.contains(|c| c != '\n' && is_misleading(c)), "{text:?}");
    }
}

#[test]
fn inputs_of_the_fuzzer() -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    for input in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/settings"))? {
        check(&fs::read(input?.path())?, &folder.path().join("any.toml"));
    }
    Ok(())
}
