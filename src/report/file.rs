//! [`ReportFile`]: where the report is written, opened at the start and in hand until the end.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File},
    hash::BuildHasher,
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    marker::{Marker, beside},
    model::Report,
    previous::PreviousExit,
};

/// How long a pipe or a device that takes nothing is waited for.
const IN_PLACE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is tried again meanwhile.
const IN_PLACE_RETRY: Duration = Duration::from_millis(5);
/// What Kubernetes keeps of a container's termination log, in bytes.
const TERMINATION_LOG_BYTES: usize = 4096;
/// How many symbolic links are followed, as on Linux.
const MAX_LINKS: usize = 40;

/// Where the report is written. Everything that the end needs is made at the start: folders, file and descriptor.
///
/// A regular file is replaced whole or not at all, by a file that was made beside it, new and under a random name. A
/// symbolic link is followed. A device, a pipe, or a file that cannot be replaced, such as a bind mount or one in a
/// read-only folder, is written in place and stays what it is.
///
/// A regular file below `/dev` is a container's termination log: Kubernetes keeps 4 KiB of it, so the report is
/// shortened to that.
///
/// The file is not synced to the disk: it outlasts the process, but perhaps not a crash of the machine.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    keep: u32,
    target: Target,
    is_settled: bool,
}

#[derive(Debug)]
enum Target {
    /// Becomes the file at the path. It is closed before it is renamed or removed: Windows does neither
    /// to a file that is open.
    Replaced { temporary: PathBuf, file: Option<File>, marker: Option<Marker> },
    /// `None` is a pipe without a reader: it is opened again at the end.
    InPlace { file: Option<File>, truncate: bool },
}

impl ReportFile {
    /// Checks that a report can be written to `path`, and reads how the previous run ended. Missing parent folders are
    /// made. `keep` earlier reports are kept beside it: `report.1.json` is the last one of `report.json`.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn open(path: &Path, keep: u32) -> io::Result<(Self, Option<PreviousExit>)> {
        let path = followed(path)?;
        if path.file_name().is_none() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let found = fs::metadata(&path);
        if found.as_ref().is_ok_and(fs::Metadata::is_dir) {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let is_special = found.as_ref().is_ok_and(|found| !found.is_file()) || is_a_descriptor(&path);
        if is_special {
            let target = Target::InPlace { file: open_in_place(&path, true)?, truncate: false };
            return Ok((Self::new(path, keep, target), None));
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match create_beside(&path) {
            Ok((temporary, file)) => {
                if let Ok(found) = found {
                    // The same users can read it as the last one.
                    let _ = file.set_permissions(found.permissions());
                }
                let (marker, killed) = Marker::leave(&path, &temporary)
                    .map_or((None, false), |(marker, killed)| (Some(marker), killed));
                let previous = if killed {
                    Some(PreviousExit::killed())
                } else {
                    Report::read(&path).ok().map(PreviousExit::from)
                };
                let target = Target::Replaced { temporary, file: Some(file), marker };
                Ok((Self::new(path, keep, target), previous))
            }
            // Nothing can be made in the folder, but perhaps the file itself can be written.
            Err(error) => {
                let file = open_in_place(&path, false).map_err(|_| error)?;
                let previous = Report::read(&path).ok().map(PreviousExit::from);
                Ok((Self::new(path, keep, Target::InPlace { file, truncate: true }), previous))
            }
        }
    }

    /// Writes the report. A pipe or a device that takes nothing is waited for, a second at most; call it on a thread
    /// that may block.
    ///
    /// # Errors
    /// When it cannot be written; what was at the path before is still there then, unless it is written in place.
    pub fn write(mut self, report: &Report) -> io::Result<()> {
        self.is_settled = true;
        let text = if is_termination_log(&self.path) {
            report.to_json_within(TERMINATION_LOG_BYTES)
        } else {
            report.to_json()
        };
        match &mut self.target {
            Target::Replaced { temporary, file, marker } => {
                let kept = keep_earlier(&self.path, self.keep);
                let written = file
                    .take()
                    .map_or(Ok(()), |mut file| file.write_all(text.as_bytes()))
                    .and_then(|()| fs::rename(&*temporary, &self.path))
                    .or_else(|error| {
                        // Nothing more can be done about it than about what went before.
                        let _ = fs::remove_file(&*temporary);
                        overwrite(&self.path, &text).map_err(|_| error)
                    });
                written?;
                if let Some(marker) = marker.take() {
                    marker.remove()?;
                }
                kept
            }
            Target::InPlace { file, truncate } => {
                let opened = match file.take() {
                    Some(file) => Some(file),
                    None => open_in_place(&self.path, !*truncate)?,
                };
                let mut file = opened.ok_or_else(|| io::Error::other("no process reads the pipe"))?;
                if *truncate {
                    file.set_len(0)?;
                    file.rewind()?;
                }
                write_bounded(&mut file, text.as_bytes())
            }
        }
    }

    /// Where it is written, at the end of symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn new(path: PathBuf, keep: u32, target: Target) -> Self {
        Self { path, keep, target, is_settled: false }
    }
}

