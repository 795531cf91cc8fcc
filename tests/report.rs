//! An exit explained to a person: the `report` subcommand, the log's summary, the terminal's progress bar.

// Uses util-linux's `script`; those of other systems take other arguments.
#[cfg(target_os = "linux")]
mod terminal;

use std::{path::Path, process::Output};

use graceful_exit::sequence::PhaseKind;

use crate::support::{App, STOPPED_BY, bare, folder, output, stop};

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

    let verdict = ended.report()["verdict"].as_str().expect("a sentence").to_owned();
    assert!(verdict.starts_with("Incomplete: 1 request was cut off after "), "{verdict}");
    assert!(verdict.ends_with(" of draining (GET /slow)"), "{verdict}");
    assert_eq!(summary[1].trim_start(), verdict);
    assert!(picture.contains(&format!("aria-label=\"{verdict}\"")), "{picture}");
    assert_eq!(ended.log.iter().filter(|line| line.text.contains("cut off GET /slow")).count(), 1);

    let mut piped = bare(ended.folder.path());
    piped
        .args(["report", "-"])
        .stdin(std::fs::File::open(ended.folder.path().join("report.json")).expect("a file"));
    assert_eq!(String::from_utf8(output(piped).stdout).expect("text"), text);
}

#[test]
fn a_request_whose_client_goes_away_during_the_drain_is_in_the_verdict() {
    let app = App::start(&[]);
    let client = app.in_flight("/slow?ms=60000");
    app.signal_to_stop();
    app.wait_for_phase("drain");
    drop(client);
    let report = app.wait().report();
    assert_eq!(report["servers"][1]["in_flight_at_start"], 1, "{report}");
    assert_eq!(report["verdict"], "Clean: 1 request ended without a full answer");
}

#[test]
fn a_request_that_is_cut_off_before_rejecting_began_was_in_flight() {
    let app = App::start(&["shutdown.ready_delay=20s", "shutdown.timeout=300ms"]);
    let _request = app.in_flight("/slow?ms=60000");
    let ended = stop(app);
    let report = ended.report();
    assert_eq!(report["phases"][0]["name"], "ready_delay", "{report}");
    let business = &report["servers"][1];
    assert_eq!(
        (&business["in_flight_at_start"], &business["abandoned"][0]["path"]),
        (&1.into(), &"/slow".into())
    );
    assert!(ended.has("server business: 1 in flight, 0 answered, 0 rejected"), "{}", ended.text());
}

/// What machines read: an event a line, with its fields beside the sentence.
#[test]
fn a_json_log_has_an_event_with_fields_for_all_that_happens_in_an_exit() {
    let app = App::start(&["log.format=json", "shutdown.drain_timeout=300ms"]);
    let _requests = [app.in_flight("/slow?ms=60000"), app.in_flight("/slow?ms=60000")];
    let ended = stop(app);
    let json = |line: &crate::support::Line| {
        serde_json::from_str(&line.raw).unwrap_or_else(|error| panic!("{error}: {}", line.raw))
    };
    let events: Vec<serde_json::Value> = ended.log.iter().map(json).collect();
    let of = |name: &str| -> Vec<_> { events.iter().filter(|event| event["event"] == name).collect() };
    assert_eq!(of("exit_started").len(), 1);
    assert!(of("exit_started")[0]["reason"].as_str().is_some_and(|reason| reason.starts_with(STOPPED_BY)));
    let phases = |name: &str| of(name).iter().map(|event| event["phase"].clone()).collect::<Vec<_>>();
    let expected: Vec<_> = PhaseKind::ALL.iter().filter(|phase| !phase.members().is_empty()).collect();
    let expected: Vec<_> = expected.iter().map(|phase| phase.name()).collect();
    assert_eq!(phases("phase_started"), expected);
    assert_eq!(phases("phase_ended"), expected);
    assert!(of("phase_ended").iter().all(|event| event["duration_ms"].is_u64()));

    let [abandoned] = of("request_abandoned")[..] else { panic!("like requests are one: {events:#?}") };
    assert_eq!((&abandoned["server"], &abandoned["method"]), (&"business".into(), &"GET".into()));
    assert_eq!((&abandoned["path"], &abandoned["count"]), (&"/slow".into(), &2.into()));
    assert!(abandoned["age_ms"].is_u64() && abandoned["message"].is_string(), "{abandoned}");
    let members = of("member_ended");
    assert!(members.iter().any(|event| event["member"] == "flush-cache" && event["outcome"] == "done"));
    assert!(members.iter().any(|event| event["member"] == "spool-cache" && event["kind"] == "checkpoint"));

    let [exit_ended] = of("exit_ended")[..] else { panic!("one end: {events:#?}") };
    assert_eq!(exit_ended["report"], ended.report());
    assert_eq!((&exit_ended["outcome"], &exit_ended["exit_code"]), (&"incomplete".into(), &3.into()));
    assert_eq!(exit_ended["verdict"], ended.report()["verdict"]);
}

