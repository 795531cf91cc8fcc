//! Files with users' data: for this user alone, and reached through no link of another user.
//!
//! Another user can place a link in a shared folder. This process, which may be root, would then read or overwrite a
//! file of the link's choice.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::refusal::Refusal;

/// How many symbolic links are followed, as on Linux.
const MAX_LINKS: usize = 40;

/// Options for the file at a path that is [resolved](resolve): what is created has mode 0600, a link that has come to be
/// there since is not followed, a pipe does not block, and a terminal does not become the process's own.
#[must_use]
pub fn options(path: &Path) -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "permissions are Unix's"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let follow = if is_a_descriptor(path) { 0 } else { libc::O_NOFOLLOW };
        options.mode(0o600).custom_flags(follow | libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    #[cfg(not(unix))]
    let _ = path; // a file has the permissions of its folder
    options
}

/// Creates folders with mode 0700. A folder that is there already keeps its mode.
#[must_use]
pub fn folder_builder() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "permissions are Unix's"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Creates the folder of the file at `path`, and what is missing above it, with mode 0700.
///
/// # Errors
/// The file system's own, among them [`io::ErrorKind::NotADirectory`] where a file is in the way.
pub fn create_folder_of(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    match folder_builder().recursive(true).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(io::Error::from(io::ErrorKind::NotADirectory))
        }
        created => created,
    }
}

/// Gives a file of [`options`] the mode of another one that it takes the place of, and its group. If this user may not give
/// it the group, the group has no access: it is another one than the mode was meant for.
///
/// # Errors
/// The file system's own.
pub fn take_permissions(file: &File, other: &fs::Metadata) -> io::Result<()> {
    let permissions = other.permissions();
    #[cfg(unix)]
    let permissions = {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let has_group = fchown(file, None, Some(other.gid())).is_ok();
        PermissionsExt::from_mode(permissions.mode() & if has_group { 0o777 } else { 0o707 })
    };
    file.set_permissions(permissions)
}

/// The path at the end of symbolic links, which may name a file that is not there yet. Links of this process's own user
/// and of root are followed. A path that [stands for an open file](is_a_descriptor) stays as it is.
///
/// # Errors
/// A link is of another user, or the links lead in a circle.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let link = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() && !is_a_descriptor(&path) => found,
            Ok(_) | Err(_) => return Ok(path),
        };
        refuse_foreign(&link)?;
        path = path.parent().unwrap_or(Path::new("")).join(fs::read_link(&path)?);
    }
    Err(Refusal::TooManyLinks.into())
}

/// Returns true for a path that stands for an open file, such as `/dev/stdout`. What its link leads to has no path.
#[must_use]
pub fn is_a_descriptor(path: &Path) -> bool {
    const DESCRIPTORS: [&str; 5] = ["/proc", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"];
    cfg!(unix) && DESCRIPTORS.iter().any(|descriptors| path.starts_with(descriptors))
}

#[cfg(unix)]
fn refuse_foreign(link: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if link.uid() == 0 || super::user::effective_user() == Some(link.uid()) {
        return Ok(());
    }
    Err(Refusal::ForeignLink.into())
}

/// Windows lets only administrators make links.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
fn refuse_foreign(_: &fs::Metadata) -> io::Result<()> {
    Ok(())
}
