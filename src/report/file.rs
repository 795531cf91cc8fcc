//! [`ReportFile`]: where the report is written, opened at the start and in hand until the end.

use std::{
    collections::hash_map::RandomState,
    error::Error,
    fmt,
    fs::{self, File},
    hash::BuildHasher,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    earlier::keep_earlier,
    in_place::{open_regular, open_stream, overwrite, write_stream},
    json::ReadError,
    marker::{Marker, beside},
    model::Report,
    previous::PreviousExit,
};
use crate::{
    locale::{Language, escaped},
    os::{
        private_file::{self, is_a_descriptor},
        refusal::Refusal,
    },
};

/// What Kubernetes keeps of a container's termination log, in bytes.
const TERMINATION_LOG_BYTES: usize = 4096;

/// Where the report is written. Everything that the end needs is made at the start: folders, file and descriptor.
///
/// A regular file is replaced whole or not at all, by a file that was made beside it, new and under a random name. A
/// symbolic link is followed, unless another user has made it. What cannot be replaced is written in place and stays
/// what it is: a device, a pipe, a bind mount, a file in a folder without write permission. A regular file among these
/// keeps its content if the disk or a limit has no room for the report; but who reads it meanwhile, or after a crash in
/// that moment, may find parts of both.
///
/// The paths of requests are in the report: what is created is for this user alone, files with the mode 0600 and folders
/// with 0700. A report that replaces another one has its mode, and its group if this user may give it; the mode of the
/// first one is therefore the place to let others read.
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

/// How the previous run ended; an error, if what it has left is no report.
type Previous = Result<Option<PreviousExit>, ReadError>;

#[derive(Debug)]
enum Target {
    /// Becomes the file at the path. It is closed before it is renamed or removed: Windows does neither
    /// to a file that is open.
    Replaced { temporary: PathBuf, file: Option<File>, marker: Option<Marker> },
    /// A regular file in a folder in which nothing can be made.
    Overwritten(File),
    /// A device, a pipe or an open file. `None` is a pipe without a reader: it is opened again at the end.
    Stream(Option<File>),
}

