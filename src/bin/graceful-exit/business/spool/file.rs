//! [`Spool`]: the spool's file. Writes are appended to it, or replace it as a whole.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use graceful_exit::os::refusal::Refusal;

use super::error::{Attempt, SpoolError};
use super::format::{self, End};
use crate::business::directory::{self, Directory, beside};
use crate::business::private_file;
use crate::business::store::Writes;

/// How long the lock of a process that has just ended is waited for: Windows releases it some time
/// after the end, and on Unix a child of that process holds a copy until it has executed its program.
const LOCK_WAIT: Duration = Duration::from_millis(250);
/// How often the lock is tried meanwhile.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// How many bytes of outdated entries a spool may have: up to then, appending costs less than writing it anew.
const MAX_OUTDATED_BYTES: u64 = 4 << 20;

/// An open spool, locked for as long as it lives. Every method blocks on the disk.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    temporary: PathBuf,
    folder: Directory,
    /// The spool on the disk, if there is one.
    current: Option<Current>,
    /// An empty file under the temporary name, open for the next spool.
    spare: Option<File>,
    _lock: File,
}

/// The spool on the disk.
#[derive(Debug)]
struct Current {
    file: File,
    end: End,
    /// Part of a group, whose append failed or was killed, may lie behind `end`: it is cut off before the next append.
    is_cut: bool,
}

