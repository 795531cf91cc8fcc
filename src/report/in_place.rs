//! Files that are written in place and stay what they are: devices, pipes, and regular files that cannot be replaced.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::os::{private_file, refusal::Refusal};

/// How long a pipe or a device that takes nothing is waited for.
const IN_PLACE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is tried again meanwhile.
const IN_PLACE_RETRY: Duration = Duration::from_millis(5);

/// Opens a regular file that is there.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let file = private_file::options(path).write(true).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(Refusal::NotRegular.into()) }
}

/// Gives a regular file a new content. Where there is no room for it the old content stays: what the new one is longer is
/// written first, behind the old one, and taken back if it does not fit.
pub(super) fn overwrite(file: &mut File, text: &[u8]) -> io::Result<()> {
    let old = file.metadata()?.len();
    let (start, end) = text.split_at(usize::try_from(old).unwrap_or(usize::MAX).min(text.len()));
    if !end.is_empty() {
        file.seek(SeekFrom::Start(old))?;
        if let Err(error) = file.write_all(end) {
            file.set_len(old)?;
            return Err(error);
        }
    }
    file.rewind()?;
    file.write_all(start)?;
    file.set_len(text.len() as u64)
}

/// Opens a device, a pipe or an open file. `None` is a pipe that no process reads yet.
pub(super) fn open_stream(path: &Path) -> io::Result<Option<File>> {
    match private_file::options(path).append(true).open(path) {
        #[cfg(unix)]
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) && is_pipe(path) => Ok(None),
        opened => opened.map(Some),
    }
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// Writes to a device, a pipe or an open file, which is opened first where it is not in hand.
pub(super) fn write_stream(path: &Path, file: Option<File>, mut text: &[u8]) -> io::Result<()> {
    let opened = match file {
        Some(file) => Some(file),
        None => open_stream(path)?,
    };
    let mut file = opened.ok_or_else(|| io::Error::from(Refusal::NoReader))?;
    let begun = Instant::now();
    while !text.is_empty() {
        match file.write(text) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(written) => text = &text[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && begun.elapsed() < IN_PLACE_TIMEOUT => {
                thread::sleep(IN_PLACE_RETRY);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
