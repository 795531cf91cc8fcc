//! The command line: its help, its completions, and `status` and `stop` against a running application.

use std::process::Output;

use crate::{
    settings::run,
    support::{App, Certificate, Client, bare, folder, output, stop},
};

/// A command against the application.
fn ask(app: &App, arguments: &[&str]) -> Output {
    let folder = folder();
    let mut command = bare(folder.path());
    command.args(arguments).args(["--url", &format!("http://{}", app.admin)]);
    output(command)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn the_help_describes_the_application() {
    let got = run(&[], &[], &["--help"]);
    let help = text(&got.stdout);
    assert_eq!(got.status.code(), Some(0));
    for part in [
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8081",
        "GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=8s",
        "-s KEY=VALUE",
        "graceful-exit config default",
        "graceful-exit stop --wait",
    ] {
        assert!(help.contains(part), "{part} is missing in:\n{help}");
    }
    for code in 0..=4 {
        assert!(help.lines().any(|line| line.starts_with(&format!("  {code}  "))), "{code}: {help}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_exit_code_1() {
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"], &["config", "default"], &["plan"]]
    {
        let folder = folder();
        let mut command = bare(folder.path());
        let full = std::fs::File::options().write(true).open("/dev/full").expect("the device");
        let got = command.args(arguments).stdout(full).output().expect("the binary starts");
        assert_eq!(got.status.code(), Some(1), "{arguments:?}");
        assert!(text(&got.stderr).contains("No space left"), "{arguments:?}: {}", text(&got.stderr));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_without_descriptors_is_told_so_and_does_not_panic() {
    let folder = folder();
    let mut command = std::process::Command::new("sh");
    let ours = bare(folder.path());
    command
        .args(["-c", "ulimit -n 7 && exec \"$0\" status --url http://127.0.0.1:1"])
        .arg(ours.get_program());
    let got = output(command);
    assert_eq!(got.status.code(), Some(4), "{}", text(&got.stderr));
    assert!(text(&got.stderr).contains("no descriptors are left"), "{}", text(&got.stderr));
}

#[test]
fn every_command_and_argument_is_described_in_every_language() {
    let commands: [&[&str]; 11] = [
        &[],
        &["run"],
        &["plan"],
        &["report"],
        &["config"],
        &["config", "show"],
        &["config", "check"],
        &["config", "default"],
        &["status"],
        &["stop"],
        &["completions"],
    ];
    for command in commands {
        for (locale, is_chinese) in [("C", false), ("zh_CN.UTF-8", true), ("zh_TW.UTF-8", true)] {
            let folder = folder();
            let mut help = bare(folder.path());
            help.env("LC_ALL", locale).args(command).arg("--help");
            let help = text(&output(help).stdout);
            // A line of an argument or a command is its name, two spaces or more, and its text.
            let lists = ["Commands:", "Options:", "Arguments:", "命令:", "选项:", "選項:", "参数:", "參數:"];
            let mut inside = false;
            for line in help.lines() {
                inside = if line.starts_with(' ') { inside } else { lists.contains(&line.trim()) };
                let Some(item) = line.strip_prefix("  ").filter(|_| inside) else { continue };
                let described = item.trim_start().split_once("  ").map(|(_, text)| text.trim());
                let described =
                    described.unwrap_or_else(|| panic!("{command:?}: {line:?} says nothing:\n{help}"));
                assert_eq!(described.chars().any(|c| c > '\u{3000}'), is_chinese, "{command:?}: {line}");
            }
        }
    }
}

#[test]
fn a_mistake_on_the_command_line_is_told_in_each_language() {
    let mistakes: [(&[&str], [&str; 3]); 9] = [
        (&["--formt"], ["unknown argument --formt", "未知的参数 --formt", "未知的參數 --formt"]),
        (&["plan", "--formt"], ["did you mean --format?", "是否指 --format？", "是否指 --format？"]),
        (
            &["plam"],
            [
                "unknown command plam; did you mean plan",
                "未知的命令 plam；是否指 plan",
                "未知的命令 plam；是否指 plan",
            ],
        ),
        (&["-c"], ["--config <FILE> needs a value", "--config <FILE> 缺少值", "--config <FILE> 缺少值"]),
        (
            &["plan", "--format", "xml"],
            [
                "xml is refused; allowed: text, json",
                "xml 不可用；允许：text, json",
                "xml 不可用；允許：text, json",
            ],
        ),
        (
            &["plan", "--grace-period", "soon"],
            ["soon is refused; allowed: 300ms", "soon 不可用；允许：300ms", "soon 不可用；允許：300ms"],
        ),
        (&["report"], ["<FILE> is missing", "缺少 <FILE>", "缺少 <FILE>"]),
        (&["status", "--url", "a:1", "--url", "b:1"], ["more than once", "重复", "重複"]),
        (
            &["stop", "--wait=yes"],
            ["yes is refused; it takes no value", "yes 不可用；它不带值", "yes 不可用；它不帶值"],
        ),
    ];
    for (arguments, parts) in mistakes {
        for (locale, part) in ["C", "zh_CN.UTF-8", "zh_TW.UTF-8"].into_iter().zip(parts) {
            let folder = folder();
            let mut command = bare(folder.path());
            command.env("LC_ALL", locale).args(arguments);
            let got = output(command);
            let said = text(&got.stderr);
            assert_eq!((got.status.code(), got.stdout.len()), (Some(2), 0), "{arguments:?}: {said}");
            assert!(said.contains(part), "{arguments:?}, {locale}: {part} is missing in:\n{said}");
            assert!(said.lines().all(|line| line.starts_with("graceful-exit: ")), "{said}");
        }
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let got = run(&[], &[], &["completions", shell]);
        assert_eq!(got.status.code(), Some(0));
        assert!(text(&got.stdout).contains("grace-period"), "{shell}");
    }
    assert_eq!(run(&[], &[], &["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn the_status_of_an_application_is_told_by_its_text_and_its_exit_code() {
    let app = App::start(&[]);
    let _request = app.in_flight("/slow?ms=60000");
    let serving = ask(&app, &["status"]);
    let shown = text(&serving.stdout);
    assert_eq!(serving.status.code(), Some(0), "{}", text(&serving.stderr));
    assert!(shown.starts_with("serving\n"), "{shown}");
    for part in ["server admin", "server business", "1 in flight", "GET /slow"] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    let json = ask(&app, &["status", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["phase"], "running");

    app.signal_to_stop();
    app.wait_for_phase("drain");
    let exiting = ask(&app, &["status"]);
    assert_eq!(exiting.status.code(), Some(3));
    assert!(text(&exiting.stdout).starts_with("exiting: drain, "), "{}", text(&exiting.stdout));

    for (locale, words) in [
        ("zh_CN.UTF-8", ["正在退出：等待请求完结", "回调 flush-cache  未开始"]),
        ("zh_TW.UTF-8", ["正在關閉：等待請求完結", "回呼 flush-cache  未開始"]),
    ] {
        let folder = folder();
        let mut command = bare(folder.path());
        command.env("LC_ALL", locale).args(["status", "--url", &app.admin.to_string()]);
        let shown = text(&output(command).stdout);
        assert!(words.into_iter().all(|word| shown.contains(word)), "{locale}: {shown}");
    }

    let address = app.admin;
    drop(app);
    let gone = run(&[], &[], &["status", "--url", &address.to_string()]);
    assert_eq!((gone.status.code(), gone.stdout.len()), (Some(4), 0));
    assert!(
        text(&gone.stderr).contains(&format!("http://{address} does not answer")),
        "{}",
        text(&gone.stderr)
    );
}

#[test]
fn the_address_and_the_token_are_those_of_the_settings() {
    let token = "admin.token=a-token-of-20-letters";
    let app = App::start(&[token, "admin.token_for_reads=true"]);
    let bind = format!("servers.admin.bind={}", app.admin);
    let with = run(&[], &[], &["status", "-s", &bind, "-s", token]);
    assert_eq!(with.status.code(), Some(0), "{}", text(&with.stderr));
    let file = run(
        &[("token", "a-token-of-20-letters\n")],
        &[],
        &["status", "-s", &bind, "-s", "admin.token_file=token"],
    );
    assert_eq!(file.status.code(), Some(0), "{}", text(&file.stderr));
    let without = run(&[], &[], &["status", "-s", &bind]);
    assert_eq!(without.status.code(), Some(4));
    assert!(text(&without.stderr).contains("401"), "{}", text(&without.stderr));
    let unknown = run(&[], &[], &["stop", "-s", "servers.admin.bind=127.0.0.1:0"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("--url"), "{}", text(&unknown.stderr));
    // A server that is another one's is no application.
    let foreign = run(&[], &[], &["status", "--url", &app.business.to_string()]);
    assert_eq!(foreign.status.code(), Some(4));
    assert_eq!(stop(app).code(), Some(0));
}

/// Neither its name nor who has signed it matters: it is the certificate that the settings name.
#[test]
fn an_admin_server_with_tls_is_known_by_the_certificate_of_the_settings() {
    let certificate = Certificate::new(&["admin.example"]);
    let [tls, key] = certificate.settings("admin");
    let app = App::start(&[&tls, &key]);
    let with = |settings: &[String], arguments: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["-s", setting]);
        run(&[], &[], &arguments.iter().copied().chain(settings).collect::<Vec<_>>())
    };
    let ours = [format!("servers.admin.bind={}", app.admin), tls, key];
    let serving = with(&ours, &["status"]);
    assert_eq!(serving.status.code(), Some(0), "{}", text(&serving.stderr));
    let url = format!("https://{}", app.admin);
    assert_eq!(with(&ours, &["status", "--url", &url]).status.code(), Some(0));

    let gone = Certificate::new(&["admin.example"]);
    let (path, other) = (gone.certificate().display().to_string(), gone.settings("admin"));
    drop(gone);
    for (name, settings, code, said) in [
        ("none", &[][..], 2, "servers.admin.tls.certificate is not set"),
        ("a certificate that is gone", &other, 4, &path),
    ] {
        let got = with(settings, &["status", "--url", &url]);
        assert_eq!(got.status.code(), Some(code), "{name}: {}", text(&got.stderr));
        assert!(text(&got.stderr).contains(said), "{name}: {}", text(&got.stderr));
    }
    let other = Certificate::new(&["admin.example"]);
    let got = with(&other.settings("admin"), &["status", "--url", &url]);
    assert_eq!(got.status.code(), Some(4));
    assert!(text(&got.stderr).contains("the server has another certificate"), "{}", text(&got.stderr));
    // Over plain HTTP, a server with TLS does not answer.
    assert_eq!(run(&[], &[], &["status", "--url", &app.admin.to_string()]).status.code(), Some(4));

    let stopped = with(&ours, &["stop", "--wait"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped.stderr));
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn stop_starts_the_exit_and_returns() {
    let app = App::start(&[]);
    let mut request = app.in_flight("/slow?ms=300");
    let got = ask(&app, &["stop"]);
    assert_eq!(got.status.code(), Some(0), "{}", text(&got.stderr));
    assert_eq!(request.read().expect("an answer").text(), "done");
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));
    assert!(ended.report()["reason"].as_str().is_some_and(|reason| reason.starts_with("POST /shutdown")));
}

#[test]
fn stop_and_wait_ends_with_the_exit_code_of_the_application() {
    for (settings, code, outcome) in [
        (&[][..], 0, "clean"),
        (&["shutdown.drain_timeout=100ms", "exit_codes.incomplete=33"], 33, "incomplete"),
        (&["shutdown.timeout=200ms", "exit_codes.timed_out=44"], 44, "timed out"),
    ] {
        let app = App::start(settings);
        let _request = (code != 0).then(|| app.in_flight("/slow?ms=60000"));
        let got = ask(&app, &["stop", "--wait"]);
        assert_eq!(got.status.code(), Some(code), "{outcome}: {}", text(&got.stderr));
        assert_eq!(app.wait().code(), Some(code));
        assert!(!got.stdout.is_empty(), "it says how it ended");
    }
}

#[test]
fn stop_and_wait_sees_the_end_of_an_application_whose_admin_server_closes_first() {
    for (settings, code) in [
        (&["servers.admin.stop=first", "demo.flush_delay=300ms"][..], 0),
        (&["servers.admin.stop=first", "shutdown.drain_timeout=100ms", "demo.flush_delay=300ms"], 3),
        (&["servers.admin.stop=first", "shutdown.timeout=200ms", "exit_codes.timed_out=44"], 44),
    ] {
        let app = App::start(settings);
        let _request = (code != 0).then(|| app.in_flight("/slow?ms=60000"));
        let got = ask(&app, &["stop", "--wait"]);
        assert_eq!(got.status.code(), Some(code), "{settings:?}: {}", text(&got.stderr));
        assert_eq!(app.wait().code(), Some(code), "{settings:?}");
    }
}

#[test]
fn stop_and_wait_says_where_an_application_was_killed_before_its_end() {
    let app = App::start(&[]);
    let _request = app.in_flight("/slow?ms=60000");
    let address = app.admin.to_string();
    let waiting = std::thread::spawn(move || run(&[], &[], &["stop", "--wait", "--url", &address]));
    app.wait_for_phase("drain");
    drop(app.kill());
    let got = waiting.join().expect("no panic");
    assert_eq!(got.status.code(), Some(4));
    assert!(text(&got.stderr).contains("did not say how its exit ended"), "{}", text(&got.stderr));
}

#[test]
fn stop_and_wait_starts_no_exit_where_it_cannot_follow_it() {
    let app = App::start(&["admin.max_streams=1"]);
    let mut stream = Client::connect(app.admin);
    stream.send("GET", "/events", &[]).expect("it is sent");
    assert_eq!(stream.read_head().expect("an answer").0, 200);
    let got = ask(&app, &["stop", "--wait"]);
    assert_eq!(got.status.code(), Some(4));
    assert!(text(&got.stderr).contains("admin.max_streams"), "{}", text(&got.stderr));
    assert_eq!(app.status()["phase"], "running");
    drop(stream);
    assert_eq!(stop(app).code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_asked_as_well() {
    let folder = folder();
    let socket = folder.path().join("admin.sock");
    let bind = format!("servers.admin.bind=[\"127.0.0.1:0\", \"unix:{}\"]", socket.display());
    let mut command = App::command(folder.path());
    let token = "admin.token=a-token-of-20-letters";
    command.args(["-s", &bind, "-s", token]);
    let app = App::start_command(folder, command);
    let url = format!("unix:{}", socket.display());
    assert!(app.log_text().contains(&format!("server admin listens on {url}\n")), "{}", app.log_text());
    let status = run(&[], &[], &["status", "--url", &url]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    let stopped = run(&[], &[], &["stop", "--wait", "--url", &url, "-s", token]);
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped.stderr));
    assert_eq!(app.wait().code(), Some(0));
}
