//! Files with users' data: as [`graceful_exit::os::private_file`] has them, and regular. A pipe would block the start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use graceful_exit::os::{private_file, refusal::Refusal};

/// Opens the file at `path` for reading and writing, and creates it with mode 0600 if it is missing.
///
/// # Errors
///
/// It is no regular file, it is a link of another user, or the file system's own.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    let path = resolve(path)?;
    regular(options(&path).truncate(false).create(true).open(path)?)
}

/// Opens the file at `path` for reading and writing.
///
/// # Errors
///
/// As [`open_or_create`], and `NotFound`.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let path = resolve(path)?;
    regular(options(&path).open(path)?)
}

/// Creates the file at `path` with mode 0600, for reading and writing.
///
/// # Errors
///
/// Something is at `path`, even a dangling link; or the file system's own.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    options(path).create_new(true).open(path)
}

/// Checks what is at `path`, if anything is, as [`open`] does.
///
/// # Errors
///
/// As [`open`], but for `NotFound`.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    resolve(path).map(drop)
}

fn options(path: &Path) -> OpenOptions {
    let mut options = private_file::options(path);
    options.read(true).write(true);
    options
}

/// Links of this process's own user and of root are followed.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = private_file::resolve(path)?;
    match fs::symlink_metadata(&path) {
        Ok(file) if !file.is_file() => Err(not_regular()),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(path),
    }
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

fn not_regular() -> io::Error {
    Refusal::NotRegular.into()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_created_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, created) in [
            ("either", open_or_create(&folder.path().join("either"))),
            ("new", create_new(&folder.path().join("new"))),
        ] {
            let mode = created.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn only_regular_files_are_opened_and_a_pipe_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let linked = folder.path().join("linked");
        symlink(&pipe, &linked).unwrap();
        for path in [&pipe, &linked, Path::new("/dev/null"), folder.path()] {
            for error in [open_or_create(path).unwrap_err(), open(path).unwrap_err()] {
                assert_eq!(error.to_string(), "it is not a regular file", "{}", path.display());
            }
        }
    }

    #[test]
    fn what_would_not_be_opened_is_refused_in_advance_and_what_is_missing_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        check(&file).unwrap();
        open_or_create(&file).unwrap();
        check(&file).unwrap();
        for path in [folder.path(), &file.join("below")] {
            let refused = check(path).unwrap_err();
            assert_eq!(refused.to_string(), open(path).unwrap_err().to_string(), "{}", path.display());
        }
    }

    #[test]
    fn links_are_followed_when_they_are_our_own_and_never_where_a_file_is_to_be_new() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        symlink("file", &link).unwrap();
        assert_eq!(open(&link).unwrap_err().kind(), ErrorKind::NotFound);
        create_new(&link).unwrap_err();
        assert!(!file.exists());
        open_or_create(&link).unwrap();
        assert!(file.exists());
        open(&link).unwrap();
        create_new(&link).unwrap_err();
        if std::os::unix::fs::lchown(&link, Some(65_534), Some(65_534)).is_err() {
            return; // only root can give a link away
        }
        for error in [open_or_create(&link).unwrap_err(), open(&link).unwrap_err()] {
            assert!(error.to_string().contains("another user"), "{error}");
        }
        chown(&file, Some(65_534), Some(65_534)).unwrap();
        open(&file).unwrap();
    }

    #[test]
    fn links_that_lead_to_each_other_end() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        symlink(&one, &other).unwrap();
        symlink(&other, &one).unwrap();
        assert!(open(&one).unwrap_err().to_string().contains("too many"));
    }
}
