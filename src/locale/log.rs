//! What the log says of itself, and of files that cannot be written.

use std::{fmt::Display, io, path::Path};

use super::{Language, sentences::sentences};

sentences! {
    log_lines_lost(lines: u64) {
        en: "{lines} lines of the log were lost: they could not be written",
        zh: "有 {lines} 行日志无法写出，已丢失",
        zh_hant: "有 {lines} 行日誌無法寫出，已遺失",
    }

    /// A line that was logged again and again was written once.
    #[cfg(feature = "logging")]
    pub(crate) log_repeated(text: &str, more: u64) {
        en: "{text} ({more} more like this were left out)",
        zh: "{text}（另有 {more} 条同类信息已省略）",
        zh_hant: "{text}（另有 {more} 條同類訊息已省略）",
    }

    log_file_unwritable(path: &dyn Display, error: &dyn Display) {
        en: "the log file {path} cannot be written: {error}",
        zh: "日志文件 {path} 无法写入：{error}",
        zh_hant: "日誌檔案 {path} 無法寫入：{error}",
    }

    standard_error_unwritable(error: &dyn Display) {
        en: "the log cannot be written to standard error: {error}",
        zh: "日志无法写到标准错误输出：{error}",
        zh_hant: "日誌無法寫到標準錯誤輸出：{error}",
    }

    /// The report cannot be written.
    pub report_failed(path: &dyn Display, error: &dyn Display) {
        en: "the report cannot be written to {path}: {error}",
        zh: "报告无法写入 {path}：{error}",
        zh_hant: "報告無法寫入 {path}：{error}",
    }

    /// The report is written, but an earlier one could not be kept.
    pub earlier_report_not_kept(path: &dyn Display, error: &dyn Display) {
        en: "the earlier report cannot be kept as {path}: {error}",
        zh: "上一份报告无法保留为 {path}：{error}",
        zh_hant: "上一份報告無法保留為 {path}：{error}",
    }

    /// The report is written, but the marker of a running process is still there.
    pub report_marker_stays(path: &dyn Display, error: &dyn Display) {
        en: "{path} cannot be removed, so the next start will take this run for killed: {error}",
        zh: "{path} 无法删除，下次启动会认为本次运行是被强行终止的：{error}",
        zh_hant: "{path} 無法刪除，下次啟動會認為本次執行是被強行終止的：{error}",
    }
}

#[doc(hidden)]
impl Language {
    /// The log could not write some lines, and can again.
    #[must_use]
    pub fn log_lost(self, lines: u64) -> String {
        match self {
            Self::En if lines == 1 => "1 line of the log was lost: it could not be written".to_owned(),
            Self::En | Self::Zh | Self::ZhHant => self.log_lines_lost(lines),
        }
    }

    /// What one output of the log says of another; without a path that is standard error.
    #[must_use]
    pub fn log_unwritable(self, path: Option<&Path>, error: &io::Error) -> String {
        match path {
            Some(path) => self.log_file_unwritable(&path.display(), &self.cause(error)),
            None => self.standard_error_unwritable(error),
        }
    }
}
