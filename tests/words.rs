//! The vocabulary of the code and the documentation, and the first line of every file.

use std::{fs, path::Path};

/// Vague or private words, each with what the code says instead.
const NOT: [(&str, &str); 20] = [
    ("whoever", "the client, the caller, the thread"),
    ("whomever", "the client, the caller, the thread"),
    ("nobody", "no client, no thread, nothing"),
    ("somebody", "a client, another process"),
    ("anybody", "any client"),
    ("everybody", "every client, every task"),
    ("newcomer", "a new connection"),
    ("newcomers", "new connections"),
    ("errand", "JobContext"),
    ("looker", "a subscriber, a status stream"),
    ("lookers", "subscribers, status streams"),
    ("patience", "a timeout, a grace period"),
    ("culprit", "a failure"),
    ("culprits", "failures"),
    ("recruit", "MemberSpec"),
    ("door", "the listener"),
    ("doors", "the listeners"),
    ("seat", "WorkerContext"),
    ("fate", "TaskStatus"),
    ("tidings", "an event"),
];

const TEXT: [&str; 16] = [
    "rs", "md", "toml", "yaml", "yml", "cfg", "conf", "service", "socket", "html", "css", "js", "py", "c",
    "json", "rules",
];

#[test]
fn the_vocabulary_is_that_of_the_field() {
    let mut found = Vec::new();
    for (name, text) in files() {
        for (line, text) in text.lines().enumerate() {
            for word in words(text) {
                if let Some((not, but)) = NOT.iter().find(|(not, _)| *not == word) {
                    found.push(format!("{name}:{}: `{not}`: say {but}", line + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_rust_file_begins_with_what_it_is() {
    let files = files();
    let rust = files
        .iter()
        .filter(|(name, _)| Path::new(name).extension().is_some_and(|extension| extension == "rs"));
    let without: Vec<_> = rust.filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(without.is_empty(), "no `//!` at the beginning of {without:#?}");
}

#[test]
fn a_word_is_found_in_names_of_every_case() {
    assert_eq!(
        words("let door_opener = NewComer::of(Nobody, SEAT2);").join(" "),
        "let door opener new comer of nobody seat"
    );
    assert_eq!(words("// who's there: the HTTPServer").join(" "), "who s there the httpserver");
}

/// The words of a line, those within names included, in lower case.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for sign in line.chars() {
        if !sign.is_alphabetic() || (was_lower && sign.is_uppercase()) {
            words.push(String::new());
        }
        was_lower = sign.is_lowercase();
        words
            .last_mut()
            .expect("it begins with one")
            .extend(sign.to_lowercase().filter(|sign| sign.is_alphabetic()));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Every text of the project, by its path from the project's root.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders: Vec<_> = ["src", "tests", "benches", "examples", "config", ".ci", ".github", ".cargo"]
        .map(|folder| root.join(folder))
        .into();
    for name in ["README.md", "README.zh-TW.md", "CHANGELOG.md", "Cargo.toml"] {
        files.extend(fs::read_to_string(root.join(name)).map(|text| (name.to_owned(), text)));
    }
    while let Some(folder) = folders.pop() {
        // A package has only some of them.
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
            if path.is_dir() {
                // The corpus is bytes for parsers, not text.
                if path != root.join("tests/corpus") {
                    folders.push(path);
                }
            } else if extension.is_none_or(|extension| TEXT.contains(&extension.as_str()))
                && !path.ends_with(file!())
            {
                let text =
                    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                files.push((name, text));
            }
        }
    }
    files
}
