//! Whether standard error is connected to journald, and the priority of a line there.

use log::Level;

/// What a line on standard error begins with: its priority where that is connected to journald, otherwise nothing.
#[must_use]
pub fn prefix(level: Level) -> &'static str {
    if is_stderr() { priority(level) } else { "" }
}

/// The priority of a level, as journald reads it at the beginning of a line (`sd-daemon(3)`).
#[must_use]
pub fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// True if `JOURNAL_STREAM` names the stream that standard error is connected to, by its device and inode.
#[cfg(unix)]
#[must_use]
pub fn is_stderr() -> bool {
    use std::os::fd::AsFd;

    let variable = std::env::var("JOURNAL_STREAM").ok();
    let names = |stderr: std::os::fd::OwnedFd| names(variable.as_deref(), &stderr.into());
    variable.is_some() && std::io::stderr().as_fd().try_clone_to_owned().is_ok_and(names)
}

/// True if the variable names this file.
#[cfg(unix)]
fn names(variable: Option<&str>, file: &std::fs::File) -> bool {
    use std::os::unix::fs::MetadataExt;

    let named = variable.and_then(|variable| {
        let (device, inode) = variable.split_once(':')?;
        Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?))
    });
    named.is_some_and(|named| file.metadata().is_ok_and(|file| named == (file.dev(), file.ino())))
}

/// There is no journald.
#[cfg(not(unix))]
#[must_use]
pub fn is_stderr() -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::names;

    #[test]
    fn the_variable_has_to_name_this_very_stream() -> std::io::Result<()> {
        let file = tempfile::tempfile()?;
        let found = file.metadata()?;
        let (device, inode) = (found.dev(), found.ino());
        assert!(names(Some(&format!("{device}:{inode}")), &file));
        for other in
            [format!("{device}:{}", inode + 1), format!("{inode}:{device}"), String::new(), "8:".to_owned()]
        {
            assert!(!names(Some(&other), &file), "{other}");
        }
        assert!(!names(None, &file));
        Ok(())
    }
}