/// Standard error is a file here, and the variable says that it is journald's stream.
#[cfg(unix)]
#[test]
fn where_standard_error_is_the_journal_each_line_begins_with_its_priority() {
    use std::os::unix::fs::MetadataExt;

    let folder = folder();
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    std::fs::write(folder.path().join("data/cache.spool"), "damaged").expect("a file");
    let beginnings = |arguments: &[&str], is_journal: bool, code| {
        let journal = std::fs::File::create(folder.path().join("journal")).expect("a file");
        let stream = journal.metadata().expect("a file");
        let inode = stream.ino() + u64::from(!is_journal);
        let mut command = App::command(folder.path());
        command.env("JOURNAL_STREAM", format!("{}:{inode}", stream.dev())).stderr(journal).args(arguments);
        command.stdout(std::process::Stdio::null()).env("GRACEFUL_EXIT_SHUTDOWN_TIMEOUT", "1s");
        assert_eq!(command.status().expect("it runs").code(), Some(code));
        let lines = std::fs::read_to_string(folder.path().join("journal")).expect("text");
        lines.lines().map(|line| line.get(..5).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(beginnings(&[], true, 4), ["<6>20", "<4>20", "<3>20"]);
    // Before there is a log: a warning and two mistakes.
    let mistakes = ["config", "check", "-s", "no.such=1", "-s", "shutdown.timeout=never"];
    assert_eq!(beginnings(&mistakes, true, 2), ["<4>gr", "<3>gr", "<3>gr"]);
    assert_eq!(beginnings(&["--no-such-argument"], true, 2)[0], "<3>gr");
    assert_eq!(beginnings(&mistakes, false, 2), ["grace"; 3]);
}

#[test]
fn the_sentences_of_a_json_log_are_in_its_language() {
    for (language, drained) in [("zh", "等待请求完结：超时"), ("zh-Hant", "等待請求完結：超時")]
    {
        let app = App::start(&[
            "log.format=json",
            "shutdown.drain_timeout=100ms",
            &format!("log.language={language}"),
        ]);
        let _request = app.in_flight("/slow?ms=60000");
        let ended = stop(app);
        let events = ended.log.iter().map(|line| serde_json::from_str::<serde_json::Value>(&line.raw));
        let events: Vec<_> = events.map(|event| event.expect("JSON")).collect();
        let ended = |phase: &str| {
            let event =
                events.iter().find(|event| event["event"] == "phase_ended" && event["phase"] == phase);
            event.expect("an event")["message"].as_str().map(str::to_owned).expect("a message")
        };
        assert_eq!(ended("drain"), drained);
        assert!(ended("callbacks").ends_with("：完成"), "{}", ended("callbacks"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_path_that_is_mounted_is_written_in_place() {
    use std::process::Command;

    let folder = folder();
    for name in ["report.json", "elsewhere"] {
        std::fs::write(folder.path().join(name), "before").expect("a file");
    }
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--map-root-user",
        "sh",
        "-c",
        "mount --bind elsewhere report.json && exec \"$0\" \"$@\"",
    ]);
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "--map-root-user", "true"]).stderr(std::process::Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        println!("SKIPPED: no mount namespace may be made here");
        return;
    }
    let plain = App::command(folder.path());
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(folder.path()).env("LC_ALL", "C");
    let ended = stop(App::start_command(folder, command));
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let read = |name: &str| std::fs::read_to_string(ended.folder.path().join(name)).expect("a file");
    assert_eq!(read("report.json"), "before", "the file below the mount");
    assert!(read("elsewhere").contains("\"outcome\": \"clean\""), "{}", read("elsewhere"));
}

#[test]
fn without_a_summary_the_log_ends_with_its_last_event_and_names_nothing_that_was_abandoned() {
    let ended = stop(App::start(&["log.summary=false"]));
    assert_eq!(ended.log.last().map(|line| line.text.as_str()), Some("shut down"), "{}", ended.text());
    let app = App::start(&["log.summary=false", "shutdown.drain_timeout=300ms"]);
    let _request = app.in_flight("/slow?ms=60000");
    let ended = stop(app);
    assert_eq!(ended.report()["outcome"], "incomplete");
    let last = ended.log.last().map(|line| line.text.as_str());
    assert_eq!(last, Some("shut down, but not everything was finished"), "{}", ended.text());
    assert!(!ended.lines_from("shutting down: no new").iter().any(|line| line.text.contains("/slow")));
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

    for (locale, words) in [
        ("zh_CN.UTF-8", ["torn：不是报告：", "无法将时间线画到 no/such.svg", "标准输入："]),
        ("zh_TW.UTF-8", ["torn：不是報告：", "無法將時間軸畫到 no/such.svg", "標準輸入："]),
    ] {
        let arguments: [&[&str]; 3] = [&["torn"], &["whole.json", "--svg", "no/such.svg"], &["-"]];
        for (arguments, words) in arguments.into_iter().zip(words) {
            let mut command = bare(folder.path());
            command.env("LC_ALL", locale).arg("report").args(arguments);
            let text = String::from_utf8(output(command).stderr).expect("text");
            assert!(text.contains(words), "{arguments:?}: {text}");
        }
    }
}

#[cfg(unix)]
#[test]
fn no_more_of_a_report_is_read_than_one_can_have_and_no_name_is_padded_to() {
    let folder = folder();
    for arguments in [&["/dev/zero"][..], &["-"]] {
        let mut command = bare(folder.path());
        command.arg("report").args(arguments).stdin(std::fs::File::open("/dev/zero").expect("a device"));
        let got = output(command);
        let text = String::from_utf8(got.stderr).expect("text");
        assert_eq!(got.status.code(), Some(2), "{text}");
        assert!(text.contains("larger than 8 MiB"), "{text}");
    }
    let mut whole = stop(App::start(&[])).report().clone();
    // Each phase has a line, which is padded to the longest name.
    whole["resources"][0]["name"] = "x".repeat(20_000).into();
    std::fs::write(folder.path().join("wide.json"), whole.to_string()).expect("a file");
    let printed = report(folder.path(), &["wide.json"]);
    assert_eq!(printed.status.code(), Some(0));
    let text = String::from_utf8(printed.stdout).expect("text");
    let drain = text.lines().find(|line| line.trim_start().starts_with("drain")).expect("its line");
    assert!(drain.chars().count() < 120, "{} characters", drain.chars().count());

    let misleading = report(folder.path(), &["no\u{202e}nosj.report"]);
    let text = String::from_utf8(misleading.stderr).expect("text");
    assert!(text.contains(r"no\u{202e}nosj.report"), "{text}");
}
