//! Every sentence that an operator reads, in each language.

use std::ffi::OsString;

/// A language that the log speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// 中文.
    Zh,
}

impl Language {
    /// The language of the first of `LC_ALL` and `LANG` that is not empty; English unless it begins with `zh`.
    pub fn from_environment() -> Self {
        let locale =
            ["LC_ALL", "LANG"].into_iter().filter_map(std::env::var_os).find(|locale| !locale.is_empty());
        Self::of_locale(&locale.unwrap_or_default())
    }

    fn of_locale(locale: &OsString) -> Self {
        if locale.to_string_lossy().starts_with("zh") { Self::Zh } else { Self::En }
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn a_locale_that_begins_with_zh_is_chinese() {
        for (locale, language) in [
            ("zh_CN.UTF-8", Language::Zh),
            ("zh", Language::Zh),
            ("C.UTF-8", Language::En),
            ("", Language::En),
        ] {
            assert_eq!(Language::of_locale(&locale.into()), language, "{locale}");
        }
    }
}
