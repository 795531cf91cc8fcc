//! `graceful-exit report`: a report file as a person reads it, and its timeline as a picture.

mod svg;

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use graceful_exit::{Language, ReadError, Report, locale::escaped, report};

use crate::locale::say;

/// The summary of the report in `file`, as text; its timeline is drawn to `picture`. `-` is standard input.
///
/// # Errors
/// When the file is no report, or the picture cannot be written.
pub(crate) fn print(file: &Path, picture: Option<&Path>, language: Language) -> Result<String, ReportError> {
    let report = if file == Path::new("-") {
        let name = say!(language, en: "standard input", zh: "标准输入", zh_hant: "標準輸入");
        Report::read_from(io::stdin().lock(), Path::new(&name))
    } else {
        Report::read(file)
    };
    let report = report.map_err(|error| ReportError { language, reason: Reason::Read(error) })?;
    if let Some(path) = picture {
        let written = fs::write(path, svg::draw(&report, language));
        written.map_err(|source| ReportError {
            language,
            reason: Reason::Draw { path: path.to_owned(), source },
        })?;
    }
    let mut text = report::lines(&report, language).join("\n");
    text.push('\n');
    Ok(text)
}

/// Why a report cannot be shown.
#[derive(Debug)]
pub(crate) struct ReportError {
    reason: Reason,
    language: Language,
}

#[derive(Debug)]
enum Reason {
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
        f.write_str(&match &self.reason {
            Reason::Read(error) => error.message(self.language),
            Reason::Draw { path, source } => {
                let path = path.to_string_lossy();
                let path = escaped(&path);
                say!(self.language,
                    en: "the timeline cannot be drawn to {path}: {source}",
                    zh: "无法将时间线画到 {path}：{source}",
                    zh_hant: "無法將時間軸畫到 {path}：{source}",
                )
            }
        })
    }
}

impl Error for ReportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Read(error) => error.source(),
            Reason::Draw { source, .. } => Some(source),
        }
    }
}