impl ReportFile {
    /// Checks that a report can be written to `path`, and reads how the previous run ended. Missing parent folders are
    /// made. `keep` earlier reports are kept beside it: `report.1.json` is the last one of `report.json`.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn open(path: &Path, keep: u32) -> io::Result<(Self, Previous)> {
        let path = private_file::resolve(path)?;
        let found = fs::metadata(&path);
        if !names_a_file(&path) || found.as_ref().is_ok_and(fs::Metadata::is_dir) {
            return Err(Refusal::Folder.into());
        }
        let is_special = found.is_ok_and(|found| !found.is_file()) || is_a_descriptor(&path);
        if is_special {
            let target = Target::Stream(open_stream(&path)?);
            return Ok((Self::new(path, keep, target), Ok(None)));
        }
        private_file::create_folder_of(&path)?;
        match create_beside(&path) {
            Ok((temporary, file)) => {
                let (marker, killed) = Marker::leave(&path, &temporary)
                    .map_or((None, false), |(marker, killed)| (Some(marker), killed));
                let previous = if killed { Ok(Some(PreviousExit::killed())) } else { previous(&path) };
                let target = Target::Replaced { temporary, file: Some(file), marker };
                Ok((Self::new(path, keep, target), previous))
            }
            // Nothing can be made in the folder, but perhaps the file itself can be written.
            Err(error) => {
                let file = open_regular(&path).map_err(|_| error)?;
                let previous = previous(&path);
                Ok((Self::new(path, keep, Target::Overwritten(file)), previous))
            }
        }
    }

    /// Writes the report. A pipe or a device that takes nothing is waited for, a second at most; call it on a thread
    /// that may block.
    ///
    /// # Errors
    /// When it cannot be written: what was at the path before is still there then, unless it is a device or a pipe.
    /// Or when it is written, but an earlier report could not be kept or the marker not be removed.
    pub fn write(mut self, report: &Report) -> Result<(), WriteError> {
        self.is_settled = true;
        let text = if is_termination_log(&self.path) {
            report.to_json_within(TERMINATION_LOG_BYTES)
        } else {
            report.to_json()
        };
        let written = match &mut self.target {
            Target::Replaced { temporary, file, marker } => {
                let replaced = replace(&self.path, self.keep, temporary, file.take(), text.as_bytes());
                if replaced.is_err() {
                    // It is gone already, or stays as litter; the error is told in any case.
                    let _ = fs::remove_file(&*temporary);
                }
                replaced.map(|kept| (kept, marker.take()))
            }
            Target::Overwritten(file) => overwrite(file, text.as_bytes()).map(|()| (Ok(()), None)),
            Target::Stream(file) => {
                write_stream(&self.path, file.take(), text.as_bytes()).map(|()| (Ok(()), None))
            }
        };
        let (kept, marker) = written.map_err(|error| WriteError::new(What::Report, &self.path, error))?;
        if let Some(marker) = marker {
            marker.remove().map_err(|(path, error)| WriteError::new(What::Marker, &path, error))?;
        }
        kept.map_err(|(path, error)| WriteError::new(What::Earlier, &path, error))
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

/// What did not work when the report was written. The message is one line.
#[derive(Debug)]
pub struct WriteError {
    what: What,
    path: PathBuf,
    source: io::Error,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The report is not written.
    Report,
    /// The report is written, but the one before it, or an earlier one, is not kept.
    Earlier,
    /// The report is written, but the next start will take this run for killed.
    Marker,
}

impl WriteError {
    fn new(what: What, path: &Path, source: io::Error) -> Self {
        Self { what, path: path.to_owned(), source }
    }

    /// The error in one line.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        let path = self.path.to_string_lossy();
        let (path, cause) = (escaped(&path), language.cause(&self.source));
        match self.what {
            What::Report => language.report_failed(&path, &cause),
            What::Earlier => language.earlier_report_not_kept(&path, &cause),
            What::Marker => language.report_marker_stays(&path, &cause),
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Reads the report of the previous run. An empty file is none: a container's mounted file begins as one.
fn previous(path: &Path) -> Previous {
    if fs::metadata(path).map_or(true, |found| found.len() == 0) {
        return Ok(None);
    }
    Report::read(path).map(|report| Some(report.into()))
}

/// Makes `text` the content of the file at `path`, whole or not at all. An earlier report that could not be kept does not
/// hinder it: that error is the inner one.
fn replace(
    path: &Path,
    keep: u32,
    temporary: &mut PathBuf,
    file: Option<File>,
    text: &[u8],
) -> io::Result<Result<(), (PathBuf, io::Error)>> {
    let file = match file {
        Some(file) if temporary.exists() => file,
        // After months something may have tidied up the folder.
        _ => {
            let made = create_beside(path)?;
            *temporary = made.0;
            made.1
        }
    };
    write_temporary(file, path, text)?;
    let kept = keep_earlier(path, keep);
    if let Err(error) = fs::rename(&*temporary, path) {
        // A file that cannot be replaced, such as a bind mount.
        let mut file = open_regular(path).map_err(|_| error)?;
        let kept = kept.and_then(|kept| kept.detach(path));
        overwrite(&mut file, text)?;
        // It stays as litter at worst.
        let _ = fs::remove_file(&*temporary);
        return Ok(kept);
    }
    Ok(kept.map(drop))
}

/// Fills the file that is to replace the one at `path`, and closes it. It gets the other one's permissions, as they are
/// at this moment.
fn write_temporary(mut file: File, path: &Path, text: &[u8]) -> io::Result<()> {
    file.write_all(text)?;
    if let Ok(found) = fs::metadata(path) {
        let _ = private_file::take_permissions(&file, &found); // without them it is for this user alone
    }
    Ok(())
}

/// Returns false for `folder/`, `folder/.` and `..`: the last component of a path with a file's name is that name.
fn names_a_file(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    path.file_name().is_some_and(|name| text.ends_with(name.as_encoded_bytes()))
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
        match private_file::options(&temporary).write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (temporary, file)),
        }
    }
}

#[cfg(test)]
mod tests;
