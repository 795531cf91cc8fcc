//! What holds for any report file: the entry point of the fuzzer (`.ci/fuzz`), and the inputs that it has found.

use std::path::Path;

use crate::{
    locale::{Language, is_misleading},
    report::{Report, failures, lines, verdict},
};

/// Checks one input. Returns the report, if it is one.
pub(crate) fn check(input: &[u8]) -> Option<Report> {
    let report = match Report::read_from(input, Path::new("input")) {
        Ok(report) => report,
        Err(error) => {
            is_safe(&error.to_string());
            return None;
        }
    };
    let text = report.to_json();
    assert!(!text.contains(|c| c != '\n' && is_misleading(c)), "{text:?}");
    // Its times are more precise than those that are written.
    let again = Report::read_from(text.as_bytes(), Path::new("text")).expect("what is written is read");
    assert_eq!(again.to_json(), text);
    for language in Language::ALL {
        for line in lines(&report, language).into_iter().chain(failures(&report, language)) {
            is_safe(&line);
        }
        is_safe(&verdict(&report, language));
    }
    Some(report)
}

/// One line, without a character that could mislead its reader.
fn is_safe(line: &str) {
    assert!(!line.contains(is_misleading), "{line:?}");
}

#[test]
fn inputs_of_the_fuzzer() -> std::io::Result<()> {
    for input in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/report"))? {
        check(&std::fs::read(input?.path())?);
    }
    Ok(())
}
