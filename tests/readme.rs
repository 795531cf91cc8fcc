//! The READMEs: both languages have the same sections, programs, figures and links, and what they name exists.

use std::{collections::BTreeSet, fs, path::Path};

const ENGLISH: &str = include_str!("../README.md");
const CHINESE: &str = include_str!("../README.zh-TW.md");

#[test]
fn both_languages_have_the_same_figures() {
    assert_eq!(table_rows(ENGLISH).len(), table_rows(CHINESE).len());
    for (english, chinese) in table_rows(ENGLISH).iter().zip(table_rows(CHINESE)) {
        assert_eq!(numbers(english), numbers(chinese), "{english}\n{chinese}");
    }
}

#[test]
fn both_languages_have_the_same_sections_programs_and_links() {
    let headings = |text: &str| -> Vec<usize> {
        text.lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| line.len() - line.trim_start_matches('#').len())
            .collect()
    };
    assert_eq!(headings(ENGLISH), headings(CHINESE));
    let programs = |text: &str| -> Vec<String> {
        text.split("```").skip(1).step_by(2).map(code_without_comments).collect()
    };
    assert_eq!(programs(ENGLISH), programs(CHINESE));
    let own = |links: BTreeSet<String>| -> BTreeSet<_> {
        links.into_iter().filter(|link| !link.starts_with("README")).collect()
    };
    assert_eq!(own(links(ENGLISH)), own(links(CHINESE)));
}

#[test]
fn every_file_that_a_readme_links_to_exists() {
    for link in links(ENGLISH).union(&links(CHINESE)).filter(|link| !link.starts_with("https:")) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "{link}");
    }
}

#[test]
fn every_example_is_linked() {
    for entry in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).expect("a folder").flatten()
    {
        let link = format!("examples/{}", entry.file_name().display());
        assert!(links(ENGLISH).contains(&link), "{link}");
    }
}

/// A feature stands in both READMEs, in the crate's documentation and, but for the application's own, on docs.rs.
#[test]
fn every_feature_is_documented() {
    let manifest = include_str!("../Cargo.toml");
    let features = manifest.split("\n[features]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let features: Vec<_> = features
        .expect("features")
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with('#') && *name != "default")
        .collect();
    assert!(features.len() > 5, "{features:?}");
    let on_docs_rs = manifest.split("[package.metadata.docs.rs]").nth(1).expect("settings of docs.rs");
    let on_docs_rs = on_docs_rs.lines().find(|line| line.starts_with("features = ")).expect("features");
    for feature in features {
        let is_in =
            |line: &&str| line.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{feature}`")));
        for (name, text) in
            [("README.md", ENGLISH), ("README.zh-TW.md", CHINESE), ("lib.rs", include_str!("../src/lib.rs"))]
        {
            assert!(text.lines().any(|line| is_in(&line)), "{feature} has no row in {name}");
        }
        assert!(
            feature == "app" || on_docs_rs.contains(&format!("\"{feature}\"")),
            "{feature}: {on_docs_rs}"
        );
    }
}

#[test]
fn the_version_is_dated_in_the_changelog() {
    let heading = format!("## [{}] - ", env!("CARGO_PKG_VERSION"));
    let changelog = include_str!("../CHANGELOG.md");
    let date = changelog.lines().find_map(|line| line.strip_prefix(&heading)).expect("the version's heading");
    let parts: Vec<_> = date.split('-').map(|part| (part.len(), part.parse::<u16>().is_ok())).collect();
    assert_eq!(parts, [(4, true), (2, true), (2, true)], "{date}");
}

fn table_rows(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with('|')).collect()
}

/// The numbers of a line, in ascending order: the languages may say them in another order.
fn numbers(line: &str) -> Vec<String> {
    let line = line.replace(',', "");
    let found = line.split(|sign: char| !sign.is_ascii_digit() && sign != '.');
    let mut numbers: Vec<_> =
        found.map(|number| number.trim_matches('.').to_owned()).filter(|number| !number.is_empty()).collect();
    numbers.sort();
    numbers
}

fn code_without_comments(code: &str) -> String {
    let lines = code.lines().map(|line| {
        let comment = if line.contains("//") { "//" } else { " #" };
        let code = if line.trim_start().starts_with("# ") {
            line
        } else {
            line.split(comment).next().unwrap_or(line)
        };
        code.trim_end().to_owned()
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The targets of Markdown links and pictures.
fn links(text: &str) -> BTreeSet<String> {
    let markdown = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let html = text.split("src").skip(1).filter_map(|rest| rest.split('"').nth(1));
    markdown.chain(html).filter(|link| link.contains('.')).map(str::to_owned).collect()
}

/// Each delay of the code, with its value and file, is in the contributors' table, which adds them up; and nothing else.
#[test]
fn every_internal_delay_is_in_the_contributors_table() {
    let table = include_str!("../.github/CONTRIBUTING.md");
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.to_string_lossy().replace('\\', "/");
            let (_, name) = name.split_once("/src/").expect("a path in src");
            if name.contains("tests") || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let code = fs::read_to_string(&path).expect("a file");
            let code = code.split("\nmod tests {").next().unwrap_or_default();
            for line in code.lines() {
                // A constant of a file, which begins its line; one inside of a function or a type is not indented so.
                let Some((start, value)) = line.split_once(": Duration = Duration::from_") else { continue };
                let is_const = start.starts_with("const ") || start.starts_with("pub");
                let (Some(constant), true) = (start.rsplit(' ').next(), is_const) else { continue };
                let (unit, amount) = value.split_once('(').expect("an amount");
                let amount = amount.trim_end_matches(");").replace('_', "");
                // A computed one is not a delay of the exit.
                if amount.contains(' ') {
                    continue;
                }
                let unit = match unit {
                    "micros" => "µs",
                    "millis" => "ms",
                    "secs" => "s",
                    "mins" => "min",
                    _ => "h",
                };
                let amount = if amount.len() > 3 {
                    format!("{},{}", &amount[..amount.len() - 3], &amount[amount.len() - 3..])
                } else {
                    amount
                };
                let row = format!("| `{constant}` | {amount} {unit} | `{name}` |");
                assert!(table.contains(&row), "{row} is missing");
                found += 1;
            }
        }
    }
    assert!(found > 30, "{found} delays");
    let rows = table.lines().filter(|line| line.contains(".rs` |")).count();
    assert_eq!(rows, found, "a row of the table has no constant in the code");
}
