//! The events of the log: each line of an exit is one, and each is in both READMEs.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{App, Client, Ended, folder, stop};

/// What all of these exits have: events, a progress line each 100 ms, and requests and jobs that do not end by
/// themselves.
const SETTINGS: [&str; 2] = ["log.format=json", "shutdown.progress_interval=100ms"];
/// Longer than any exit here.
#[cfg(unix)]
const HANGS: [&str; 4] = [
    "shutdown.timeout=1h",
    "shutdown.drain_timeout=1h",
    "shutdown.callback_timeout=1h",
    "demo.flush_delay=1h",
];
const SPOOLED: &str = "1 write is safe in data/cache.spool and the next start brings it in";

fn start(settings: &[&[&str]]) -> App {
    App::start(&[&SETTINGS, settings.concat().as_slice()].concat())
}

fn put(app: &App) {
    assert_eq!(Client::put(app.business, "/cache/key", b"value").status, 204);
}

/// The lines of a log, each of which is an event that the READMEs name.
#[track_caller]
fn events(ended: &Ended) -> Vec<Value> {
    let json =
        |raw: &str| -> Value { serde_json::from_str(raw).unwrap_or_else(|error| panic!("{error}: {raw}")) };
    let lines = ended.log.iter().map(|line| json(&line.raw));
    // Other crates' lines are no events.
    let is_own = |line: &Value| line["target"].as_str().expect("a target").starts_with("graceful_exit");
    let lines: Vec<_> = lines.filter(is_own).collect();
    let documented = documented(include_str!("../README.md"));
    for line in &lines {
        let event = line["event"].as_str().unwrap_or_else(|| panic!("no event: {line}"));
        assert!(documented.contains(event), "{event} is not in the README: {line}");
        assert!(line["message"].is_string(), "{line}");
    }
    lines
}

/// The events of this name.
fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

/// How a member ended.
#[track_caller]
fn outcome_of<'a>(events: &'a [Value], member: &str) -> &'a Value {
    let [ended] =
        of(events, "member_ended").into_iter().filter(|it| it["member"] == member).collect::<Vec<_>>()[..]
    else {
        panic!("one end of {member}: {events:#?}")
    };
    &ended["outcome"]
}

#[test]
fn each_line_of_a_clean_exit_is_an_event() {
    let app = start(&[]);
    put(&app);
    let response = Client::request(app.admin, "POST", "/shutdown", &[], b"");
    assert_eq!(response.status, 202);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let events = events(&ended);
    assert_eq!(of(&events, "shutdown_requested").len(), 1);
    assert_eq!(of(&events, "cache_flushed")[0]["writes"], 1);
    assert_eq!(of(&events, "service_ready").len(), 1);
}

/// The requests are cut off, the flush fails, and the report has no folder any more. Windows deletes no file that is
/// open.
#[cfg(unix)]
#[test]
fn each_line_of_an_exit_that_fails_is_an_event() {
    let folder = folder();
    fs::create_dir(folder.path().join("reports")).expect("a folder");
    let settings =
        ["shutdown.drain_timeout=100ms", "shutdown.callback_timeout=1h", "report.path=reports/report.json"];
    let app = App::start_in(folder, &[&SETTINGS[..], &settings].concat());
    put(&app);
    let _request = app.in_flight("/slow?ms=60000");
    fs::remove_file(app.path("data/cache.db")).expect("the store");
    fs::remove_dir_all(app.path("reports")).expect("the report's folder");
    let ended = stop(app);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let events = events(&ended);
    assert_eq!(of(&events, "request_abandoned").len(), 1);
    assert_eq!(outcome_of(&events, "flush-cache"), "failed");
    let [failed] = of(&events, "report_failed")[..] else { panic!("{events:#?}") };
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("report.json")), "{failed}");
}

#[test]
fn each_line_of_a_start_that_fails_is_an_event() {
    let folder = folder();
    fs::create_dir(folder.path().join("data")).expect("a folder");
    fs::write(folder.path().join("data/cache.spool"), "damaged").expect("a file");
    let mut command: Command = App::command(folder.path());
    command.args(["-s", "log.format=json"]);
    let ended = App::run(&folder, command);
    assert_eq!(ended.code(), Some(4), "{}", ended.text());
    assert_eq!(of(&events(&ended), "start_failed")[0]["exit_code"], 4);
}

