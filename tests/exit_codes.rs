//! Every exit code and outcome, with its report.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use graceful_exit::sequence::PhaseKind;
use serde_json::{Value, json};

use crate::support::{App, Client, Ended, STOPPED_BY, bare, folder, output, phases, sent_here, stop};

/// The names of an object's members.
fn members(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Checks the parts of a report that do not depend on the outcome, and returns it.
fn check(ended: &Ended, outcome: &str, code: i32) -> Value {
    assert_eq!(ended.code(), Some(code), "{}", ended.text());
    let report = ended.report();
    assert_eq!((&report["outcome"], &report["exit_code"]), (&outcome.into(), &code.into()), "{report:#}");
    let mut names = members(&report);
    names.sort_unstable();
    let expected = [
        "callbacks",
        "checkpoints",
        "duration_ms",
        "exit_code",
        "outcome",
        "phases",
        "reason",
        "resources",
        "servers",
        "started_at",
        "verdict",
        "workers",
    ];
    assert_eq!(names, expected);

    let started: jiff::Timestamp =
        report["started_at"].as_str().and_then(|text| text.parse().ok()).expect("RFC 3339");
    let duration = report["duration_ms"].as_u64().expect("a number");
    let ended = SystemTime::from(started) + Duration::from_millis(duration);
    assert!(ended <= SystemTime::now(), "{report:#}");

    // The phases follow each other, and the last one ends with the exit.
    let mut end = 0;
    for phase in report["phases"].as_array().expect("phases") {
        let start = phase["start_ms"].as_u64().expect("a number");
        assert_eq!(start, end, "{report:#}");
        end = start + phase["duration_ms"].as_u64().expect("a number");
        assert_eq!(members(phase).len(), 4);
    }
    assert_eq!(end, duration, "{report:#}");
    assert_eq!(
        (&report["servers"][0]["name"], &report["servers"][1]["name"]),
        (&"admin".into(), &"business".into())
    );
    for server in report["servers"].as_array().expect("servers") {
        assert_eq!(members(server).len(), 5);
    }
    for job in [&report["callbacks"], &report["resources"]]
        .into_iter()
        .flat_map(|jobs| jobs.as_array().expect("jobs"))
    {
        assert_eq!(members(job).len(), 4);
    }
    report
}

/// The phases' names and what ended them.
fn phases_of(report: &Value) -> Vec<(&str, &str)> {
    let phases = report["phases"].as_array().expect("phases");
    phases
        .iter()
        .map(|phase| (phase["name"].as_str().expect("text"), phase["ended_by"].as_str().expect("text")))
        .collect()
}

#[test]
fn a_clean_exit_is_0() {
    let delays = phases::delays_of("100ms");
    let delays: Vec<_> = delays.iter().map(String::as_str).collect();
    let app = App::start(&[&delays[..], &["demo.flush_delay=50ms", "demo.release_delay=50ms"]].concat());
    Client::put(app.business, "/cache/a", b"x");
    let mut request = app.in_flight("/slow?ms=600");
    app.signal_to_stop();
    request.read().expect("an answer");
    let report = check(&app.wait(), "clean", 0);
    assert_eq!(report["reason"], sent_here(STOPPED_BY));
    let done: Vec<_> = PhaseKind::ALL.iter().map(|phase| (phase.name(), "done")).collect();
    assert_eq!(phases_of(&report), done);
    let none = json!([]);
    assert_eq!(report["servers"][0]["abandoned"], none);
    let business = &report["servers"][1];
    assert_eq!(
        *business,
        json!({"name": "business", "in_flight_at_start": 1, "completed": 1, "rejected": 0, "abandoned": none})
    );
    for (job, name) in [(&report["callbacks"], "flush-cache"), (&report["resources"], "store")] {
        assert_eq!(job.as_array().map(Vec::len), Some(1));
        assert_eq!(
            (&job[0]["name"], &job[0]["outcome"], &job[0]["error"]),
            (&name.into(), &"done".into(), &Value::Null)
        );
        assert!(job[0]["duration_ms"].as_u64() >= Some(50), "{job}");
    }
}

#[test]
fn a_request_that_is_cut_off_at_the_drain_timeout_is_3() {
    // No time is spent on closing the connections of abandoned requests: these timeouts would be too long to be waited for.
    let app = App::start(&[
        "shutdown.drain_timeout=300ms",
        "shutdown.keep_alive_grace=60s",
        "shutdown.stop_timeout=1h",
        "shutdown.callback_timeout=1m",
        "shutdown.release_timeout=1m",
        "shutdown.timeout=3h",
    ]);
    let mut cut = app.in_flight("/slow?ms=60000&secret=1");
    let mut stream = app.in_flight("/stream?n=1000&ms=100");
    app.signal_to_stop();
    assert!(cut.read().is_err(), "it is cut off, not answered");
    assert!(stream.read().is_err(), "a stream that is cut off must not look whole");
    let ended = app.wait();
    let report = check(&ended, "incomplete", 3);
    assert_eq!(phases_of(&report)[0], ("drain", "timeout"));
    let business = &report["servers"][1];
    assert_eq!((&business["in_flight_at_start"], &business["completed"]), (&2.into(), &0.into()));
    let mut abandoned = business["abandoned"].as_array().expect("a list").clone();
    abandoned.sort_by_key(|request| request["path"].to_string());
    assert_eq!(abandoned.len(), 2);
    for (request, path) in abandoned.iter().zip(["/slow", "/stream"]) {
        assert_eq!((&request["method"], &request["path"]), (&"GET".into(), &path.into()));
        assert!(request["age_ms"].as_u64() >= Some(300), "{request}");
        assert!(ended.has(&format!("cut off GET {path} after")), "{}", ended.text());
    }
    assert!(!report.to_string().contains("secret") && !ended.has("secret"), "no query");
    assert_eq!(report["callbacks"][0]["outcome"], "done", "the later phases run all the same");
    assert_eq!(report["resources"][0]["outcome"], "done");
    assert_eq!(phases_of(&report)[1], ("close_servers", "done"));
}

#[test]
fn a_callback_that_times_out_is_3() {
    let app = App::start(&["demo.flush_delay=60s", "shutdown.callback_timeout=300ms"]);
    let ended = stop(app);
    let report = check(&ended, "incomplete", 3);
    let callback = &report["callbacks"][0];
    assert_eq!(callback["outcome"], "timed_out");
    assert!(callback["duration_ms"].as_u64() >= Some(300), "{callback}");
    assert!(phases_of(&report).contains(&("callbacks", "timeout")));
    assert_eq!(report["resources"][0]["outcome"], "done", "one timeout does not hide another");
    assert!(ended.has("flushing the cache: timed out"), "{}", ended.text());
}

#[test]
fn a_resource_that_times_out_is_3() {
    let report = check(
        &stop(App::start(&["demo.release_delay=60s", "shutdown.release_timeout=300ms"])),
        "incomplete",
        3,
    );
    assert_eq!(report["resources"][0]["outcome"], "timed_out");
    assert!(phases_of(&report).contains(&("release", "timeout")));
    assert_eq!(phases_of(&report).last(), Some(&("close_last", "done")), "the later phases run all the same");
}

#[test]
fn the_overall_deadline_is_1() {
    let app = App::start(&["shutdown.drain_timeout=60s", "shutdown.timeout=500ms"]);
    Client::put(app.business, "/cache/a", b"x");
    let _request = app.in_flight("/slow?ms=60000");
    let ended = stop(app);
    let report = check(&ended, "timed_out", 1);
    assert_eq!(phases_of(&report), [("drain", "deadline")]);
    assert_eq!(report["servers"][1]["abandoned"].as_array().map(Vec::len), Some(1), "it is named once");
    assert_eq!(report["servers"][1]["abandoned"][0]["path"], "/slow");
    assert_eq!(ended.text().matches("cut off GET /slow").count(), 1, "in the log, too: {}", ended.text());
    assert_eq!(report["callbacks"][0]["outcome"], "not_started");
    let error = report["callbacks"][0]["error"].as_str().expect("where the write is");
    assert!(error.starts_with("1 write is safe in data/cache.spool"), "the checkpoint has saved it: {error}");
    assert_eq!(report["resources"][0]["outcome"], "not_started");
    assert!(report["duration_ms"].as_u64() >= Some(500), "{report}");
}

#[cfg(unix)]
#[test]
fn a_second_signal_is_1() {
    let app = App::start(&["shutdown.coalesce=0s", "shutdown.drain_timeout=60s"]);
    let _request = app.in_flight("/slow?ms=60000");
    app.signal(libc::SIGTERM);
    app.wait_for_phase("drain");
    app.signal(libc::SIGINT);
    let report = check(&app.wait(), "forced", 1);
    assert_eq!(report["reason"], sent_here("SIGTERM"), "the first one is the reason");
    assert_eq!(phases_of(&report), [("drain", "signal")]);
    assert_eq!(report["servers"][1]["abandoned"][0]["path"], "/slow");
    assert_eq!(report["callbacks"][0]["outcome"], "not_started");
}

#[cfg(unix)]
#[test]
fn the_codes_are_what_the_settings_say() {
    let codes = ["exit_codes.forced=11", "exit_codes.timed_out=12", "exit_codes.incomplete=255"];
    let start = |more: &[&str]| App::start(&[&codes, more].concat());

    let app = start(&["shutdown.coalesce=0s"]);
    let _request = app.in_flight("/slow?ms=60000");
    app.signal(libc::SIGTERM);
    app.wait_for_phase("drain");
    app.signal(libc::SIGTERM);
    check(&app.wait(), "forced", 11);

    let app = start(&["demo.release_delay=60s", "shutdown.release_timeout=60s", "shutdown.timeout=300ms"]);
    check(&stop(app), "timed_out", 12);
    check(&stop(start(&["demo.release_delay=60s", "shutdown.release_timeout=100ms"])), "incomplete", 255);
    check(&stop(start(&[])), "clean", 0);
}

#[test]
fn a_wrong_command_line_is_2_and_starts_nothing() {
    for arguments in [
        &["--nonsense"][..],
        &["serve"],
        &["plan", "--format", "xml"],
        &["run", "plan"],
        &["-c"],
        &["-s"],
        &["-s", "shutdown.timeout"],
        &["-s", "shutdown.timeout=soon"],
        &["-c", "missing.toml"],
        &["plan", "-s", "shutdown.timeout=soon"],
        &["plan", "surplus"],
    ] {
        let folder = folder();
        let mut command = bare(folder.path());
        let got = output({
            command.args(arguments);
            command
        });
        let stderr = String::from_utf8_lossy(&got.stderr);
        assert_eq!(got.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty() && got.stdout.is_empty(), "{arguments:?}");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 0, "{arguments:?}");
    }
    for arguments in ["--help", "--version"] {
        let mut command = bare(folder().path());
        command.current_dir("/").arg(arguments);
        let got = output(command);
        assert_eq!((got.status.code(), got.stderr.as_slice()), (Some(0), &b""[..]), "{arguments}");
    }
}

