//! The spool: a file that holds the writes of a flush until the store has them.
//!
//! It appears whole or not at all (temporary file, sync, rename, sync of the folder), says by a
//! checksum whether it is whole, and belongs to one process at a time, by a lock on `<spool>.lock`
//! that the system lets go of however the process ends. The lock file itself stays: to remove it
//! would let two processes lock two files of the same name.

mod format;

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::business::directory;
use crate::business::store::Writes;

/// How long the lock of a process that has just ended is waited for: Windows lets go of it some
/// time after the end, and on Unix a child of it holds a copy until it has executed its program.
const LOCK_PATIENCE: Duration = Duration::from_millis(250);

/// An open spool, locked for as long as it lives. Every method blocks on the disk.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    /// Whether a spool may be on the disk: what it holds counts at the next start, so nothing newer
    /// may reach the store past it.
    occupied: bool,
    _lock: File,
}

impl Spool {
    /// Locks the spool at `path` and reads what an earlier run left in it, which stays on the disk
    /// until [`Spool::remove`]. Missing folders are created.
    ///
    /// # Errors
    ///
    /// It is held by another process, damaged or unreadable. Nothing is removed or changed then.
    pub(crate) fn open(path: &Path) -> Result<(Self, Writes), SpoolError> {
        let failed = |doing| move |source| SpoolError::Io { path: path.to_owned(), doing, source };
        directory::create(directory::of(path)).map_err(failed("have its folder created"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(path, ".lock"))
            .map_err(failed("be locked"))?;
        try_lock_for(LOCK_PATIENCE, &lock).map_err(|error| match error {
            TryLockError::WouldBlock => SpoolError::Held { path: path.to_owned() },
            TryLockError::Error(source) => failed("be locked")(source),
        })?;
        let left = match fs::read(path) {
            Ok(file) => Some(
                format::decode(file.into())
                    .map_err(|damage| SpoolError::Damaged { path: path.to_owned(), damage })?,
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed("be read")(error)),
        };
        // Of a flush that ended before its rename: nobody was told that it is safe.
        remove_if_there(&beside(path, ".tmp")).map_err(failed("have its temporary file removed"))?;
        let spool = Self { path: path.to_owned(), occupied: left.is_some(), _lock: lock };
        Ok((spool, left.unwrap_or_default()))
    }

    /// Replaces the spool by one that holds `writes`. It replaces: the caller hands over everything
    /// that is not in the store, what it spooled before included.
    ///
    /// # Errors
    ///
    /// The disk's. Either the earlier spool is then still there, or this one is.
    pub(crate) fn write(&mut self, writes: &Writes) -> Result<(), SpoolError> {
        let temporary = beside(&self.path, ".tmp");
        let written = write_synced(&temporary, writes);
        if let Err(source) = written {
            // What it takes up is needed elsewhere when the disk is full; the next start tries again.
            let _ = fs::remove_file(&temporary);
            return Err(self.failed("be written", source));
        }
        if let Err(source) = fs::rename(&temporary, &self.path) {
            let _ = fs::remove_file(&temporary);
            return Err(self.failed("be put in place", source));
        }
        self.occupied = true;
        directory::sync(directory::of(&self.path)).map_err(|source| self.failed("be synced", source))
    }

    /// Removes the spool, once the store has all that it holds.
    ///
    /// # Errors
    ///
    /// The disk's. The spool then [is still occupied](Spool::is_occupied).
    pub(crate) fn remove(&mut self) -> Result<(), SpoolError> {
        remove_if_there(&self.path)
            .and_then(|()| directory::sync(directory::of(&self.path)))
            .map_err(|source| self.failed("be removed", source))?;
        self.occupied = false;
        Ok(())
    }

    /// Whether a spool may be on the disk.
    pub(crate) fn is_occupied(&self) -> bool {
        self.occupied
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> SpoolError {
        SpoolError::Io { path: self.path.clone(), doing, source }
    }
}

/// Why a spool cannot be used. Its text names the path.
#[derive(Debug)]
pub(crate) enum SpoolError {
    /// Another process has it.
    Held { path: PathBuf },
    /// What it holds cannot be trusted; it is left as it is, for somebody to look at.
    Damaged { path: PathBuf, damage: format::Damage },
    /// The disk failed while the spool was to `doing`.
    Io { path: PathBuf, doing: &'static str, source: io::Error },
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { path } => {
                write!(f, "the spool {} is held by another process", path.display())
            }
            Self::Damaged { path, damage } => {
                write!(f, "the spool {} is damaged, and was left as it is: {damage}", path.display())
            }
            Self::Io { path, doing, source } => {
                write!(f, "the spool {} cannot {doing}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for SpoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Held { .. } | Self::Damaged { .. } => None,
        }
    }
}

fn try_lock_for(patience: Duration, lock: &File) -> Result<(), TryLockError> {
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

fn write_synced(path: &Path, writes: &Writes) -> io::Result<()> {
    // Created anew, so that nothing is written through a link that somebody laid there.
    remove_if_there(path)?;
    let mut out = BufWriter::new(OpenOptions::new().write(true).create_new(true).open(path)?);
    format::encode(writes, &mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// `data/cache.spool` and `.lock` make `data/cache.spool.lock`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
