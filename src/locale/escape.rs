//! Characters that could mislead a reader: what a client or an error sends is shown with them escaped.

use std::{borrow::Cow, fmt::Write};

/// Returns true for a character that is not seen, or that changes how those around it are shown: a control character
/// (DEL and C1 included), a line separator, one of zero width, one that turns the direction of writing, a tag. These are
/// Unicode's `Default_Ignorable_Code_Point`, controls, separators and interlinear annotations.
#[must_use]
pub fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The text with each [misleading character](is_misleading) replaced by its escape, such as `\n` or
/// `\u{202e}`: one line, and what is seen is what is there.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_misleading) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_misleading(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// JSON with each [misleading character](is_misleading) replaced by its escape. It stands in strings alone, so the value
/// stays the same; the line feeds between the lines of a pretty text stay, too.
#[must_use]
pub fn escaped_json(json: String) -> String {
    let is_escaped = |c: char| c != '\n' && is_misleading(c);
    if !json.contains(is_escaped) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{escaped, escaped_json};

    #[test]
    fn an_escape_changes_no_value_of_a_json_text() {
        let value = serde_json::json!({ "a\u{202e}": ["b\n\u{e0041}\u{85}", "日本"] });
        for text in [value.to_string(), format!("{value:#}")] {
            let escaped = escaped_json(text.clone());
            assert!(!escaped.contains(|c| c != '\n' && super::is_misleading(c)), "{escaped:?}");
            assert_eq!(escaped.lines().count(), text.lines().count());
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("JSON"), value);
        }
    }

    #[test]
    fn what_is_not_seen_is_escaped_and_the_rest_stays() {
        for (text, shown) in [
            ("GET /cache/日本 ümlaut", "GET /cache/日本 ümlaut"),
            ("a\nb\tc", r"a\nb\tc"),
            ("\u{7f}\u{9b}31m", r"\u{7f}\u{9b}31m"),
            ("evil\u{202e}gpj.exe", r"evil\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}\u{200f}", r"\u{2066}x\u{2069}\u{200f}"),
            ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
            ("a\u{200b}\u{200d}\u{feff}b\u{ad}", r"a\u{200b}\u{200d}\u{feff}b\u{ad}"),
            ("\u{e0041}\u{e007f}", r"\u{e0041}\u{e007f}"),
            ("😀 é", "😀 é"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }
}