/// A run that never served leaves neither a file nor a marker.
impl Drop for ReportFile {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        if let Target::Replaced { temporary, marker, file } = &mut self.target {
            drop(file.take());
            let _ = fs::remove_file(temporary);
            if let Some(marker) = marker.take() {
                let _ = marker.remove();
            }
        }
    }
}

/// The path at the end of symbolic links, which may name a file that is not there yet.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        // What a link of the system leads to, such as `/dev/stdout`, has no path of its own.
        if is_a_descriptor(&path) || !fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Ok(path);
        }
        let target = fs::read_link(&path)?;
        path = path.parent().map(|parent| parent.join(&target)).unwrap_or(target);
    }
    Err(io::Error::other("too many symbolic links"))
}

/// True for a path that stands for an open file, and is never replaced.
fn is_a_descriptor(path: &Path) -> bool {
    const DESCRIPTORS: [&str; 5] = ["/proc", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"];
    cfg!(unix) && DESCRIPTORS.iter().any(|descriptors| path.starts_with(descriptors))
}

fn is_termination_log(path: &Path) -> bool {
    path.starts_with("/dev")
        && !is_a_descriptor(path)
        && fs::metadata(path).is_ok_and(|found| found.is_file())
}

/// A new file beside `path`, under a name that cannot be guessed; no link is followed.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let random = RandomState::new().hash_one(std::process::id());
        let temporary = beside(path, &format!(".{random:016x}.tmp"));
        match File::options().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (temporary, file)),
        }
    }
}

/// Opens a file that stays what it is. `None` is a pipe that no process reads yet.
fn open_in_place(path: &Path, append: bool) -> io::Result<Option<File>> {
    let mut options = File::options();
    options.write(true).append(append);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY);
    match options.open(path) {
        #[cfg(unix)]
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) && is_pipe(path) => Ok(None),
        opened => opened.map(Some),
    }
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// In place of a file that cannot be replaced.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    File::options().write(true).truncate(true).open(path)?.write_all(text.as_bytes())
}

fn write_bounded(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    let begun = Instant::now();
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && begun.elapsed() < IN_PLACE_TIMEOUT => {
                thread::sleep(IN_PLACE_RETRY);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives each earlier report the next number. The last one gets it as a second name, so that it stays at its path
/// until it is replaced.
fn keep_earlier(path: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 || !path.exists() {
        return Ok(());
    }
    for number in (1..keep).rev() {
        let earlier = numbered(path, number);
        if earlier.exists() {
            fs::rename(&earlier, numbered(path, number + 1))?;
        }
    }
    let last = numbered(path, 1);
    if fs::symlink_metadata(&last).is_ok() {
        fs::remove_file(&last)?;
    }
    fs::hard_link(path, &last).or_else(|_| fs::copy(path, &last).map(|_| ()))
}

/// `report.1.json` for `report.json`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests;
