//! What of a value may be shown: tokens never, addresses without their password.

/// What stands for something that is not shown.
pub(super) const HIDDEN: &str = "***";

/// The longest part of a value that a message quotes, in characters.
const QUOTED: usize = 120;

/// A text value in quotes, on one line, without passwords; shortened where it is long.
pub(super) fn quoted(text: &str) -> String {
    let shown = without_password(text);
    match shown.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}…", &shown[..end]),
        None => format!("{shown:?}"),
    }
}

/// Whether the value of this key, known or misspelled, is never shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("admin") || ["tok", "secret", "passw"].iter().any(|part| key.contains(part))
}

/// A store's address with `***` in place of its password: `user:password@host`, and `?password=`.
pub(super) fn without_password(address: &str) -> String {
    let mut shown = String::new();
    let mut rest = address;
    if let Some((scheme, after)) = address.split_once("://") {
        shown.push_str(scheme);
        shown.push_str("://");
        rest = after;
        // The last `@`: a password that holds one of its own, or a slash, stays hidden as a whole.
        if let Some((account, host)) = after.rsplit_once('@') {
            shown.push_str(account.split(':').next().unwrap_or_default());
            if account.contains(':') {
                shown.push(':');
                shown.push_str(HIDDEN);
            }
            shown.push('@');
            rest = host;
        }
    }
    while let Some((before, after)) = rest.split_once("password=") {
        shown.push_str(before);
        shown.push_str("password=");
        shown.push_str(HIDDEN);
        rest = after.find('&').map_or("", |end| &after[end..]);
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::{is_secret, quoted, without_password};

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (address, shown) in [
            ("sqlite://data/cache.db", "sqlite://data/cache.db"),
            ("postgres://me@host/db", "postgres://me@host/db"),
            ("postgres://me:pw@host:5432/db", "postgres://me:***@host:5432/db"),
            ("postgres://me:p@w/x:y@host/db?sslmode=off", "postgres://me:***@host/db?sslmode=off"),
            ("postgres://host/db?user=me&password=pw&x=1", "postgres://host/db?user=me&password=***&x=1"),
            ("mysql://me:pw@host", "mysql://me:***@host"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_password(address), shown);
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
            assert!(is_secret(key), "{key}");
        }
        assert!(!is_secret("servers.admin.bind"));
    }
}
