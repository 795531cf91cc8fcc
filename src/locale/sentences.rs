//! The two macros that sentences are written with.

/// Sentences with arguments: a method of [`Language`](super::Language) each, which returns a `String`.
///
/// `argument: Type => function` puts the argument through a function first. `zh_any` is the same text in every
/// Chinese, for the fixed lines of the transcripts.
macro_rules! sentences {
    ($($(#[$doc:meta])* $visibility:vis $name:ident($($arg:ident: $type:ty $(=> $convert:path)?),* $(,)?) { $($texts:tt)+ })+) => {
        #[doc(hidden)]
        impl $crate::locale::Language {
            $($(#[$doc])*
            #[must_use]
            $visibility fn $name(self, $($arg: $type),*) -> String {
                $($(let $arg = $convert($arg);)?)*
                $crate::locale::sentences::in_each_language!(self, format, $($texts)+)
            })+
        }
    };
}

/// Sentences without arguments: a `const` method of [`Language`](super::Language) each, which returns a `&'static str`.
macro_rules! fixed_sentences {
    ($($(#[$doc:meta])* $visibility:vis $name:ident { $($texts:tt)+ })+) => {
        #[doc(hidden)]
        impl $crate::locale::Language {
            $($(#[$doc])*
            #[must_use]
            $visibility const fn $name(self) -> &'static str {
                $crate::locale::sentences::in_each_language!(self, concat, $($texts)+)
            })+
        }
    };
}

macro_rules! in_each_language {
    ($language:expr, $make:ident, en: $en:literal, zh: $zh:literal, zh_hant: $zh_hant:literal $(,)?) => {
        match $language {
            $crate::locale::Language::En => $make!($en),
            $crate::locale::Language::Zh => $make!($zh),
            $crate::locale::Language::ZhHant => $make!($zh_hant),
        }
    };
    ($language:expr, $make:ident, en: $en:literal, zh_any: $zh:literal $(,)?) => {
        match $language {
            $crate::locale::Language::En => $make!($en),
            $crate::locale::Language::Zh | $crate::locale::Language::ZhHant => $make!($zh),
        }
    };
}

pub(super) use {fixed_sentences, in_each_language, sentences};
