//! [`StoreError`]: what can go wrong with the store.

use std::error::Error;
use std::fmt;

use graceful_exit::Language;

use super::shared::CONNECT_TIMEOUT;
use crate::locale::say;

/// What went wrong with the store. Its text names the file or the server, and nothing that may be secret.
#[derive(Debug)]
pub(crate) struct StoreError {
    store: String,
    attempt: Attempt,
    why: Why,
}

/// What was tried.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attempt {
    Use,
    CreateFolder,
    Open,
    Read,
    Write,
}

#[derive(Debug)]
enum Why {
    /// The URL names neither of the two stores.
    NeitherStore,
    InMemory,
    /// The URL is not understood; this is what the parser says, without the values that it quotes.
    Url(String),
    Sql(sqlx::Error),
}

impl StoreError {
    pub(super) fn neither_store(shown: String) -> Self {
        Self { store: shown, attempt: Attempt::Use, why: Why::NeitherStore }
    }

    pub(super) fn in_memory(shown: String) -> Self {
        Self { store: shown, attempt: Attempt::Use, why: Why::InMemory }
    }

    pub(super) fn url(shown: &str, source: &sqlx::Error) -> Self {
        let text = match source {
            sqlx::Error::Configuration(error) => error.to_string(),
            error => error.to_string(),
        };
        Self { store: shown.to_owned(), attempt: Attempt::Use, why: Why::Url(without_quoted(&text)) }
    }

    pub(super) fn sql(shown: &str, attempt: Attempt, source: sqlx::Error) -> Self {
        Self { store: shown.to_owned(), attempt, why: Why::Sql(source) }
    }

    /// The error in one line.
    pub(crate) fn message(&self, language: Language) -> String {
        let (store, why) = (&self.store, self.why(language));
        match self.attempt {
            Attempt::Use => say!(language,
                en: "cannot use {store}: {why}",
                zh: "无法使用 {store}：{why}",
                zh_hant: "無法使用 {store}：{why}",
            ),
            Attempt::CreateFolder => say!(language,
                en: "cannot create the folder of {store}: {why}",
                zh: "无法创建 {store} 所在的文件夹：{why}",
                zh_hant: "無法建立 {store} 所在的資料夾：{why}",
            ),
            Attempt::Open => say!(language,
                en: "cannot open {store}: {why}",
                zh: "无法打开 {store}：{why}",
                zh_hant: "無法開啟 {store}：{why}",
            ),
            Attempt::Read => say!(language,
                en: "cannot read {store}: {why}",
                zh: "无法读取 {store}：{why}",
                zh_hant: "無法讀取 {store}：{why}",
            ),
            Attempt::Write => say!(language,
                en: "cannot write {store}: {why}",
                zh: "无法写入 {store}：{why}",
                zh_hant: "無法寫入 {store}：{why}",
            ),
        }
    }

    fn why(&self, language: Language) -> String {
        match &self.why {
            Why::NeitherStore => say!(language,
                en: "its URL begins with neither sqlite: nor postgres:",
                zh: "其 URL 既不以 sqlite: 也不以 postgres: 开头",
                zh_hant: "其 URL 既不以 sqlite: 也不以 postgres: 開頭",
            ),
            Why::InMemory => say!(language,
                en: "a store in memory keeps nothing",
                zh: "内存中的存储什么也不会保留",
                zh_hant: "記憶體中的儲存什麼也不會保留",
            ),
            Why::Url(text) => of_url(text, language),
            Why::Sql(sqlx::Error::PoolTimedOut) => {
                let seconds = CONNECT_TIMEOUT.as_secs();
                say!(language,
                    en: "no connection within {seconds} s",
                    zh: "{seconds} 秒内无法连接",
                    zh_hant: "{seconds} 秒內無法連線",
                )
            }
            Why::Sql(sqlx::Error::Database(error)) => error.message().to_owned(),
            Why::Sql(sqlx::Error::Configuration(error)) => error.to_string(),
            Why::Sql(sqlx::Error::Io(error)) => language.cause(error),
            Why::Sql(error) => error.to_string(),
        }
    }
}

/// What is wrong with the URL. The driver says it in English alone: what it says most is put into other words here.
fn of_url(text: &str, language: Language) -> String {
    let name = || text.split('`').nth(1).unwrap_or("?");
    if text.starts_with("unknown query parameter") {
        let name = name();
        return say!(language,
            en: "{text}",
            zh: "URL 中有未知的参数 `{name}`",
            zh_hant: "URL 中有未知的參數 `{name}`",
        );
    }
    if text.starts_with("unknown value") {
        let name = name();
        return say!(language,
            en: "{text}",
            zh: "URL 中参数 `{name}` 的值不可用",
            zh_hant: "URL 中參數 `{name}` 的值不可用",
        );
    }
    text.to_owned()
}

/// The text with `***` from its first quotation mark to its last: a value of the URL may be a secret.
fn without_quoted(text: &str) -> String {
    match (text.find('"'), text.rfind('"')) {
        (Some(start), Some(end)) => format!("{}***{}", &text[..start], &text[end + 1..]),
        _ => text.to_owned(),
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
    }
}

impl Error for StoreError {
    /// The cause of the error that the text already has: that error itself would appear twice in every chain of causes.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Sql(sqlx::Error::Database(error)) => error.source(),
            Why::Sql(sqlx::Error::Configuration(error)) => error.source(),
            Why::Sql(sqlx::Error::Io(error)) => error.source(),
            Why::Sql(error) => error.source(),
            Why::NeitherStore | Why::InMemory | Why::Url(_) => None,
        }
    }
}