#[test]
fn missing_parents_of_the_report_are_created_and_an_older_one_is_replaced() {
    let app = App::start(&["report.path=a/b/c.json"]);
    let folder = stop(app).folder;
    let path = folder.path().join("a/b/c.json");
    assert_eq!(crate::support::report(&path)["outcome"], "clean");
    fs::write(&path, "older").expect("a file");
    stop(App::start_in(folder.clone(), &["report.path=a/b/c.json"]));
    assert_eq!(crate::support::report(&path)["outcome"], "clean");
    let left: Vec<_> = folder.path().join("a/b").read_dir().expect("a folder").collect();
    assert_eq!(left.len(), 1, "no temporary file: {left:?}");
}

#[test]
fn a_report_path_that_cannot_be_written_is_4_before_anything_is_served() {
    let folder = folder();
    fs::write(folder.path().join("file"), "").expect("a file");
    fs::create_dir(folder.path().join("a-folder")).expect("a folder");
    for path in ["file/report.json", "a-folder", "a-folder/", "new/", "new/sub//", "file/"] {
        let mut command = App::command(folder.path());
        command.args(["-s", &format!("report.path={path}")]);
        let ended = App::run(&folder, command);
        assert_eq!(ended.code(), Some(4), "{}", ended.text());
        assert!(ended.has(&format!("the report cannot be written to {path}")), "{}", ended.text());
        assert!(!ended.has("listens"), "{}", ended.text());
    }
    let names = folder.path().read_dir().expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let is_left = |name: std::ffi::OsString| name == "new" || name.to_string_lossy().ends_with(".tmp");
    assert!(!names.into_iter().any(is_left));
}

