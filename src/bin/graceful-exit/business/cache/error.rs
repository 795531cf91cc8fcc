//! The cache's errors. Their messages say where the writes are.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use graceful_exit::Language;

use crate::business::spool::SpoolError;
use crate::business::store::StoreError;
use crate::locale::say;

/// The longest key in bytes. PostgreSQL's index takes about 2,700, and a key that the store refuses
/// would make every later flush fail.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// Why a write was not acknowledged.
#[derive(Debug, Clone)]
pub(crate) enum PutError {
    /// The exit's flush has begun.
    Closed,
    /// Twice as many entries or bytes as the settings' limit wait for the store.
    Full,
    /// The key is longer than [`MAX_KEY_BYTES`] or has a NUL.
    Key,
    /// The exit has begun, and the spool cannot be written.
    NotSpooled(Arc<SpoolError>),
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the cache is closed for the exit"),
            Self::Full => f.write_str("the cache is full until its next flush"),
            Self::Key => write!(f, "a key has at most {MAX_KEY_BYTES} bytes and no NUL"),
            Self::NotSpooled(error) => error.fmt(f),
        }
    }
}

impl Error for PutError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotSpooled(error) => Some(error),
            Self::Closed | Self::Full | Self::Key => None,
        }
    }
}

/// Why the cache cannot be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The system has no thread for the spooler, or no descriptor for its runtime.
    Thread(io::Error),
    Spool(SpoolError),
    Store(StoreError),
    /// The writes that an earlier run left in the spool cannot be imported. They are still there.
    NotRecovered {
        writes: usize,
        spool: PathBuf,
        source: StoreError,
    },
}

impl OpenError {
    /// The error in one line.
    pub(crate) fn message(&self, language: Language) -> String {
        match self {
            Self::Thread(error) => say!(language,
                en: "the spooler's thread cannot be started: {error}",
                zh: "无法启动暂存线程：{error}",
                zh_hant: "無法啟動暫存執行緒：{error}",
            ),
            Self::Spool(error) => error.message(language),
            Self::Store(error) => error.message(language),
            Self::NotRecovered { writes, spool, source } => {
                let (those, spool) = (count(*writes, "that"), spool.display());
                let source = source.message(language);
                say!(language,
                    en: "{those} an earlier run left in {spool} cannot be brought in, and stay there: {source}",
                    zh: "无法恢复上次运行留在 {spool} 的 {writes} 个写入，它们仍在其中：{source}",
                    zh_hant: "無法復原上次執行留在 {spool} 的 {writes} 筆寫入，它們仍在其中：{source}",
                )
            }
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Thread(error) => error,
            Self::Spool(error) => error,
            Self::Store(error) | Self::NotRecovered { source: error, .. } => error,
        })
    }
}

/// Why a flush did not do all of its work.
#[derive(Debug)]
pub(crate) enum FlushError {
    /// Spooled; the store failed. Whether it has them is unknown only if its connection was lost
    /// during the commit.
    NotStored { writes: usize, spool: PathBuf, source: StoreError },
    /// Spooled; the flush was cancelled before the store confirmed them.
    Cancelled { writes: usize, spool: PathBuf },
    /// Neither spooled nor stored: these would be lost with the process. `store` is the store's
    /// error, if it was tried.
    NotSpooled { writes: usize, source: Arc<SpoolError>, store: Option<StoreError> },
    /// The checkpoint could not spool them; the flush is still to come.
    NotCheckpointed { writes: usize, source: Arc<SpoolError> },
    /// Stored; the spool is still there, and the next start writes the same once more.
    NotRemoved { writes: usize, source: SpoolError },
}

impl FlushError {
    /// The error in one line.
    pub(crate) fn message(&self, language: Language) -> String {
        match self {
            Self::NotStored { writes, spool, source } => {
                let (safe, source) = (safe(*writes, spool, language), source.message(language));
                say!(language, en: "{safe}: {source}", zh: "{safe}：{source}", zh_hant: "{safe}：{source}")
            }
            Self::Cancelled { writes: 0, .. } => say!(language,
                en: "stopped, with nothing to write",
                zh: "已停止，没有需要写入的内容",
                zh_hant: "已停止，沒有需要寫入的內容",
            ),
            Self::Cancelled { writes, spool } => {
                let safe = safe(*writes, spool, language);
                say!(language, en: "stopped; {safe}", zh: "已停止；{safe}", zh_hant: "已停止；{safe}")
            }
            Self::NotSpooled { writes, source, store } => {
                let (those, source) = (count(*writes, "are"), source.message(language));
                let lost = say!(language,
                    en: "{those} only in memory and lost with the process: {source}",
                    zh: "{writes} 个写入只在内存中，将随进程丢失：{source}",
                    zh_hant: "{writes} 筆寫入只在記憶體中，將隨行程遺失：{source}",
                );
                let store = store.as_ref().map(|store| store.message(language));
                [Some(lost), store].into_iter().flatten().collect::<Vec<_>>().join(language.semicolon())
            }
            Self::NotCheckpointed { writes, source } => {
                let (those, source) = (count(*writes, "are"), source.message(language));
                say!(language,
                    en: "{those} only in memory until the flush: {source}",
                    zh: "{writes} 个写入在刷新缓存之前只在内存中：{source}",
                    zh_hant: "{writes} 筆寫入在更新到 DB 之前只在記憶體中：{source}",
                )
            }
            Self::NotRemoved { writes, source } => {
                let (those, source) = (count(*writes, "are"), source.message(language));
                say!(language,
                    en: "{those} stored, but the next start stores the same once more: {source}",
                    zh: "{writes} 个写入已存入，但下次启动会再存一次：{source}",
                    zh_hant: "{writes} 筆寫入已存入，但下次啟動會再存一次：{source}",
                )
            }
        }
    }
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
    }
}

impl Error for FlushError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotStored { source, .. } => Some(source),
            Self::NotSpooled { source, .. } | Self::NotCheckpointed { source, .. } => Some(source),
            Self::NotRemoved { source, .. } => Some(source),
            Self::Cancelled { .. } => None,
        }
    }
}

/// Says where the writes are that are not in the store.
pub(super) fn safe(writes: usize, spool: &Path, language: Language) -> String {
    let (those, spool) = (count(writes, "are"), spool.display());
    let them = if writes == 1 { "it" } else { "them" };
    say!(language,
        en: "{those} safe in {spool} and the next start brings {them} in",
        zh: "{writes} 个写入已安全存于 {spool}，下次启动时恢复",
        zh_hant: "{writes} 筆寫入已安全存於 {spool}，下次啟動時復原",
    )
}

/// "1 write is", "3 writes are" in English; the word that follows is the plural's.
fn count(writes: usize, word: &str) -> String {
    match (writes, word) {
        (1, "are") => "1 write is".to_owned(),
        (1, word) => format!("1 write {word}"),
        (writes, word) => format!("{writes} writes {word}"),
    }
}
