//! Settings: values, sources and error messages, tried with `plan`, which starts nothing.

use std::{fs, process::Output};

use serde_json::Value;

use crate::support::{App, Client, bare, folder, output};

/// Runs the binary in a directory with these files.
pub(crate) fn run(files: &[(&str, &str)], environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = folder();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let mut command = bare(folder.path());
    command.envs(environment.iter().copied()).args(arguments);
    output(command)
}

/// The plan as JSON, with these layers.
pub(crate) fn plan(files: &[(&str, &str)], environment: &[(&str, &str)], arguments: &[&str]) -> Value {
    let got = run(files, environment, &[&["plan", "--format", "json"], arguments].concat());
    assert_eq!(got.status.code(), Some(0), "{}", String::from_utf8_lossy(&got.stderr));
    serde_json::from_slice(&got.stdout).expect("JSON")
}

/// The one line on standard error of a refused run.
fn refused(files: &[(&str, &str)], environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let got = run(files, environment, arguments);
    let stderr = String::from_utf8(got.stderr).expect("text");
    assert_eq!(got.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(got.stdout.is_empty(), "{arguments:?}");
    assert_eq!(stderr.lines().count(), 1, "one message: {stderr}");
    stderr
}

/// Invalid values, each with what is allowed. [`derived`] has one for each duration and each flag.
const WRONG: &[(&str, &str, &str)] = &[
    ("shutdown.signals", "[]", "SIGTERM"),
    ("shutdown.signals", "[\"SIGKILL\"]", "no process can catch"),
    ("shutdown.signals", "[\"SIGSTOP\"]", "no process can catch"),
    ("shutdown.signals", "[\"SIGSEGV\"]", "SIGSEGV"),
    ("shutdown.signals", "[\"SIGBUS\"]", "SIGBUS"),
    ("shutdown.signals", "[\"SIGFPE\"]", "SIGFPE"),
    ("shutdown.signals", "[\"SIGNONE\"]", "SIGTERM"),
    ("shutdown.signals", "[15]", "SIGTERM"),
    ("shutdown.signals", "\"SIGTERM\"", "SIGTERM"),
    ("shutdown.coalesce", "\"11s\"", "10s"),
    ("shutdown.ready_delay", "\"-1s\"", "duration"),
    ("shutdown.drain_timeout", "\"5\"", "duration"),
    ("shutdown.drain_timeout", "true", "duration"),
    ("shutdown.keep_alive_grace", "\"2m\"", "60s"),
    ("shutdown.stop_timeout", "\"never\"", "duration"),
    ("shutdown.callback_timeout", "\"0s\"", "1ms"),
    ("shutdown.release_timeout", "\"0s\"", "1ms"),
    ("shutdown.timeout", "\"0s\"", "1ms"),
    ("shutdown.timeout", "\"25h\"", "24h"),
    ("shutdown.progress_interval", "\"1ms\"", "10ms"),
    ("reject.status", "200", "from 400 to 599"),
    ("reject.status", "600", "from 400 to 599"),
    ("reject.status", "\"503\"", "from 400 to 599"),
    ("reject.body", "1", "text"),
    ("reject.retry_after", "\"soon\"", "duration"),
    ("servers.admin.bind", "\"8081\"", "127.0.0.1:8080"),
    ("servers.business.bind", "\"127.0.0.1:99999\"", "127.0.0.1:8080"),
    ("servers.business.bind", "\"256.0.0.1:80\"", "127.0.0.1:8080"),
    ("servers.admin.workers", "0", "cores"),
    ("servers.business.workers", "\"many\"", "cores"),
    ("servers.business.workers", "513", "512"),
    ("servers.admin.stop", "\"never\"", "\"first\", \"last\""),
    ("servers.business.stop", "1", "\"first\", \"last\""),
    ("admin.token", "\"two words\"", "without spaces"),
    ("admin.token", "\"fifteen-letters\"", "at least 16"),
    ("admin.token_file", "1", "a path"),
    ("admin.max_streams", "0", "from 1 to"),
    ("shutdown.checkpoint_timeout", "\"0s\"", "1ms"),
    ("report.keep", "-1", "from 0 to"),
    ("cache.max_dirty", "0", "from 1 to"),
    ("cache.max_dirty_bytes", "\"64MB\"", "64MiB"),
    ("servers.admin.unix_mode", "\"rw\"", "0660"),
    ("servers.admin.client_request_timeout", "\"soon\"", "duration"),
    ("servers.admin.tls_handshake_timeout", "\"0s\"", "1ms"),
    ("servers.admin.keep_alive", "\"25h\"", "24h"),
    ("servers.admin.max_connections", "0", "from 1 to"),
    ("servers.admin.tls.certificate", "1", "a path"),
    ("servers.admin.tls.key", "1", "a path"),
    ("servers.business.unix_mode", "\"rw\"", "0660"),
    ("servers.business.client_request_timeout", "\"soon\"", "duration"),
    ("servers.business.tls_handshake_timeout", "\"0s\"", "1ms"),
    ("servers.business.keep_alive", "\"25h\"", "24h"),
    ("servers.business.max_connections", "0", "from 1 to"),
    ("servers.business.tls.certificate", "1", "a path"),
    ("servers.business.tls.key", "1", "a path"),
    ("log.language", "\"fr\"", "\"zh\""),
    ("log.level", "\"loud\"", "\"info\""),
    ("log.file", "1", "a path"),
    ("log.color", "\"sometimes\"", "\"never\""),
    ("log.format", "\"xml\"", "\"json\""),
    ("report.path", "false", "a path"),
    ("exit_codes.forced", "0", "from 1 to 255"),
    ("exit_codes.timed_out", "256", "from 1 to 255"),
    ("exit_codes.incomplete", "\"3\"", "from 1 to 255"),
    ("cache.store", "\"mysql://localhost/x\"", "sqlite:"),
    ("cache.flush_interval", "\"1ms\"", "10ms"),
    ("cache.spool", "\"\"", "a path"),
    ("demo.flush_delay", "\"1 fortnight\"", "duration"),
];

/// Keys that take any text, and so an unquoted number.
const TAKE_ANY_TEXT: [&str; 8] = [
    "reject.body",
    "log.file",
    "report.path",
    "admin.token_file",
    "servers.admin.tls.certificate",
    "servers.admin.tls.key",
    "servers.business.tls.certificate",
    "servers.business.tls.key",
];

#[test]
fn a_wrong_value_is_reported_with_its_key_what_is_allowed_and_its_source() {
    let defaults = defaults();
    for (key, value, allowed) in WRONG.iter().copied().chain(derived(&defaults)) {
        let (section, name) = key.rsplit_once('.').expect("a section");
        let file = format!("# a comment\n[{section}]\n{name} = {value}\n");
        let variable = format!("GRACEFUL_EXIT__{}", key.to_uppercase().replace('.', "__"));
        let set = format!("{key}={value}");
        let mut messages =
            vec![("own.toml, line 3", refused(&[("own.toml", &file)], &[], &["plan", "-c", "own.toml"]))];
        // From other sources, a key that takes any text accepts this one.
        if !TAKE_ANY_TEXT.contains(&key) {
            messages.push((&variable, refused(&[], &[(&variable, value)], &["plan"])));
            messages.push(("--set", refused(&[], &[], &["plan", "--set", &set])));
        }
        for (source, message) in messages {
            // A key that takes text accepts an unquoted value as text.
            let shown = if key == "admin.token" { "" } else { value.trim_matches('"') };
            for part in [key, shown, allowed, source] {
                assert!(message.contains(part), "{part:?} is missing in: {message}");
            }
        }
    }
}

#[test]
fn every_key_of_the_defaults_is_tried_with_a_wrong_value() {
    let defaults = defaults();
    for (key, _) in &defaults {
        let is_tried = WRONG.iter().copied().chain(derived(&defaults)).any(|(tried, ..)| tried == key);
        assert!(is_tried, "{key} is not");
    }
}

/// Every key with its default.
fn defaults() -> Vec<(String, toml::Value)> {
    let defaults: toml::Table = include_str!("../config/default.toml").parse().expect("TOML");
    let mut keys = Vec::new();
    collect("", &defaults, &mut keys);
    keys
}

/// A wrong value for each key whose default is a duration, such as `50ms`, or a flag; and what is allowed.
fn derived(defaults: &[(String, toml::Value)]) -> impl Iterator<Item = (&str, &'static str, &'static str)> {
    let is_duration = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with('s');
    defaults.iter().filter_map(move |(key, value)| match value {
        toml::Value::String(text) if is_duration(text) => Some((key.as_str(), "5", "duration")),
        toml::Value::Boolean(_) => Some((key.as_str(), "1", "true or false")),
        _ => None,
    })
}

fn collect(section: &str, table: &toml::Table, keys: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            toml::Value::Table(table) => collect(&key, table, keys),
            value => keys.push((key, value.clone())),
        }
    }
}

