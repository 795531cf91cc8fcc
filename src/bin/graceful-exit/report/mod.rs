//! `graceful-exit report`: a report file as a person reads it, and its timeline as a picture.

mod svg;

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use graceful_exit::{Language, ReadError, Report, locale::escaped, report};

/// The summary of the report in `file`, as text; its timeline is drawn to `picture`. `-` is standard input.
///
/// # Errors
/// When the file is no report, or the picture cannot be written.
pub(crate) fn print(file: &Path, picture: Option<&Path>, language: Language) -> Result<String, ReportError> {
    let report = if file == Path::new("-") {
        Report::read_from(io::stdin().lock(), Path::new("standard input"))
    } else {
        Report::read(file)
    };
    let report = report.map_err(ReportError::Read)?;
    if let Some(path) = picture {
        let written = fs::write(path, svg::draw(&report, language));
        written.map_err(|source| ReportError::Draw { path: path.to_owned(), source })?;
    }
    let mut text = report::lines(&report, language).join("\n");
    text.push('\n');
    Ok(text)
}

/// Why a report cannot be shown.
#[derive(Debug)]
pub(crate) enum ReportError {
    /// The file cannot be read as a report.
    Read(ReadError),
    /// The picture cannot be written.
    Draw {
        /// The picture's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl std::fmt::Display for ReportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Draw { path, source } => {
                let path = path.to_string_lossy();
                write!(f, "the timeline cannot be drawn to {}: {source}", escaped(&path))
            }
        }
    }
}

impl Error for ReportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => error.source(),
            Self::Draw { source, .. } => Some(source),
        }
    }
}
