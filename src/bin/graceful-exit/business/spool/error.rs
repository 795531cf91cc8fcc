//! What can go wrong with the spool: [`SpoolError`].

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use graceful_exit::Language;

use super::format::Damage;
use crate::business::locale::Sentences;
use crate::locale::say;

/// Why the spool cannot be used. Its text names the file.
#[derive(Debug)]
pub(crate) enum SpoolError {
    /// Another process has it.
    Held { path: PathBuf },
    /// Its content is damaged. The file stays as it is, so that it can be examined.
    Damaged { path: PathBuf, damage: Damage },
    /// The disk failed.
    Io { path: PathBuf, attempt: Attempt, source: io::Error },
}

/// What was tried with the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    CreateFolder,
    OpenFolder,
    Lock,
    Read,
    CreateTemporary,
    Create,
    Write,
    PutInPlace,
    Sync,
    Remove,
}

impl SpoolError {
    /// The error in one line.
    pub(crate) fn message(&self, language: Language) -> String {
        match self {
            Self::Held { path } => {
                let path = path.display();
                say!(language,
                    en: "the spool {path} is held by another process",
                    zh: "暂存文件 {path} 正被另一个进程占用",
                    zh_hant: "暫存檔 {path} 正被另一個行程佔用",
                )
            }
            Self::Damaged { path, damage } => {
                let (path, damage) = (path.display(), damage.message(language));
                say!(language,
                    en: "the spool {path} is damaged, and was left as it is: {damage}",
                    zh: "暂存文件 {path} 已损坏，未作改动：{damage}",
                    zh_hant: "暫存檔 {path} 已損壞，未作更動：{damage}",
                )
            }
            Self::Io { path, attempt, source } => {
                let (path, attempt, source) =
                    (path.display(), attempt.message(language), language.cause(source));
                say!(language,
                    en: "the spool {path} cannot {attempt}: {source}",
                    zh: "暂存文件 {path} 无法{attempt}：{source}",
                    zh_hant: "暫存檔 {path} 無法{attempt}：{source}",
                )
            }
        }
    }
}

impl Attempt {
    const fn message(self, language: Language) -> &'static str {
        let [en, zh, zh_hant] = match self {
            Self::CreateFolder => ["have its folder created", "创建所在文件夹", "建立所在資料夾"],
            Self::OpenFolder => ["have its folder opened", "打开所在文件夹", "開啟所在資料夾"],
            Self::Lock => ["be locked", "加锁", "鎖定"],
            Self::Read => ["be read", "读取", "讀取"],
            Self::CreateTemporary => ["have its temporary file created", "创建临时文件", "建立暫時檔案"],
            Self::Create => ["be created", "创建", "建立"],
            Self::Write => ["be written", "写入", "寫入"],
            Self::PutInPlace => ["be put in place", "替换到位", "替換到位"],
            Self::Sync => ["be synced", "同步", "同步"],
            Self::Remove => ["be removed", "删除", "刪除"],
        };
        Sentences(language).of(en, zh, zh_hant)
    }
}

impl Damage {
    const fn message(self, language: Language) -> &'static str {
        let [en, zh, zh_hant] = match self {
            Self::NotASpool => {
                ["it does not begin as a spool does", "开头不是暂存文件的格式", "開頭不是暫存檔的格式"]
            }
            Self::UnknownVersion => {
                ["it is of a version that this program does not know", "版本未知", "版本未知"]
            }
            Self::CutOff => ["its end is missing", "结尾缺失", "結尾缺失"],
            Self::WrongChecksum => ["a checksum in it does not match", "校验和不符", "校驗和不符"],
            Self::WrongLength => ["a length in it does not match", "长度不符", "長度不符"],
            Self::NotUtf8 => ["a key in it is not UTF-8", "有一个键不是 UTF-8", "有一個鍵不是 UTF-8"],
        };
        Sentences(language).of(en, zh, zh_hant)
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
    }
}

impl Error for SpoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Held { .. } | Self::Damaged { .. } => None,
        }
    }
}
