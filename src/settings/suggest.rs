//! What was probably meant by an unknown name.

/// The known name that the given one is a misspelling of: few edits away, or its last part alone.
pub(super) fn suggest(given: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    // Longer than any key: not worth the time of comparing.
    if given.len() > 64 {
        return None;
    }
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            let lower = name.to_lowercase();
            let last = lower.rsplit('.').next().unwrap_or_default();
            let alone = if last == given { 1 } else { usize::MAX };
            (edits(&given, &lower).min(alone), name)
        })
        .filter(|(edits, name)| *edits <= (name.len() / 4).clamp(2, 4))
        .min()
        .map(|(_, name)| name)
}

/// The edit distance of Levenshtein, one row at a time.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{edits, suggest};

    #[test]
    fn a_misspelled_name_finds_the_one_that_was_meant() {
        let known = ["shutdown.timeout", "shutdown.drain_timeout", "log.level", "SIGTERM"];
        for (given, meant) in [
            ("shutdown.timeot", Some("shutdown.timeout")),
            ("shutdwon.timeout", Some("shutdown.timeout")),
            ("shutdown.drain-timeout", Some("shutdown.drain_timeout")),
            ("drain_timeout", Some("shutdown.drain_timeout")),
            ("log.levle", Some("log.level")),
            ("sigterm", Some("SIGTERM")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(suggest(given, known), meant, "{given}");
        }
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
    }
}
