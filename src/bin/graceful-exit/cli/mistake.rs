//! What is wrong with a command line, in each language. clap finds it; its own sentences are English alone.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use graceful_exit::{Language, locale::escaped};

use crate::locale::say;

/// A line that says what is wrong and one with the usage. `None` if it is no mistake, as with `--help`, or one that
/// clap reports itself.
pub(super) fn message(error: &Error, language: Language) -> Option<String> {
    let what = sentence(error, language)?;
    let hint = hint(error, language).unwrap_or_default();
    let usage = usage(error).map(
        |usage| say!(language, en: "\nusage: {usage}", zh: "\n用法：{usage}", zh_hant: "\n用法：{usage}"),
    );
    Some(format!("{what}{hint}{}", usage.unwrap_or_default()))
}

fn sentence(error: &Error, language: Language) -> Option<String> {
    let argument = context(error, ContextKind::InvalidArg);
    Some(match error.kind() {
        ErrorKind::UnknownArgument => {
            let argument = argument?;
            say!(language,
                en: "unknown argument {argument}",
                zh: "未知的参数 {argument}",
                zh_hant: "未知的參數 {argument}",
            )
        }
        ErrorKind::InvalidSubcommand => {
            let command = context(error, ContextKind::InvalidSubcommand)?;
            say!(language,
                en: "unknown command {command}",
                zh: "未知的命令 {command}",
                zh_hant: "未知的命令 {command}",
            )
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues => {
            let (argument, value) = (argument?, context(error, ContextKind::InvalidValue)?);
            if value.is_empty() {
                say!(language,
                    en: "{argument} needs a value",
                    zh: "{argument} 缺少值",
                    zh_hant: "{argument} 缺少值",
                )
            } else {
                say!(language,
                    en: "{argument}: {value} is refused",
                    zh: "{argument}：{value} 不可用",
                    zh_hant: "{argument}：{value} 不可用",
                )
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let argument = argument?;
            say!(language,
                en: "{argument} is missing",
                zh: "缺少 {argument}",
                zh_hant: "缺少 {argument}",
            )
        }
        ErrorKind::ArgumentConflict => {
            let argument = argument?;
            say!(language,
                en: "{argument} is given more than once",
                zh: "{argument} 重复",
                zh_hant: "{argument} 重複",
            )
        }
        _ => return None,
    })
}

/// The likely correction, or what is allowed.
fn hint(error: &Error, language: Language) -> Option<String> {
    let meant = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    if let Some(meant) = meant.into_iter().find_map(|kind| context(error, kind)) {
        return Some(say!(language,
            en: "; did you mean {meant}?",
            zh: "；是否指 {meant}？",
            zh_hant: "；是否指 {meant}？",
        ));
    }
    let allowed = match error.kind() {
        // Every argument whose value is looked into is a duration.
        ErrorKind::ValueValidation => "300ms, 5s, 1m".to_owned(),
        ErrorKind::TooManyValues => {
            return Some(say!(language,
                en: "; it takes no value",
                zh: "；它不带值",
                zh_hant: "；它不帶值",
            ));
        }
        _ => context(error, ContextKind::ValidValue)?,
    };
    Some(say!(language,
        en: "; allowed: {allowed}",
        zh: "；允许：{allowed}",
        zh_hant: "；允許：{allowed}",
    ))
}

/// The usage that clap adds, without its first word.
fn usage(error: &Error) -> Option<String> {
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return None };
    let usage = usage.to_string();
    Some(usage.trim_start_matches("Usage:").split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What clap says of the mistake, on one line.
fn context(error: &Error, kind: ContextKind) -> Option<String> {
    let texts = match error.get(kind)? {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) if !texts.is_empty() => texts.join(", "),
        _ => return None,
    };
    Some(escaped(&texts).into_owned())
}