impl Spool {
    /// Locks the spool at `path` and reads what an earlier run left in it, which stays on the disk
    /// until [`Spool::clear`]. Missing folders are created.
    ///
    /// # Errors
    ///
    /// It is held by another process, damaged, unreadable or no regular file. Nothing is removed or
    /// changed then.
    pub(crate) fn open(path: &Path) -> Result<(Self, Writes), SpoolError> {
        let failed = |attempt| move |source| SpoolError::Io { path: path.to_owned(), attempt, source };
        let folder = directory::of(path);
        directory::create(folder).map_err(failed(Attempt::CreateFolder))?;
        let folder = Directory::open(folder).map_err(failed(Attempt::OpenFolder))?;
        let lock = private_file::open_or_create(&beside(path, ".lock")).map_err(failed(Attempt::Lock))?;
        try_lock_for(LOCK_WAIT, &lock).map_err(|error| match error {
            TryLockError::WouldBlock => SpoolError::Held { path: path.to_owned() },
            TryLockError::Error(source) => failed(Attempt::Lock)(source),
        })?;
        let (current, left) = match private_file::open(path).and_then(read) {
            Ok((file, content)) => {
                let (writes, end) = format::decode(content.into())
                    .map_err(|damage| SpoolError::Damaged { path: path.to_owned(), damage })?;
                (Some(Current { file, end, is_cut: true }), writes)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => (None, Writes::new()),
            Err(error) => return Err(failed(Attempt::Read)(error)),
        };
        let temporary = beside(path, ".tmp");
        let spool = Self { path: path.to_owned(), temporary, folder, current, spare: None, _lock: lock };
        Ok((spool, left))
    }

    /// Opens the temporary file, so that the next spool needs no descriptor.
    ///
    /// # Errors
    ///
    /// It cannot be created, or what a killed process left in its place cannot be removed.
    pub(crate) fn prepare(&mut self) -> Result<(), SpoolError> {
        if self.spare.is_none() {
            let spare = create_anew(&self.temporary);
            let spare = spare.map_err(|source| self.failed(Attempt::CreateTemporary, source))?;
            self.spare = Some(spare);
        }
        Ok(())
    }

    /// Adds `writes` to what the spool holds, durable on `Ok`.
    ///
    /// # Errors
    ///
    /// The disk's. What the spool held before is still in it.
    pub(crate) fn append(&mut self, writes: &Writes) -> Result<(), SpoolError> {
        match &mut self.current {
            None => self.replace(writes),
            Some(current) => current.append(writes).map_err(|source| self.failed(Attempt::Write, source)),
        }
    }

    /// Replaces the spool by one that holds `writes` alone, durable on `Ok`. The caller hands over
    /// everything that is not in the store.
    ///
    /// # Errors
    ///
    /// The disk's. Either the earlier spool is then still there, or this one is.
    pub(crate) fn replace(&mut self, writes: &Writes) -> Result<(), SpoolError> {
        let spare = self.spare.take().filter(|spare| is_at(spare, &self.temporary));
        let mut file = match spare {
            Some(spare) => spare,
            None => create_anew(&self.temporary).map_err(|source| self.failed(Attempt::Create, source))?,
        };
        let end = match write_synced(&mut file, writes) {
            Ok(end) => end,
            Err(source) => {
                // On a full disk its space may be needed elsewhere.
                self.spare = file.set_len(0).is_ok().then_some(file);
                return Err(self.failed(Attempt::Write, source));
            }
        };
        let file = self.put_in_place(file).map_err(|source| self.failed(Attempt::PutInPlace, source))?;
        self.current = Some(Current { file, end, is_cut: false });
        self.folder.sync().map_err(|source| self.failed(Attempt::Sync, source))
    }

    /// Renames the temporary file to the spool, both open.
    #[cfg(not(windows))]
    fn put_in_place(&mut self, file: File) -> io::Result<File> {
        match fs::rename(&self.temporary, &self.path) {
            Ok(()) => Ok(file),
            Err(error) => {
                self.spare = file.set_len(0).is_ok().then_some(file);
                Err(error)
            }
        }
    }

    /// The same where a file that is open can neither be renamed nor replaced: both are closed for that moment.
    #[cfg(windows)]
    fn put_in_place(&mut self, file: File) -> io::Result<File> {
        drop(file);
        let before = self.current.take().map(|current| (current.end, current.is_cut));
        let renamed = fs::rename(&self.temporary, &self.path);
        let opened = private_file::open(&self.path);
        match (renamed, opened, before) {
            (Ok(()), opened, _) => opened,
            (Err(error), Ok(file), Some((end, is_cut))) => {
                self.current = Some(Current { file, end, is_cut });
                Err(error)
            }
            (Err(error), ..) => Err(error),
        }
    }

    /// Removes the spool, once the store has all that it holds. Its file becomes the next spool's
    /// temporary one, so that no other has to be opened.
    ///
    /// # Errors
    ///
    /// The disk's. The spool then [is still occupied](Spool::is_occupied).
    pub(crate) fn clear(&mut self) -> Result<(), SpoolError> {
        let Some(current) = &self.current else { return Ok(()) };
        if !is_at(&current.file, &self.path) && fs::symlink_metadata(&self.path).is_ok() {
            return Err(self.failed(Attempt::Remove, Refusal::Replaced.into()));
        }
        self.spare = None;
        self.take_away().map_err(|error| self.failed(Attempt::Remove, error))?;
        self.folder.sync().map_err(|source| self.failed(Attempt::Remove, source))?;
        let file = self.current.take().map(|current| current.file);
        self.spare = file.filter(|file| file.set_len(0).is_ok());
        Ok(())
    }

    /// Renames the spool to the temporary file, open as it is.
    #[cfg(not(windows))]
    fn take_away(&mut self) -> io::Result<()> {
        match fs::rename(&self.path, &self.temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The same where a file that is open cannot be renamed: it is closed for that moment.
    #[cfg(windows)]
    fn take_away(&mut self) -> io::Result<()> {
        let Some(Current { file, end, is_cut }) = self.current.take() else { return Ok(()) };
        drop(file);
        let renamed = fs::rename(&self.path, &self.temporary);
        let at = if renamed.is_ok() { &self.temporary } else { &self.path };
        if let Ok(file) = private_file::open(at) {
            self.current = Some(Current { file, end, is_cut });
        }
        match renamed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// True if a spool is on the disk: the next start brings it in, so nothing newer may be written
    /// to the store past it.
    pub(crate) fn is_occupied(&self) -> bool {
        self.current.is_some()
    }

    /// True if the spool has gone from its place, and is to be replaced.
    pub(crate) fn is_lost(&self) -> bool {
        self.current.as_ref().is_some_and(|current| !is_at(&current.file, &self.path))
    }

    /// True if the spool should be replaced, because most of it is out of date: it has to hold so many
    /// `entries` of so many `bytes`.
    pub(crate) fn is_outdated(&self, entries: usize, bytes: usize) -> bool {
        let most = format::length(entries, bytes).saturating_add(MAX_OUTDATED_BYTES);
        self.current.as_ref().is_some_and(|current| current.end.length > most)
    }

    /// Removes the temporary file. A later spool has to create one.
    pub(crate) fn remove_temporary(&mut self) {
        let is_ours = self.spare.take().is_some_and(|spare| is_at(&spare, &self.temporary));
        if is_ours {
            // If it stays, the next start removes it.
            let _ = fs::remove_file(&self.temporary);
        }
    }

    fn failed(&self, attempt: Attempt, source: io::Error) -> SpoolError {
        SpoolError::Io { path: self.path.clone(), attempt, source }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.remove_temporary();
    }
}

impl Current {
    fn append(&mut self, writes: &Writes) -> io::Result<()> {
        if self.is_cut {
            self.file.set_len(self.end.length)?;
            self.is_cut = false;
        }
        match append_synced(&mut self.file, self.end, writes) {
            Ok(end) => {
                self.end = end;
                Ok(())
            }
            Err(error) => {
                self.is_cut = self.file.set_len(self.end.length).is_err();
                Err(error)
            }
        }
    }
}

fn try_lock_for(wait: Duration, lock: &File) -> Result<(), TryLockError> {
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < wait => {
                thread::sleep(LOCK_RETRY);
            }
            result => return result,
        }
    }
}

fn read(mut file: File) -> io::Result<(File, Vec<u8>)> {
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok((file, content))
}

fn write_synced(file: &mut File, writes: &Writes) -> io::Result<End> {
    file.rewind()?;
    let end = written(file, |out| format::begin(writes, out))?;
    file.sync_all()?;
    Ok(end)
}

fn append_synced(file: &mut File, end: End, writes: &Writes) -> io::Result<End> {
    file.seek(SeekFrom::Start(end.length))?;
    let end = written(file, |out| format::append(end, writes, out))?;
    file.sync_data()?;
    Ok(end)
}

fn written(
    file: &mut File,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<End>,
) -> io::Result<End> {
    let mut out = BufWriter::with_capacity(64 << 10, file);
    let end = write(&mut out)?;
    out.flush()?;
    Ok(end)
}

/// Creates an empty file at `path` in place of whatever a killed process left there: nothing is
/// written through a link.
fn create_anew(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => private_file::create_new(path),
    }
}

/// True if `path` is the name of this open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Windows lets no other process remove or replace a file that is open here.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests;
