//! Programs that some tests need and not every machine has.

#[cfg(target_os = "linux")]
use std::process::Command;
use std::{
    env,
    path::{Path, PathBuf},
};

/// The program's path, or `None` with a line that says that `test` is skipped.
pub(crate) fn tool(name: &str, test: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skipped(test, &format!("{name} is not installed (.ci/install does that)"));
    }
    found
}

/// Prints that a test is skipped, past the test runner's capture.
pub(crate) fn skipped(test: &str, why: &str) {
    use std::io::Write;
    // `eprintln!` is captured for passing tests, and a skipped test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// Whether `GRACEFUL_EXIT_LONG` asks for rows that take minutes; prints that `test` is skipped otherwise.
#[cfg(target_os = "linux")]
pub(crate) fn runs_long_rows(test: &str) -> bool {
    let is_long = env::var_os("GRACEFUL_EXIT_LONG").is_some_and(|long| !long.is_empty());
    if !is_long {
        skipped(test, "it takes minutes (GRACEFUL_EXIT_LONG=1 runs it)");
    }
    is_long
}

/// Searches `PATH` and the directories of administrators' programs.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A file of this project.
pub(crate) fn project_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a command to its end, and returns its output.
///
/// # Panics
/// If the command fails.
#[cfg(target_os = "linux")]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}:\n{text}", output.status);
    text
}