/// Windows removes no folder that has an open file in it.
#[cfg(unix)]
#[test]
fn a_report_that_can_no_longer_be_written_changes_nothing_but_the_log() {
    let app = App::start(&["report.path=reports/report.json"]);
    fs::remove_dir_all(app.path("reports")).expect("it was made at the start");
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(ended.has("the report cannot be written to reports/report.json"), "{}", ended.text());
}

#[test]
fn a_damaged_report_of_the_run_before_is_one_warning_that_names_it() {
    let folder = std::sync::Arc::new(tempfile::tempdir().expect("a folder"));
    fs::write(folder.path().join("report.json"), r#"{"outcome":"clean","rea"#).expect("a file");
    let app = App::start_in(folder, &[]);
    assert!(app.status()["previous_exit"].is_null());
    let ended = stop(app);
    let told = "how the previous run ended is not known: report.json: this is not a report";
    assert_eq!(ended.text().matches(told).count(), 1, "{}", ended.text());
    assert_eq!((ended.code(), &ended.report()["outcome"]), (Some(0), &"clean".into()));
}

/// What `/status` says of the run before.
#[test]
fn the_run_before_is_told_by_its_report_and_a_killed_one_is_called_killed() {
    let previous = |app: &App| app.status()["previous_exit"].clone();
    let app = App::start(&[]);
    assert!(previous(&app).is_null());
    let ended = stop(app);
    let report = ended.report();
    let app = App::start_in(ended.folder, &[]);
    let told = previous(&app);
    assert_eq!((told["outcome"].as_str(), told["exit_code"].as_u64()), (Some("clean"), Some(0)), "{told}");
    assert!(told["duration_ms"].is_u64() && told["started_at"].is_string(), "{told}");
    assert_eq!(told["verdict"], report["verdict"]);

    let app = App::start_in(app.kill(), &[]);
    assert_eq!(previous(&app)["outcome"], "killed");
    let ended = stop(app);
    assert!(ended.has("the previous run was killed"), "{}", ended.text());
    let app = App::start_in(ended.folder, &[]);
    assert_eq!(previous(&app)["outcome"], "clean");
    let ended = stop(app);
    assert!(ended.has("the previous exit: ") && !ended.has("was killed"), "{}", ended.text());
}