#[test]
fn a_flush_that_times_out_says_where_the_writes_are() {
    let app = start(&[&["shutdown.callback_timeout=100ms", "demo.flush_delay=1h"]]);
    put(&app);
    let ended = stop(app);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let flush = &ended.report()["callbacks"][0];
    assert_eq!((&flush["outcome"], &flush["error"]), (&"timed_out".into(), &SPOOLED.into()));
    assert!(ended.report()["verdict"].as_str().is_some_and(|verdict| verdict.contains(SPOOLED)));
    let events = events(&ended);
    assert_eq!(outcome_of(&events, "flush-cache"), "timed_out");
    let [kept] = of(&events, "data_kept")[..] else { panic!("{events:#?}") };
    assert_eq!((&kept["member"], &kept["error"]), (&"flush-cache".into(), &SPOOLED.into()));
}

#[test]
fn each_line_of_an_exit_that_the_deadline_ends_is_an_event_and_each_member_is_cut_off() {
    let app = start(&[&["shutdown.timeout=500ms", "shutdown.drain_timeout=1h"]]);
    let _request = app.in_flight("/slow?ms=60000");
    let ended = stop(app);
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    assert_eq!(outcome_of(&events(&ended), "business"), "cut_off");
}

#[cfg(unix)]
#[test]
fn each_line_of_an_exit_that_a_second_signal_ends_is_an_event_and_each_member_is_cut_off() {
    for (phase, waited_for, member) in [
        ("drain", r#""in_flight":1,"method":"GET","path":"/slow""#, "business"),
        ("callbacks", r#""members":["flush-cache"]"#, "flush-cache"),
    ] {
        let app = start(&[&HANGS]);
        put(&app);
        let _request = (phase == "drain").then(|| app.in_flight("/slow?ms=60000"));
        app.signal(libc::SIGTERM);
        app.wait_for(r#""event":"member_ended","member":"spool-cache""#);
        // Once there is a line of progress, a further signal is a second one.
        let progress = app.wait_for(waited_for);
        assert!(
            progress.raw.contains(&format!(r#""event":"progress","phase":"{phase}""#)),
            "{}",
            progress.raw
        );
        app.signal(libc::SIGTERM);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(1), "{}", ended.text());
        let events = events(&ended);
        // On a machine that is too busy the hard stop ends the process first, 100 ms after the second signal.
        if of(&events, "hard_stop_forced").is_empty() {
            assert_eq!(outcome_of(&events, member), "cut_off", "{phase}");
            assert_eq!(ended.report()["callbacks"][0]["error"], SPOOLED, "{phase}");
            let [ended] = of(&events, "exit_ended")[..] else { panic!("{events:#?}") };
            assert_eq!(ended["outcome"], "forced");
        }
    }
}

/// The names in the first column of the READMEs' table.
fn documented(readme: &str) -> BTreeSet<&str> {
    let rows = readme.lines().skip_while(|line| !line.starts_with("| `exit_started`"));
    let cells = rows.take_while(|line| line.starts_with('|')).filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// Each call of the `log` crate in the library and in the application.
#[test]
fn each_line_that_the_code_logs_is_an_event_that_both_readmes_name() {
    let unlogged = ["hard_stop_deadline", "hard_stop_forced", "hard_stop_after_run"];
    let own = ["log_lines_lost", "log_lines_left_out", "log_output_failed"];
    let mut logged: BTreeSet<_> = unlogged.iter().chain(&own).copied().map(str::to_owned).collect();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
            let is_of_tests = path.components().any(|part| part.as_os_str() == "tests");
            if path.is_dir() {
                folders.push(path);
            } else if !is_of_tests {
                let code = fs::read_to_string(&path).expect("a file");
                for call in calls(&code) {
                    let event = call.split("event = \"").nth(1).and_then(|rest| rest.split('"').next());
                    let event = event.unwrap_or_else(|| panic!("{}: no event: {call}", path.display()));
                    logged.insert(event.to_owned());
                }
            }
        }
    }
    assert!(logged.len() > 30, "{logged:?}");
    let logged: BTreeSet<_> = logged.iter().map(String::as_str).collect();
    assert_eq!(documented(include_str!("../README.md")), logged);
    assert_eq!(documented(include_str!("../README.zh-TW.md")), logged);
}

/// The calls of `log`'s macros, each from its name to its end; those in comments are left out.
fn calls(code: &str) -> Vec<&str> {
    let mut calls = Vec::new();
    for (at, _) in code.match_indices("log::") {
        let line = code[..at].rsplit('\n').next().unwrap_or_default();
        let call = &code[at..];
        let is_macro = ["error!(", "warn!(", "info!(", "debug!(", "trace!(", "log!("]
            .iter()
            .any(|name| call["log::".len()..].starts_with(name));
        if is_macro && !line.trim_start().starts_with("//") {
            calls.push(call.split(';').next().unwrap_or_default());
        }
    }
    calls
}
