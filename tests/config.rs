//! `config show`, `check` and `default`.

use serde_json::Value;

use crate::settings::run;
#[cfg(target_os = "linux")]
use crate::support::{bare, folder, output};

const DEFAULTS: &str = include_str!("../config/default.toml");

/// What a run prints, which has to succeed.
fn printed(files: &[(&str, &str)], environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let got = run(files, environment, arguments);
    assert_eq!(got.status.code(), Some(0), "{}", String::from_utf8_lossy(&got.stderr));
    String::from_utf8(got.stdout).expect("text")
}

#[test]
fn the_default_file_is_printed_and_is_right() {
    let text = printed(&[], &[], &["config", "default"]);
    assert_eq!(text, DEFAULTS);
    printed(&[("copy.toml", &text)], &[], &["config", "check", "-c", "copy.toml"]);
}

#[test]
fn every_key_is_shown_with_its_value_and_its_source() {
    let files = [("own.toml", "\n[shutdown]\ntimeout = \"80s\"\n")];
    let environment = [("GRACEFUL_EXIT__LOG__LEVEL", "warn")];
    let layers = ["-c", "own.toml", "-s", "reject.status=429"];
    let json =
        printed(&files, &environment, &[&["config", "show", "--format", "json"], &layers[..]].concat());
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let shown = |key: &str| (json[key]["value"].clone(), json[key]["source"].clone());
    let file = serde_json::json!({ "file": "own.toml", "line": 3 });
    assert_eq!(shown("shutdown.timeout"), ("1m20s".into(), file));
    let variable = serde_json::json!({ "variable": "GRACEFUL_EXIT__LOG__LEVEL" });
    assert_eq!(shown("log.level"), ("warn".into(), variable));
    assert_eq!(shown("reject.status"), (429.into(), "--set".into()));
    assert_eq!(shown("servers.admin.bind"), ("127.0.0.1:8081".into(), "default".into()));

    let text = printed(&files, &environment, &[&["config", "show"], &layers[..]].concat());
    for (line, source) in [
        ("timeout = \"1m20s\"", "# own.toml, line 3"),
        ("level = \"warn\"", "# the variable GRACEFUL_EXIT__LOG__LEVEL"),
        ("status = 429", "# --set"),
        ("keep = 0", "# default"),
    ] {
        let found = text.lines().find(|found| found.starts_with(line)).expect(line);
        assert!(found.ends_with(source), "{found}");
    }
    // Every key of the defaults is there, in the same order, and the text is a settings file with the same meaning.
    let keys = |text: &str| -> Vec<String> {
        let names = text.lines().filter_map(|line| line.split_once(" = "));
        let names = names.filter(|(name, _)| !name.starts_with('#') && !name.starts_with(' '));
        names.map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(keys(&text), keys(DEFAULTS));
    let again =
        printed(&[("again.toml", &text)], &[], &["config", "show", "--format", "json", "-c", "again.toml"]);
    let again: Value = serde_json::from_str(&again).expect("JSON");
    for (key, entry) in json.as_object().expect("an object") {
        assert_eq!(entry["value"], again[key]["value"], "{key}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_shown_as_toml_is_toml_whatever_a_value_or_a_file_name_holds() {
    let body = "DEL \u{7f}, a tag \u{e0041}, \u{202e} and \"quotes\" \u{1f600}";
    let text = format!("[reject]\nbody = {}\n", toml::Value::from(body));
    let files = [("own\n[log] #.toml", text.replace('\u{7f}', "\\u007F"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let shown = printed(&files, &[], &["config", "show", "-c", files[0].0]);
    let table: toml::Table = shown.parse().unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert_eq!(table["reject"]["body"].as_str(), Some(body), "{shown}");
    assert!(!shown.contains(['\u{7f}', '\u{202e}', '\u{e0041}']), "{shown:?}");
}

#[test]
fn the_source_of_a_default_is_the_same_word_in_every_language() {
    for language in ["en", "zh", "zh-Hant"] {
        let shown = printed(&[], &[], &["config", "show", "-s", &format!("log.language={language}")]);
        let line = shown.lines().find(|line| line.starts_with("keep = 0")).expect("a line");
        assert!(line.ends_with("# default"), "{line}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_settings_file_whose_name_is_not_unicode_is_shown() {
    use std::os::unix::ffi::OsStrExt;

    let folder = folder();
    let name = std::ffi::OsStr::from_bytes(b"\xff.toml");
    std::fs::write(folder.path().join(name), "log.level = \"warn\"\n").expect("a file");
    for format in ["json", "toml"] {
        let mut command = bare(folder.path());
        command.arg("-c").arg(name).args(["config", "show", "--format", format]);
        let got = output(command);
        let shown = String::from_utf8(got.stdout).expect("text");
        assert_eq!(got.status.code(), Some(0), "{}", String::from_utf8_lossy(&got.stderr));
        assert!(shown.contains("\u{fffd}.toml"), "{shown}");
    }
}

#[test]
fn no_secret_is_shown() {
    for arguments in [&["config", "show"][..], &["config", "show", "--format", "json"]] {
        let set = [
            "-s",
            "admin.token=hushhushhushhush",
            "-s",
            "cache.store=postgres://me:hush/h@ush@db.example:5432/x?passwd=hush",
        ];
        let text = printed(&[], &[], &[arguments, &set].concat());
        assert!(!text.contains("hush"), "{text}");
        assert!(text.contains("postgres://***"), "{text}");
    }
    let text =
        printed(&[], &[], &["config", "show", "-s", "cache.store=postgres://me:hush@db.example:5432/x"]);
    assert!(text.contains("\"postgres://db.example:5432/***\""), "{text}");
}

#[test]
fn a_check_reports_everything_that_is_wrong() {
    let files =
        [("own.toml", "[shutdown]\ntimeout = 8\n[log]\nlevle = \"info\"\n"), ("broken.toml", "[log\n")];
    let environment = [("GRACEFUL_EXIT__REJECT__STATUS", "200"), ("GRACEFUL_EXIT_LOG_LEVEL", "warn")];
    let got = run(
        &files,
        &environment,
        &["config", "check", "-c", "own.toml", "-c", "broken.toml", "-s", "admin.token=hush"],
    );
    let stderr = String::from_utf8(got.stderr).expect("text");
    assert_eq!((got.status.code(), stderr.lines().count()), (Some(2), 6), "{stderr}");
    for part in [
        "warning: the variable GRACEFUL_EXIT_LOG_LEVEL sets nothing",
        "shutdown.timeout = 8 (own.toml, line 2): refused",
        "log.levle = \"info\" (own.toml, line 4): unknown key; did you mean log.level?",
        "broken.toml, line 1: not TOML",
        "reject.status = 200 (the variable GRACEFUL_EXIT__REJECT__STATUS): refused",
        "admin.token = *** (--set): refused",
    ] {
        assert!(stderr.contains(part), "{part} is missing in:\n{stderr}");
    }
    assert!(stderr.lines().all(|line| line.starts_with("graceful-exit: ")), "{stderr}");
    assert!(!stderr.contains("hush"), "{stderr}");
}

#[test]
fn a_check_reports_what_every_start_would_fail_on() {
    let settings = [
        ("servers.business.bind", "0.0.0.0:8081"),
        ("servers.admin.tls.certificate", "missing.pem"),
        ("servers.admin.tls.key", "missing.key"),
        ("admin.token_file", "token"),
    ];
    let set = settings.map(|(key, value)| format!("{key}={value}"));
    let set: Vec<_> = set.iter().flat_map(|pair| ["-s", pair]).collect();
    let got = run(&[("token", "short\n")], &[], &[&["config", "check"], &set[..]].concat());
    let stderr = String::from_utf8(got.stderr).expect("text");
    assert_eq!((got.status.code(), stderr.lines().count()), (Some(2), 3), "{stderr}");
    for part in ["servers.business.bind = \"0.0.0.0:8081\": another server", "missing.pem", "token"] {
        assert!(stderr.contains(part), "{part} is missing in:\n{stderr}");
    }
    for (addresses, is_right) in [
        ("[\"127.0.0.1:8081\"]", false),
        ("[\"127.0.0.1:9000\", \"127.0.0.1:9000\"]", false),
        ("[\"localhost:9000\", \"localhost:9000\"]", false),
        ("[\"unix:a\", \"unix:a\"]", false),
        ("[\"127.0.0.1:0\", \"127.0.0.1:0\", \"localhost:0\", \"localhost:0\"]", true),
        ("[\"127.0.0.2:8081\", \"unix:a\", \"unix:b\"]", true),
    ] {
        let got = run(&[], &[], &["config", "check", "-s", &format!("servers.business.bind={addresses}")]);
        assert_eq!(got.status.code(), Some(if is_right { 0 } else { 2 }), "{addresses}");
    }
}

#[test]
fn what_a_reader_cannot_see_in_the_name_of_a_file_is_escaped() {
    let got = run(&[], &[], &["config", "check", "-c", "un\u{202e}seen.toml"]);
    let stderr = String::from_utf8(got.stderr).expect("text");
    assert_eq!(got.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(r"un\u{202e}seen.toml"), "{stderr:?}");
}

#[test]
fn settings_that_are_right_pass_the_check_and_an_unused_variable_is_a_warning() {
    assert_eq!(printed(&[], &[], &["config", "check"]), "the settings are right\n");
    let got = run(&[], &[("GRACEFUL_EXIT_SHUTDOWN_TIMEOUT", "8s")], &["config", "check"]);
    let stderr = String::from_utf8(got.stderr).expect("text");
    assert_eq!(got.status.code(), Some(0));
    let meant = "did you mean GRACEFUL_EXIT__SHUTDOWN__TIMEOUT?";
    assert!(stderr.contains("warning: the variable GRACEFUL_EXIT_SHUTDOWN_TIMEOUT sets nothing"), "{stderr}");
    assert!(stderr.contains(meant), "{stderr}");
}

#[test]
fn every_command_with_settings_warns_of_a_variable_that_sets_nothing() {
    for (arguments, code) in [
        (&["config", "show"][..], 0),
        (&["plan"], 0),
        (&["plan", "--format", "json"], 0),
        (&["run", "-s", "shutdown.timeout=0"], 2),
        (&["status", "-s", "servers.admin.bind=127.0.0.1:0"], 2),
        (&["stop", "-s", "servers.admin.bind=127.0.0.1:0"], 2),
    ] {
        let got = run(&[], &[("GRACEFUL_EXIT_SHUTDOWN_TIMEOUT", "8s")], arguments);
        let printed = String::from_utf8([got.stdout, got.stderr].concat()).expect("text");
        assert_eq!(got.status.code(), Some(code), "{arguments:?}: {printed}");
        assert!(printed.contains("GRACEFUL_EXIT_SHUTDOWN_TIMEOUT sets nothing"), "{arguments:?}: {printed}");
    }
}

#[test]
fn settings_errors_are_in_the_language_that_is_set() {
    for (language, part) in
        [("zh", "不可用；允许：1ms 至 24h 的时长"), ("zh-Hant", "不可用；允許：1ms 至 24h 的時長")]
    {
        let set = format!("log.language={language}");
        let got = run(&[], &[], &["config", "check", "-s", "shutdown.timeout=8", "-s", &set]);
        let stderr = String::from_utf8(got.stderr).expect("text");
        assert!(stderr.contains(part), "{stderr}");
    }
}
