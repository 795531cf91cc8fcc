//! As much of a lexer as tells code from comments and quotes.

/// Names, `::` and single signs; neither comments nor what stands in quotes.
pub(super) fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = quoted(rest) {
            length
        } else if is_name(rest) {
            let length = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
            tokens.push(&rest[..length]);
            length
        } else if rest.starts_with("::") {
            tokens.push("::");
            2
        } else {
            let length = first.len_utf8();
            tokens.extend((!first.is_whitespace()).then(|| &rest[..length]));
            length
        };
        rest = &rest[length..];
    }
    tokens
}

pub(super) fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn block_comment(code: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let Some(found) = code[at..].find(['/', '*']) else { return code.len() };
        at += found;
        match code.get(at..at + 2) {
            Some("/*") => depth += 1,
            Some("*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
}

/// The length of the string or character that the code begins with, if it does.
fn quoted(code: &str) -> Option<usize> {
    let unprefixed = code.trim_start_matches(['b', 'c']);
    let prefix = (code.len() - unprefixed.len()).min(1);
    if let Some(raw) = code[prefix..].strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = prefix + 1 + hashes + 1;
            return Some(code[start..].find(&end).map_or(code.len(), |found| start + found + end.len()));
        }
    }
    let quote = code[prefix..].chars().next().filter(|&sign| sign == '"' || sign == '\'')?;
    let mut signs = code[prefix + 1..].char_indices();
    if quote == '\'' {
        // A lifetime's quote is followed by a name and closed by none.
        let mut ahead = signs.clone().map(|(_, sign)| sign);
        if ahead.next()? != '\\' && ahead.next()? != '\'' {
            return Some(prefix + 1);
        }
    }
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => drop(signs.next()),
            _ if sign == quote => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
    Some(code.len())
}
