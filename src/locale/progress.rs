//! What is waited for, while it is.

use std::time::Duration;

use super::{
    Language, rounded,
    sentences::{fixed_sentences, sentences},
};

fixed_sentences! {
    pub(crate) comma { en: ", ", zh: "、", zh_hant: "、" }
}

sentences! {
    /// While waiting: for what, and how much time it has.
    pub still_waiting(what: &str, left: Duration => rounded) {
        en: "still waiting for {what}; {left} left",
        zh: "仍在等待 {what}；剩余 {left}",
        zh_hant: "仍在等待 {what}；剩餘 {left}",
    }

    /// The same where the end may be cut: the time comes first.
    pub time_left(what: &str, left: Duration => rounded) {
        en: "{left} left: {what}",
        zh: "剩余 {left}：{what}",
        zh_hant: "剩餘 {left}：{what}",
    }

    /// The end of a list: so many more are not named.
    pub more(more: usize) { en: "and {more} more", zh: "另有 {more} 个", zh_hant: "另有 {more} 個" }

    oldest(request: &str, age: Duration => rounded) {
        en: ", the oldest {request} ({age})",
        zh: "，最早的是 {request}（{age}）",
        zh_hant: "，最早的是 {request}（{age}）",
    }

    requests(count: u64) { en: "{count} requests", zh: "{count} 个请求", zh_hant: "{count} 個請求" }
}

#[doc(hidden)]
impl Language {
    /// How many requests are waited for, and the oldest: its name and its age.
    #[must_use]
    pub fn waited_requests(self, count: u64, oldest: Option<(String, Duration)>) -> String {
        let requests = match self {
            Self::En if count == 1 => "1 request".to_owned(),
            Self::En | Self::Zh | Self::ZhHant => self.requests(count),
        };
        let oldest = oldest.map(|(name, age)| self.oldest(&name, age)).unwrap_or_default();
        format!("{requests}{oldest}")
    }

    /// Which members are waited for, and how many more are not named.
    #[must_use]
    pub fn waited_members(self, labels: &[String], more: usize) -> String {
        let names = labels.join(self.comma());
        let before_more = match self {
            Self::En => " ",
            Self::Zh | Self::ZhHant => "，",
        };
        if more > 0 { format!("{names}{before_more}{}", self.more(more)) } else { names }
    }
}
