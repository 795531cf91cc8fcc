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
    waiting_for(what: &str, left: Duration => rounded) {
        en: "still waiting for {what}; {left} left",
        zh: "仍在等待{what}；剩余 {left}",
        zh_hant: "仍在等待{what}；剩餘 {left}",
    }

    /// The end of a list: so many more are not named.
    pub more(more: usize) { en: "and {more} more", zh: "另有 {more} 个", zh_hant: "另有 {more} 個" }

    oldest(method: &str, path: &str, age: Duration => rounded) {
        en: ", the oldest {method} {path} ({age})",
        zh: "，最早的是 {method} {path}（{age}）",
        zh_hant: "，最早的是 {method} {path}（{age}）",
    }

    requests(count: u64) { en: "{count} requests", zh: " {count} 个请求", zh_hant: " {count} 個請求" }
}

impl Language {
    /// While waiting: how many requests are left, the oldest (method, path and age), and how much time they have.
    #[must_use]
    pub fn progress_requests(
        self,
        count: u64,
        oldest: Option<(&str, &str, Duration)>,
        left: Duration,
    ) -> String {
        let requests = match self {
            Self::En if count == 1 => "1 request".to_owned(),
            Self::En | Self::Zh | Self::ZhHant => self.requests(count),
        };
        let oldest = oldest.map(|(method, path, age)| self.oldest(method, path, age)).unwrap_or_default();
        self.waiting_for(&format!("{requests}{oldest}"), left)
    }

    /// While waiting: which members are left, how many more are not named, and how much time they have.
    #[must_use]
    pub fn progress_members(self, labels: &[String], more: usize, left: Duration) -> String {
        let names = labels.join(self.comma());
        let more = (more > 0).then(|| self.more(more));
        let space = match self {
            Self::En => "",
            Self::Zh | Self::ZhHant => " ",
        };
        let names: Vec<_> = [Some(names), more].into_iter().flatten().collect();
        self.waiting_for(&format!("{space}{}", names.join(if space.is_empty() { " " } else { "，" })), left)
    }
}
