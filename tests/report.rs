//! An exit explained to a person: the `report` subcommand, the log's summary, the terminal's progress bar.

// Uses util-linux's `script`; those of other systems take other arguments.
#[cfg(target_os = "linux")]
mod terminal;

use std::{path::Path, process::Output};

use crate::support::{App, bare, folder, output, stop};

fn report(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = bare(folder);
    command.arg("report").args(arguments);
    output(command)
}

#[test]
fn the_report_command_prints_the_summary_of_the_log() {
    let app = App::start(&["shutdown.drain_timeout=300ms"]);
    let _request = app.in_flight("/slow?ms=60000");
    let ended = stop(app);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());

    let printed = report(ended.folder.path(), &["report.json", "--svg", "timeline.svg"]);
    let text = String::from_utf8(printed.stdout).expect("text");
    assert_eq!(printed.status.code(), Some(0), "{text}");
    let summary: Vec<_> = ended.lines_from("the exit was").iter().map(|line| line.text.clone()).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), summary);
    assert!(summary[0].starts_with("the exit was incomplete: exit code 3, "), "{text}");
    assert!(summary.iter().any(|line| line.contains("  drain ") && line.ends_with("timed out")), "{text}");
    assert!(summary.iter().any(|line| line.contains("server business: cut off GET /slow after")), "{text}");

    let picture = std::fs::read_to_string(ended.folder.path().join("timeline.svg")).expect("a picture");
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    assert!(picture.contains("cut off GET /slow"), "{picture}");
}

#[test]
fn without_a_summary_the_log_ends_with_its_last_event() {
    let ended = stop(App::start(&["log.summary=false"]));
    assert_eq!(ended.log.last().map(|line| line.text.as_str()), Some("shut down"), "{}", ended.text());
}

#[test]
fn a_damaged_or_foreign_file_is_an_error_that_names_it() {
    let folder = folder();
    let whole = stop(App::start(&[])).report().to_string();
    let foreign = whole.replace("\"clean\"", "\"splendid\"");
    assert_ne!(whole, foreign);
    let rows = [
        ("empty", "", "not a report"),
        ("torn", &whole[..whole.len() / 2], "not a report"),
        ("foreign", "{\"a\": 1}", "missing field"),
        ("words", &foreign, "`outcome` is `splendid`"),
        ("binary", "\u{0}\u{1}PNG", "not a report"),
    ];
    for (name, content, error) in rows {
        std::fs::write(folder.path().join(name), content).expect("a file");
        let printed = report(folder.path(), &[name, "--svg", "timeline.svg"]);
        let text = String::from_utf8(printed.stderr).expect("text");
        assert_eq!(printed.status.code(), Some(2), "{name}: {text}");
        assert!(text.contains(name) && text.contains(error), "{name}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(printed.stdout.is_empty() && !folder.path().join("timeline.svg").exists(), "{name}");
    }
    let missing = report(folder.path(), &["missing.json"]);
    assert_eq!(missing.status.code(), Some(2));
    std::fs::write(folder.path().join("whole.json"), whole).expect("a file");
    let nowhere = report(folder.path(), &["whole.json", "--svg", "no/such/folder.svg"]);
    let text = String::from_utf8(nowhere.stderr).expect("text");
    assert!(nowhere.status.code() == Some(2) && text.contains("no/such/folder.svg"), "{text}");
}
