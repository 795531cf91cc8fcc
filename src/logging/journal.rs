//! Whether standard error is connected to journald.

/// True if `JOURNAL_STREAM` names the stream that standard error is connected to, by its device and inode.
#[cfg(unix)]
pub(super) fn is_journal(variable: Option<&str>) -> bool {
    use std::os::fd::AsFd;

    std::io::stderr().as_fd().try_clone_to_owned().is_ok_and(|stderr| names(variable, &stderr.into()))
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
pub(super) fn is_journal(_: Option<&str>) -> bool {
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
