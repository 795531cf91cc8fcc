//! The marker of a run that has not left its report yet.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::os::lock;

/// The longest marker that is read.
const MAX_BYTES: u64 = 4096;

/// A file beside the report, locked as long as the process lives.
#[derive(Debug)]
pub(super) struct Marker {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

#[derive(Serialize, Deserialize)]
struct Content {
    pid: u32,
    /// The name of the file that is to become the report.
    temporary: String,
}

impl Marker {
    /// Leaves the marker for a report at `path`. Returns true if the run before was killed.
    ///
    /// # Errors
    /// When another living process holds it, or it cannot be made: then nothing is known of the run before.
    pub(super) fn leave(report: &Path, temporary: &Path) -> io::Result<(Self, bool)> {
        let path = beside(report, ".running");
        let mut file = lock::options(&path).create(true).truncate(false).open(&path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        lock::try_lock(&file)?;
        let mut text = String::new();
        (&file).take(MAX_BYTES).read_to_string(&mut text)?;
        let killed = serde_json::from_str::<Content>(&text).ok();
        if let Some(left) = &killed {
            remove_left(report, &left.temporary);
        }
        let name = temporary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = Content { pid: std::process::id(), temporary: name };
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(serde_json::to_string(&content)?.as_bytes())?;
        Ok((Self { path, file }, killed.is_some()))
    }

    /// The run has left its report, or never served.
    ///
    /// # Errors
    /// The marker stays; the path is its own.
    pub(super) fn remove(self) -> Result<(), (PathBuf, io::Error)> {
        let Self { path, file } = self;
        // Windows removes no file that is open; elsewhere the lock is held until the marker is gone.
        let open = (!cfg!(windows)).then_some(file);
        let removed = fs::remove_file(&path);
        drop(open);
        removed.map_err(|error| (path, error))
    }
}

/// Removes the file that a killed run was to write its report into, if that is what the name says.
fn remove_left(report: &Path, name: &str) {
    let own = report.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let random = name.strip_prefix(&format!("{own}.")).and_then(|rest| rest.strip_suffix(".tmp"));
    let is_ours = random.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_ours {
        // It is gone already, or stays as litter: neither hinders this run.
        let _ = fs::remove_file(report.with_file_name(name));
    }
}

/// `report.json.running` for `report.json` and `.running`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}
