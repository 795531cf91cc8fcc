//! The sentences of the command line, in each language. A file a subject, as in the library's own `locale`.

/// `format!` in the language that is given.
macro_rules! say {
    ($language:expr, en: $en:literal, zh: $zh:literal, zh_hant: $zh_hant:literal $(,)?) => {
        match $language {
            graceful_exit::Language::En => format!($en),
            graceful_exit::Language::Zh => format!($zh),
            graceful_exit::Language::ZhHant => format!($zh_hant),
        }
    };
}

pub(crate) use say;
