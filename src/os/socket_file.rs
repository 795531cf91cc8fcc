//! A Unix socket's file: it appears with its permissions and listening, replaces what a dead process left, and goes
//! away with its server.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::refusal::Refusal;

/// Removes a socket's file when it is dropped, unless another file has taken its place meanwhile.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// What tells a file from another one of the same name.
type Identity = (u64, u64);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == Some(self.identity)) {
            // It is gone already, or the folder does not let us: the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds a Unix socket and listens, without blocking from then on. It is bound under another name in the same folder,
/// and takes its own when its permissions are set and it listens: a client is never refused by a socket in the making.
///
/// # Errors
/// `AddrInUse` if a process listens there, `AlreadyExists` if the file is no socket, and whatever else the system says.
pub fn bind_unix(path: &Path, mode: u32, backlog: u32) -> io::Result<(Socket, SocketFile)> {
    let stale = find_stale(path)?;
    let temporary = temporary_name(path);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(&temporary)?)?;
    let file = appear(&socket, &temporary, path, mode, backlog, stale);
    // It is not there if it could not be made.
    let _ = fs::remove_file(&temporary);
    file.map(|file| (socket, file))
}

/// Gives a bound socket its permissions and its name.
fn appear(
    socket: &Socket,
    temporary: &Path,
    path: &Path,
    mode: u32,
    backlog: u32,
    stale: Option<Identity>,
) -> io::Result<SocketFile> {
    fs::set_permissions(temporary, fs::Permissions::from_mode(mode))?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    let identity = identity(temporary)?.ok_or(io::ErrorKind::NotFound)?;
    if let Some(stale) = stale {
        remove_stale(path, stale)?;
    }
    // Unlike a rename, a link does not replace what another process has put there since.
    fs::hard_link(temporary, path)?;
    Ok(SocketFile { path: path.to_owned(), identity })
}

/// Returns true if a process that is gone has left a socket there.
fn find_stale(path: &Path) -> io::Result<Option<Identity>> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(Refusal::NoSocket.into());
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(Some((found.dev(), found.ino())))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Err(Refusal::SocketInUse.into()),
    }
}

/// Removes the file of a socket that no process listens on, unless another file has taken its place since.
fn remove_stale(path: &Path, stale: Identity) -> io::Result<()> {
    let aside = temporary_name(path);
    fs::rename(path, &aside)?;
    if identity(&aside)? == Some(stale) {
        return fs::remove_file(&aside);
    }
    fs::rename(&aside, path)?;
    Err(Refusal::SocketTaken.into())
}

fn identity(path: &Path) -> io::Result<Option<Identity>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A short name in the same folder, which no other process uses: a socket's path has some hundred bytes at the most.
fn temporary_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{:x}-{count:x}", process::id()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_socket_has_its_mode_is_connectable_and_goes_away() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("app.sock");
        let (socket, file) = bind_unix(&path, 0o600, 16)?;
        assert_eq!(fs::symlink_metadata(&path)?.permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path)?;
        assert_eq!(fs::read_dir(folder.path())?.count(), 1, "no other name is left");
        drop((socket, file));
        assert_eq!(fs::read_dir(folder.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn a_stale_file_is_replaced_and_a_live_socket_or_another_file_is_not() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("app.sock");
        drop(UnixListener::bind(&path)?);
        let (_socket, _file) = bind_unix(&path, 0o660, 16)?;
        let live = bind_unix(&path, 0o660, 16).map_err(|error| error.kind());
        assert_eq!(live.err(), Some(io::ErrorKind::AddrInUse));
        UnixStream::connect(&path)?;

        let other = folder.path().join("file");
        fs::write(&other, "kept")?;
        let refused = bind_unix(&other, 0o660, 16).map_err(|error| error.kind());
        assert_eq!(refused.err(), Some(io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&other)?, b"kept");
        Ok(())
    }

    #[test]
    fn a_file_that_has_taken_its_place_stays() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("app.sock");
        let (socket, file) = bind_unix(&path, 0o660, 16)?;
        fs::remove_file(&path)?;
        let _successor = UnixListener::bind(&path)?;
        drop((socket, file));
        UnixStream::connect(&path)?;
        Ok(())
    }
}
