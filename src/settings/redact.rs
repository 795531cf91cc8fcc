//! What may be shown of a value: nothing of a token, and only scheme and host of an address that may hold a password.

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// The longest part of a value that a message quotes, in characters.
const QUOTED: usize = 120;

/// A text value in quotes, on one line, without passwords; shortened where it is long.
pub(super) fn quoted(text: &str) -> String {
    let shown = address_without_secrets(text);
    match shown.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}…", &shown[..end]),
        None => format!("{shown:?}"),
    }
}

/// True if the value of this unknown key is never shown: a misspelled secret is one too.
pub(super) fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("admin") || ["tok", "secret", "passw", "pwd"].iter().any(|part| key.contains(part))
}

/// An address without what may be a secret in it: an account, a path, a parameter.
///
/// Text that is no address is returned as it is, and so is an address in which nothing can be secret: one without `@`,
/// `?` and `#`. Of any other, the scheme and the host are left. Where an `@` follows the host, that may be a part of a
/// password, and only the scheme is left.
#[must_use]
pub fn address_without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once(':') else { return text.to_owned() };
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    if !rest.contains(['@', '?', '#']) {
        return text.to_owned();
    }
    if !is_scheme {
        return if rest.starts_with("//") { HIDDEN.to_owned() } else { text.to_owned() };
    }
    // SQLite's address is a path, which may hold an `@`; only what follows the path can be secret.
    if scheme == "sqlite" {
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let dots = if end < rest.len() { format!("?{HIDDEN}") } else { String::new() };
        return format!("{scheme}:{}{dots}", &rest[..end]);
    }
    let Some(rest) = rest.strip_prefix("//") else { return format!("{scheme}:{HIDDEN}") };
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    if after.contains('@') || !is_host {
        return format!("{scheme}://{HIDDEN}");
    }
    format!("{scheme}://{host}/{HIDDEN}")
}

#[cfg(test)]
mod tests {
    use super::{address_without_secrets, quoted, sounds_secret};

    #[test]
    fn of_an_address_that_may_hold_a_secret_scheme_and_host_alone_are_shown() {
        for (given, shown) in [
            ("sqlite://data/cache.db", "sqlite://data/cache.db"),
            ("sqlite:data/a@b.db", "sqlite:data/a@b.db"),
            ("sqlite://data/cache.db?key=hush", "sqlite://data/cache.db?***"),
            ("postgres://host:5432/db", "postgres://host:5432/db"),
            ("postgres://me@host/db", "postgres://host/***"),
            ("postgres://me:hush@host:5432/db", "postgres://host:5432/***"),
            ("postgres://me:hush@[::1]:5432/db", "postgres://[::1]:5432/***"),
            ("postgres://me:hu@sh@host/db", "postgres://host/***"),
            ("postgres://me:hu/sh@host/db", "postgres://***"),
            ("postgres://me:hu/s@h@host/db?sslmode=off", "postgres://***"),
            ("postgres://me:hu#sh@host/db", "postgres://***"),
            ("postgres://me:hu?sh@host/db", "postgres://***"),
            ("postgres://me:hush@ho st/db", "postgres://***"),
            ("postgres://host/db?user=me&password=hush&x=1", "postgres://host/***"),
            ("postgres://host/db?passwd=hush", "postgres://host/***"),
            ("postgres://host/db?application=hush@work", "postgres://***"),
            ("postgres:me:hush@host", "postgres:***"),
            ("mysql://me:hush@host", "mysql://host/***"),
            ("mysql://localhost/x", "mysql://localhost/x"),
            (" postgres://me:hush@host/db", "***"),
            ("plain", "plain"),
            ("a = b@c", "a = b@c"),
        ] {
            assert_eq!(address_without_secrets(given), shown, "{given}");
        }
    }

    #[test]
    fn a_quoted_value_is_one_short_line() {
        assert_eq!(quoted("a\n\u{1b}[1m"), r#""a\n\u{1b}[1m""#);
        assert!(quoted(&"界".repeat(100_000)).chars().count() < 130);
    }

    #[test]
    fn a_misspelled_token_is_a_secret_too() {
        for key in ["admin.token", "admin.tokn", "token", "Admin.Token", "adminn.token", "db.password"] {
            assert!(sounds_secret(key), "{key}");
        }
        assert!(!sounds_secret("servers.admin.bind"));
    }
}
