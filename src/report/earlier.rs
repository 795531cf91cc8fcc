//! Earlier reports: `report.1.json` is the one before `report.json`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::os::private_file;

/// The last report under its second name, if there is one.
#[derive(Debug)]
pub(super) struct Kept(Option<PathBuf>);

/// What could not be kept, under which path.
type NotKept = (PathBuf, io::Error);

/// Gives each earlier report the next number. The last one gets it as a second name, so that it stays at its path
/// until it is replaced.
pub(super) fn keep_earlier(path: &Path, keep: u32) -> Result<Kept, NotKept> {
    if keep == 0 || !path.exists() {
        return Ok(Kept(None));
    }
    for number in (1..keep).rev() {
        let earlier = numbered(path, number);
        if earlier.exists() {
            let next = numbered(path, number + 1);
            fs::rename(&earlier, &next).map_err(|error| (next, error))?;
        }
    }
    let last = numbered(path, 1);
    let linked = remove(&last).and_then(|()| fs::hard_link(path, &last).or_else(|_| copy(path, &last)));
    match linked {
        Ok(()) => Ok(Kept(Some(last))),
        Err(error) => Err((last, error)),
    }
}

impl Kept {
    /// Makes a copy of the second name, so that the file at `path` can be overwritten.
    pub(super) fn detach(self, path: &Path) -> Result<(), NotKept> {
        let Some(last) = self.0 else { return Ok(()) };
        remove(&last).and_then(|()| copy(path, &last)).map_err(|error| (last, error))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A copy that is as open to others as the original.
fn copy(path: &Path, copy: &Path) -> io::Result<()> {
    let mut original = File::open(path)?;
    let mut file = private_file::options(copy).write(true).create_new(true).open(copy)?;
    let copied = io::copy(&mut original, &mut file)
        .and_then(|_| private_file::take_permissions(&file, &original.metadata()?));
    drop(file);
    copied.inspect_err(|_| drop(fs::remove_file(copy))) // half of it is no report
}

/// `report.1.json` for `report.json`.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