#[test]
fn an_unknown_key_is_reported_with_its_source() {
    for (key, meant) in [
        ("shutdown.timeot", "shutdown.timeout"),
        ("server.admin.bind", "servers.admin.bind"),
        ("nonsense", "shutdown"),
    ] {
        let value = format!("{key} = \"8s\"\n");
        let variable = format!("GRACEFUL_EXIT__{}", key.to_uppercase().replace('.', "__"));
        for (source, message) in [
            ("own.toml, line 1", refused(&[("own.toml", &value)], &[], &["-c", "own.toml"])),
            (&variable, refused(&[], &[(&variable, "8s")], &[])),
            ("--set", refused(&[], &[], &["-s", &format!("{key}=8s")])),
        ] {
            for part in [key, "8s", "unknown key", meant, source] {
                assert!(message.contains(part), "{part:?} is missing in: {message}");
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_or_is_no_toml_is_reported() {
    let missing = refused(&[], &[], &["-c", "missing.toml"]);
    assert!(missing.contains("missing.toml"), "{missing}");
    let folder = refused(&[], &[], &["-c", "."]);
    assert!(folder.contains("settings file ."), "{folder}");
    let malformed = refused(&[("own.toml", "[shutdown]\ntimeout = \n")], &[], &["-c", "own.toml"]);
    assert!(malformed.contains("own.toml, line 2") && malformed.contains("TOML"), "{malformed}");
    let twice = refused(
        &[("own.toml", "[shutdown]\ntimeout = \"1s\"\ntimeout = \"2s\"\n")],
        &[],
        &["-c", "own.toml"],
    );
    assert!(twice.contains("own.toml, line"), "{twice}");
    // A mistake in one file hides none in another.
    let got = run(&[("a.toml", "x = 1\n"), ("b.toml", "y = 1\n")], &[], &["-c", "a.toml", "-c", "b.toml"]);
    let stderr = String::from_utf8_lossy(&got.stderr);
    assert_eq!((got.status.code(), stderr.lines().count()), (Some(2), 2), "{stderr}");
    for part in ["x = 1 (a.toml, line 1): unknown key", "y = 1 (b.toml, line 1): unknown key"] {
        assert!(stderr.contains(part), "{part} is missing in:\n{stderr}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    for arguments in [
        ["-s", "admin.token=s3cret word"],
        ["-s", "admin.tokn=s3cret"],
        ["-s", "cache.store=mysql://user:s3cret@host/x"],
    ] {
        let message = refused(&[], &[], &arguments);
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_reported_without_a_panic() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    let wrong = OsString::from_vec(b"\xff".to_vec());
    let folder = folder();
    let mut command = bare(folder.path());
    command.env("GRACEFUL_EXIT__LOG__LEVEL", &wrong).arg("plan");
    let got = output(command);
    let stderr = String::from_utf8_lossy(&got.stderr);
    assert_eq!(got.status.code(), Some(2));
    assert!(stderr.contains("GRACEFUL_EXIT__LOG__LEVEL") && stderr.contains("Unicode"), "{stderr}");
    let mut command = bare(folder.path());
    command.env("OF_ANOTHER_PROGRAM", &wrong).arg("plan");
    assert_eq!(output(command).status.code(), Some(0), "other programs' variables are ignored");
    let mut command = bare(folder.path());
    command.arg("-s").arg(&wrong);
    assert_eq!(output(command).status.code(), Some(2));
}

fn timeout_of(files: &[(&str, &str)], environment: &[(&str, &str)], arguments: &[&str]) -> u64 {
    plan(files, environment, arguments)["timeout_ms"].as_u64().expect("a number")
}

#[test]
fn a_stronger_layer_wins() {
    let files = [("a.toml", "shutdown.timeout = \"11s\"\n"), ("b.toml", "shutdown.timeout = \"12s\"\n")];
    let variable = [("GRACEFUL_EXIT__SHUTDOWN__TIMEOUT", "13s")];
    let (a, b) = (["-c", "a.toml"], ["-c", "b.toml"]);
    let (one, two) = (["-s", "shutdown.timeout=14s"], ["--set", "shutdown.timeout=15s"]);
    assert_eq!(timeout_of(&files, &[], &[]), 25_000, "the default");
    assert_eq!(timeout_of(&files, &[], &a), 11_000);
    assert_eq!(timeout_of(&files, &[], &[a, b].concat()), 12_000, "the later file");
    assert_eq!(timeout_of(&files, &[], &[b, a].concat()), 11_000, "the later file");
    assert_eq!(timeout_of(&files, &variable, &a), 13_000, "the environment over files");
    assert_eq!(timeout_of(&files, &variable, &[a, one].concat()), 14_000, "the command line over all");
    assert_eq!(timeout_of(&files, &variable, &[two, one, a].concat()), 14_000, "the later one");
    assert_eq!(timeout_of(&files, &variable, &[one, two, a].concat()), 15_000, "the later one");
    // A key that the later file does not name keeps the earlier value.
    let others = [
        ("a.toml", "[shutdown]\ntimeout = \"11s\"\ndrain_timeout = \"2s\"\n"),
        ("b.toml", "shutdown.timeout = \"12s\"\n"),
    ];
    let plan = plan(&others, &[], &[a, b].concat());
    assert_eq!((&plan["timeout_ms"], &plan["phases"][0]["bound_ms"]), (&12_000.into(), &2000.into()));
}

#[test]
fn config_and_set_options_may_stand_before_and_after_the_subcommand() {
    let files = [("a.toml", "shutdown.timeout = \"11s\"\n"), ("b.toml", "shutdown.drain_timeout = \"2s\"\n")];
    let orders: [&[&str]; 4] = [
        &["-c", "a.toml", "-s", "shutdown.drain_timeout=2s", "plan", "--format", "json"],
        &["plan", "--format", "json", "-c", "a.toml", "-s", "shutdown.drain_timeout=2s"],
        &["-s", "shutdown.drain_timeout=2s", "plan", "-c", "a.toml", "--format=json"],
        &["-c", "a.toml", "plan", "--format", "json", "-c", "b.toml"],
    ];
    for arguments in orders {
        let got = run(&files, &[], arguments);
        let plan: Value =
            serde_json::from_slice(&got.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {got:?}"));
        assert_eq!(
            (&plan["timeout_ms"], &plan["phases"][0]["bound_ms"]),
            (&11_000.into(), &2000.into()),
            "{arguments:?}"
        );
    }
    // Of the same key on both sides, the later one wins.
    let got = run(
        &[],
        &[],
        &["-s", "shutdown.timeout=11s", "plan", "--format", "json", "-s", "shutdown.timeout=12s"],
    );
    let plan: Value = serde_json::from_slice(&got.stdout).expect("JSON");
    assert_eq!(plan["timeout_ms"], 12_000);
}

#[test]
fn a_set_value_is_read_as_toml_or_as_plain_text() {
    let accepted = [
        "shutdown.timeout=8s",
        "shutdown.timeout=\"8s\"",
        "shutdown.timeout='8s'",
        if cfg!(windows) { "shutdown.signals=[\"CTRL_C\"]" } else { "shutdown.signals=[\"SIGTERM\"]" },
        "shutdown.signals=[\"SIGTERM\", \"CTRL_C\", \"SIGUSR1\"]",
        "servers.admin.workers=2",
        "servers.admin.workers=cores",
        "demo.chaos=true",
        "reject.body=a = \"b\" # no comment",
        "reject.body=",
        "reject.status=0x1f7",
        "admin.token=1234567890123456",
        "log.file=",
        "cache.store=sqlite:x.db",
    ];
    for pair in accepted {
        plan(&[], &[], &["-s", pair]);
    }
    let app = App::start(&["reject.body=a = \"b\" # no comment"]);
    let _request = app.in_flight("/slow?ms=60000");
    app.signal_to_stop();
    app.wait_for_phase("drain");
    assert_eq!(Client::get(app.business, "/").text(), "a = \"b\" # no comment");
}
