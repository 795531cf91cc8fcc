//! `graceful-exit plan`: the shutdown that the settings lead to; and the directories that the application creates.

use std::{collections::BTreeMap, fs};

use graceful_exit::sequence::PhaseKind;

use crate::{
    settings::{plan, run},
    support::{App, Client, folder, stop},
};

/// On Windows the default deadline always leads to a warning, since a close event leaves less time.
const OF_WINDOWS: usize = if cfg!(windows) { 1 } else { 0 };

#[test]
fn the_plan_names_every_phase_its_timeout_and_the_numbers_for_the_platform() {
    let settings = PhaseKind::ALL.iter().zip(2_u64..).map(|(&phase, n)| (phase.setting(), n * 100));
    let settings: BTreeMap<_, _> = settings.collect();
    let set = settings.iter().map(|(name, ms)| format!("{name}={ms}ms"));
    // The callbacks wait for the checkpoints, which are over before them.
    let set: Vec<_> = set.chain(["shutdown.checkpoint_timeout=100ms".to_owned()]).collect();
    let set: Vec<_> = set.iter().flat_map(|setting| ["-s", setting]).collect();
    let plan = plan(&[], &[], &set);
    let phases: Vec<_> = plan["phases"]
        .as_array()
        .expect("phases")
        .iter()
        .map(|phase| (phase["name"].as_str().expect("text"), phase["bound_ms"].as_u64().expect("a number")))
        .collect();
    let expected = PhaseKind::ALL.iter().map(|&phase| (phase.name(), settings[phase.setting()]));
    let expected: Vec<_> = expected.collect();
    assert_eq!(phases, expected);
    let worst_case: u64 = expected.iter().map(|(_, ms)| ms).sum();
    assert_eq!(
        (&plan["worst_case_ms"], &plan["timeout_ms"], &plan["slack_ms"]),
        (&worst_case.into(), &25_000.into(), &(25_000 - worst_case).into())
    );
    for platform in ["terminationGracePeriodSeconds", "TimeoutStopSec"] {
        assert!(plan[platform].as_u64().expect("a number") > 25, "longer than the deadline");
    }
    assert_eq!(plan["warnings"].as_array().map(Vec::len), Some(OF_WINDOWS));

    let got = run(&[], &[], &["plan"]);
    let text = String::from_utf8(got.stdout).expect("text");
    assert_eq!(text, String::from_utf8(run(&[], &[], &["plan", "--format", "text"]).stdout).expect("text"));
    for part in [
        "drain",
        "10.0s",
        "callbacks",
        "flush-cache",
        "release",
        "store",
        "worst case",
        "16.0s",
        "25.0s",
        "slack",
        "9.0s",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    for part in ["terminationGracePeriodSeconds", "TimeoutStopSec"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert_eq!(text.matches("warning").count(), OF_WINDOWS, "{text}");
}

#[test]
fn the_plan_says_which_platforms_would_kill_by_default() {
    let text = |arguments: &[&str]| {
        let got = run(&[], &[], &[&["plan"], arguments].concat());
        String::from_utf8(got.stdout).expect("text")
    };
    let kills = "kills the exit before its worst case is over";
    let lines = |text: &str| -> Vec<(String, bool)> {
        let names = ["docker stop", "supervisord", "Kubernetes", "systemd"];
        let line = |name: &&str| {
            text.lines().find(|line| line.trim_start().starts_with(name) && line.contains(" s   "))
        };
        let found = names.iter().map(|name| (name.to_string(), line(name)));
        found.map(|(name, line)| (name, line.expect("a line").contains(kills))).collect()
    };
    let default = text(&[]);
    let who: Vec<_> = lines(&default).into_iter().filter(|(_, kills)| *kills).map(|(name, _)| name).collect();
    assert_eq!(who, ["docker stop", "supervisord"], "{default}");
    for seconds in ["10 s", "30 s", "90 s"] {
        assert!(default.contains(seconds), "{seconds} is missing in:\n{default}");
    }
    let short = text(&["-s", "shutdown.timeout=9s"]);
    assert!(!short.contains(kills), "{short}");
}

#[test]
fn the_plan_for_compose_is_what_a_compose_file_takes() {
    let got = run(&[], &[], &["plan", "--format", "compose", "-s", "shutdown.timeout=12500ms"]);
    let block = String::from_utf8(got.stdout).expect("text");
    for line in ["    stop_grace_period: 18s", "    stop_signal: SIGTERM", "    healthcheck:"] {
        assert!(block.lines().any(|found| found == line), "{line} is missing in:\n{block}");
    }
    // The file of this project has the same lines.
    let block = String::from_utf8(run(&[], &[], &["plan", "--format", "compose"]).stdout).expect("text");
    let file = include_str!("../config/deploy/compose.yaml");
    for line in block.lines().filter(|line| !line.trim_start().starts_with('#')) {
        assert!(file.lines().any(|found| found == line), "{line} is not in config/deploy/compose.yaml");
    }
}

#[test]
fn the_plan_for_kubernetes_has_the_ports_by_which_the_pod_is_reached() {
    let plan = |admin: &str, business: &str| {
        let set = [format!("servers.admin.bind={admin}"), format!("servers.business.bind={business}")];
        let got = run(&[], &[], &["plan", "--format", "kubernetes", "-s", &set[0], "-s", &set[1]]);
        assert_eq!(got.status.code(), Some(0));
        String::from_utf8(got.stdout).expect("text")
    };
    let several = plan("[\"unix:/run/a b.sock\", \"127.0.0.1:9001\", \"[::]:9000\"]", "localhost:7000");
    assert!(several.contains("            - name: admin\n              containerPort: 9000\n"), "{several}");
    assert!(
        several.contains("            - name: business\n              containerPort: 7000\n"),
        "{several}"
    );
    assert!(
        several.contains("nothing outside of the pod reaches servers.business.bind = \"localhost:7000\"")
    );
    assert!(several.contains("readinessProbe:"), "{several}");
    let none = plan("unix:/run/admin.sock", "0.0.0.0:0");
    assert!(!none.contains("orts:") && !none.contains("Port") && !none.contains("Probe:"), "{none}");
    for name in ["admin", "business"] {
        assert!(none.contains(&format!("# warning: servers.{name}.bind has no TCP address")), "{none}");
    }
}

#[test]
fn the_plan_speaks_the_language_of_the_log() {
    for (language, parts) in [
        ("zh", ["最坏情况", "总时限", "警告：各阶段时限合计", "强制结束"]),
        ("zh-Hant", ["最壞情況", "總時限", "警告：各階段時限合計", "強制結束"]),
    ] {
        let set = format!("log.language={language}");
        let got = run(&[], &[], &["plan", "-s", &set, "-s", "shutdown.drain_timeout=24s"]);
        let text = String::from_utf8(got.stdout).expect("text");
        for part in parts {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}

#[test]
fn an_admin_server_that_other_machines_reach_without_a_token_is_warned_of() {
    let warned = |arguments: &[&str]| {
        let got = run(&[], &[], &[&["plan"], arguments].concat());
        String::from_utf8(got.stdout).expect("text").contains("other machines reach the admin server")
    };
    assert!(warned(&["-s", "servers.admin.bind=0.0.0.0:8081"]));
    assert!(warned(&["-s", "servers.admin.bind=[\"127.0.0.1:8081\", \"[::]:8081\"]"]));
    for safe in ["127.0.0.1:8081", "[::1]:8081", "localhost:8081", "unix:/run/admin.sock"] {
        assert!(!warned(&["-s", &format!("servers.admin.bind={safe}")]), "{safe}");
    }
    assert!(!warned(&["-s", "servers.admin.bind=0.0.0.0:8081", "-s", "admin.token=a-token-of-20-letters"]));
    let ended = stop(App::start(&["servers.admin.bind=0.0.0.0:0"]));
    assert!(ended.has("other machines reach the admin server"), "at the start, too: {}", ended.text());
}

#[test]
fn phases_that_add_up_to_more_than_the_deadline_are_a_warning_and_no_error() {
    let long = ["-s", "shutdown.drain_timeout=24s"];
    let got = run(&[], &[], &[&["plan"], &long[..]].concat());
    assert_eq!(got.status.code(), Some(0));
    let text = String::from_utf8(got.stdout).expect("text");
    assert!(text.contains("warning") && text.contains("shutdown.timeout"), "{text}");
    let plan = plan(&[], &[], &long);
    assert_eq!(plan["warnings"].as_array().map(Vec::len), Some(1 + OF_WINDOWS));
    assert_eq!(plan["slack_ms"], -5_000);
    assert!(text.contains("-5.0s"), "{text}");

    let ended = stop(App::start(&["shutdown.drain_timeout=24s"]));
    assert_eq!(ended.code(), Some(0));
    assert!(ended.has("more than shutdown.timeout"), "at the start, too: {}", ended.text());
    assert!(!stop(App::start(&[])).has("more than shutdown.timeout"));
}

#[test]
fn the_binary_runs_from_any_folder_and_creates_what_is_missing() {
    let app = App::start(&["log.file=logs/of/today.log", "report.path=reports/exit.json"]);
    Client::put(app.business, "/cache/a", b"x");
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    for path in ["data/cache.db", "data/cache.spool.lock", "logs/of/today.log", "reports/exit.json"] {
        assert!(ended.folder.path().join(path).exists(), "{path} is not there");
    }
    let file = fs::read_to_string(ended.folder.path().join("logs/of/today.log")).expect("the log");
    assert!(file.contains("server started") && file.contains("shut down"), "{file}");

    let app = App::start(&["cache.store=sqlite://deep/er/store.db", "cache.spool=else/where/spool"]);
    Client::put(app.business, "/cache/a", b"x");
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(ended.folder.path().join("deep/er/store.db").exists());
    assert!(ended.folder.path().join("else/where").is_dir());
    assert!(!ended.folder.path().join("data").exists());
}

#[test]
fn the_language_is_by_the_environment_unless_it_is_set() {
    let language_of = |environment: &[(&str, &str)], settings: &[&str]| {
        let folder = folder();
        let mut command = App::command(folder.path());
        command.env_remove("LC_ALL").env_remove("LANG").envs(environment.iter().copied()).args(settings);
        let ended = stop(App::start_command(folder, command));
        if ended.has("Server 啟動") { "zh" } else { "en" }
    };
    assert_eq!(language_of(&[], &[]), "en");
    assert_eq!(language_of(&[("LANG", "zh_TW.UTF-8")], &[]), "zh");
    assert_eq!(language_of(&[("LC_ALL", "zh_CN"), ("LANG", "en_US")], &[]), "zh");
    assert_eq!(language_of(&[("LC_ALL", "C"), ("LANG", "zh_CN")], &[]), "en");
    assert_eq!(language_of(&[("LC_ALL", ""), ("LANG", "zh_CN")], &[]), "zh");
    assert_eq!(language_of(&[("LC_ALL", "zh_CN")], &["-s", "log.language=en"]), "en");
}
