//! The cache's sentences for operators, in each language. The transcripts fix some Chinese lines.

use std::fmt::Display;
use std::path::Path;

use graceful_exit::Language;

/// The sentences of one language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sentences(pub(super) Language);

impl Sentences {
    /// The text of its language.
    pub(super) const fn of(self, en: &'static str, zh: &'static str, zh_hant: &'static str) -> &'static str {
        match self.0 {
            Language::En => en,
            Language::Zh => zh,
            Language::ZhHant => zh_hant,
        }
    }

    /// The flush, as the log calls it.
    pub(super) fn flush(self) -> &'static str {
        self.of("flushing the cache", "刷新缓存", "刷新缓存")
    }

    /// The checkpoint, as the log calls it.
    pub(super) fn checkpoint(self) -> &'static str {
        self.of("saving the cache to the spool", "缓存落盘", "快取落盤")
    }

    /// The release of the store, as the log calls it.
    pub(super) fn release(self) -> &'static str {
        self.of("releasing resources", "释放资源", "释放资源")
    }

    /// The exit's flush begins.
    pub(super) fn flushing(self) -> &'static str {
        self.of("flushing the cache…", "刷新缓存中……", "刷新缓存中……")
    }

    /// The exit's flush is done.
    pub(super) fn flushed(self) -> &'static str {
        self.of("the cache was flushed to the DB", "缓存被刷新到了 DB", "缓存被刷新到了 DB")
    }

    /// What is lost with the process.
    pub(super) fn lost(self, writes: usize) -> String {
        match self.0 {
            Language::En if writes == 1 => "1 cached write was not flushed".to_owned(),
            Language::En => format!("{writes} cached writes were not flushed"),
            Language::Zh => format!("{writes} 个缓存写入未刷新"),
            Language::ZhHant => format!("{writes} 筆快取寫入未更新到 DB"),
        }
    }

    /// The start has found a spool.
    pub(super) fn recovered(self, writes: usize, spool: &Path) -> String {
        let spool = spool.display();
        match self.0 {
            Language::En if writes == 1 => {
                format!("1 write of an earlier run was brought in from {spool}")
            }
            Language::En => format!("{writes} writes of an earlier run were brought in from {spool}"),
            Language::Zh => format!("已从 {spool} 恢复上次运行的 {writes} 个写入"),
            Language::ZhHant => format!("已從 {spool} 復原上次執行的 {writes} 筆寫入"),
        }
    }

    /// The spool could not be written, and the store took the writes.
    pub(super) fn unspooled(self, error: &dyn Display, writes: usize) -> String {
        match self.0 {
            Language::En if writes == 1 => format!("{error}; 1 write went straight to the store"),
            Language::En => format!("{error}; {writes} writes went straight to the store"),
            Language::Zh => format!("{error}；{writes} 个写入已直接存入 DB"),
            Language::ZhHant => format!("{error}；{writes} 筆寫入已直接存入 DB"),
        }
    }

    /// A flush while the service goes on has failed.
    pub(super) fn flush_failed(self, error: &dyn Display) -> String {
        match self.0 {
            Language::En => format!("flushing the cache failed: {error}"),
            Language::Zh => format!("刷新缓存失败：{error}"),
            Language::ZhHant => format!("刷新快取失敗：{error}"),
        }
    }
}
