//! The environment variables that set something, and those that were probably meant to.

use std::ffi::{OsStr, OsString};

use super::error::{Cause, Source, UnusedVariable};
use super::keys;
use super::suggest::suggest;

/// What the variables of the settings begin with; a second `__` stands for each dot of the key.
const PREFIX: &str = "GRACEFUL_EXIT__";
/// What a variable begins with that was probably meant to be one of them.
const NEARLY: &str = "GRACEFUL_EXIT_";

/// A key as a variable names it, its value, and the variable.
pub(super) type Pair = (String, String, Source);

/// The settings' variables in the order of their names, and those that set nothing although they look like one.
pub(super) fn of(environment: &[(OsString, OsString)]) -> (Vec<Result<Pair, Cause>>, Vec<UnusedVariable>) {
    let named = |prefix: &str| {
        let mut found: Vec<_> =
            environment.iter().filter(|(name, _)| name.to_string_lossy().starts_with(prefix)).collect();
        found.sort();
        found
    };
    let pairs = named(PREFIX).into_iter().map(|(name, value)| pair(name, value)).collect();
    let unused = named(NEARLY).into_iter().map(|(name, _)| name.to_string_lossy());
    let unused = unused
        .filter(|name| !name.starts_with(PREFIX))
        .map(|name| UnusedVariable { meant: meant(&name), name: name.into_owned() });
    (pairs, unused.collect())
}

fn pair(name: &OsStr, value: &OsStr) -> Result<Pair, Cause> {
    let unicode = |text: &OsStr| {
        let variable = || name.to_string_lossy().into_owned();
        text.to_str().map(str::to_owned).ok_or_else(|| Cause::NotUnicode { variable: variable() })
    };
    let (name, value) = (unicode(name)?, unicode(value)?);
    let key = name.strip_prefix(PREFIX).unwrap_or_default().replace("__", ".").to_lowercase();
    Ok((key, value, Source::Variable(name)))
}

/// The variable that a name with too few underscores was probably meant to be.
fn meant(name: &str) -> Option<String> {
    let given = name.strip_prefix(NEARLY)?.replace("__", "_").to_lowercase();
    let flat = |key: &str| key.replace('.', "_");
    let exact = keys::names().find(|key| flat(key) == given);
    // A misspelled name is compared part by part: each underscore may have been a dot.
    let key = exact.or_else(|| {
        let near = |key: &&'static str| {
            suggest(&given.replace('_', "."), [*key]).is_some() || suggest(&given, [*key]).is_some()
        };
        keys::names().find(near)
    })?;
    Some(format!("{PREFIX}{}", key.replace('.', "__").to_uppercase()))
}
