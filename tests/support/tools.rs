//! Programs that some rows need and not every machine has.

#[cfg(target_os = "linux")]
use std::process::Command;
use std::{
    env,
    path::{Path, PathBuf},
};

/// The program's path, or a line that says what is skipped for want of it.
pub(crate) fn tool(name: &str, test: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skipped(test, &format!("{name} is not installed (.ci/install does that)"));
    }
    found
}

/// Says that a test is skipped, past the test runner's own capture.
pub(crate) fn skipped(test: &str, why: &str) {
    use std::io::Write;
    // `eprintln!` is captured for tests that pass, and a skipped one passes.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// By `PATH`, and where administrators' programs are even if `PATH` does not say so.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A file of this project.
pub(crate) fn project_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a command to its end, and gives what it printed.
///
/// # Panics
/// When it fails.
#[cfg(target_os = "linux")]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}:\n{text}", output.status);
    text
}
