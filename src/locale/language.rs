//! [`Language`], and how it is chosen.

use std::env;

/// The language of the log's sentences, of reports for a person and of the default rejection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// 简体中文, Chinese in simplified characters.
    Zh,
    /// 繁體中文, Chinese in traditional characters.
    ZhHant,
}

impl Language {
    /// Every language, for tests and lists.
    pub const ALL: [Self; 3] = [Self::En, Self::Zh, Self::ZhHant];

    /// The language of the environment: of the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set and not empty.
    /// English where that names another language or none is set.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(|name| env::var(name).ok())
    }

    fn from_variables(value: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| value(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
        locale.map_or(Self::En, |locale| Self::of_locale(&locale))
    }

    /// The language of a locale such as `zh_TW.UTF-8`, `zh-Hant` or `C`. Chinese is traditional with the script `Hant`,
    /// and in Taiwan, Hong Kong and Macao unless the script is `Hans`. Any other language is English.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        let tag = locale.split(['.', '@']).next().unwrap_or_default().to_ascii_lowercase();
        let mut parts = tag.split(['_', '-']);
        if parts.next() != Some("zh") {
            return Self::En;
        }
        let rest: Vec<_> = parts.collect();
        let has = |part: &str| rest.contains(&part);
        if has("hant") || (["tw", "hk", "mo"].into_iter().any(has) && !has("hans")) {
            Self::ZhHant
        } else {
            Self::Zh
        }
    }

    /// The tag of the language in HTML and HTTP: `en`, `zh-Hans` or `zh-Hant`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
            Self::ZhHant => "zh-Hant",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_tells_the_script_of_chinese() {
        for locale in ["zh", "zh_CN", "zh_CN.UTF-8", "zh_SG", "zh-Hans", "zh_Hans_HK", "ZH_cn"] {
            assert_eq!(Language::of_locale(locale), Language::Zh, "{locale}");
        }
        for locale in ["zh_TW", "zh_TW.UTF-8@radical", "zh_HK.utf8", "zh-Hant", "zh_Hant_CN", "zh_MO"] {
            assert_eq!(Language::of_locale(locale), Language::ZhHant, "{locale}");
        }
        for locale in ["", "C", "C.UTF-8", "POSIX", "en_US.UTF-8", "de", "zhx_TW"] {
            assert_eq!(Language::of_locale(locale), Language::En, "{locale}");
        }
    }

    #[test]
    fn the_first_variable_that_is_not_empty_decides() {
        let of = |variables: &[(&str, &str)]| {
            let value = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Language::from_variables(value)
        };
        assert_eq!(of(&[]), Language::En);
        assert_eq!(of(&[("LANG", "zh_TW.UTF-8")]), Language::ZhHant);
        assert_eq!(of(&[("LC_MESSAGES", "zh_CN"), ("LANG", "en_US")]), Language::Zh);
        assert_eq!(of(&[("LC_ALL", "C"), ("LC_MESSAGES", "zh_CN"), ("LANG", "zh_TW")]), Language::En);
        assert_eq!(of(&[("LC_ALL", ""), ("LC_MESSAGES", ""), ("LANG", "zh_HK")]), Language::ZhHant);
    }
}
