//! What a person reads of an exit: `report`, `plan`, the end of the log, and the bar on a terminal.

use std::{
    io::Read,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::{App, Client, bare, folder, output, stop, tools::tool, wait_until};

fn report(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = bare(folder);
    command.arg("report").args(arguments);
    output(command)
}

#[test]
fn a_report_reads_as_the_log_ended() {
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
fn a_log_without_a_summary_ends_as_it_did() {
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

/// What a command writes to a terminal of its own.
fn on_a_terminal(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new("script");
    let line = format!("stty cols 100; exec {} {arguments}", env!("CARGO_BIN_EXE_graceful-exit"));
    command.args(["-qefc", &line, "/dev/null"]).current_dir(folder);
    command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

#[test]
fn a_plan_is_drawn_on_a_terminal_alone() {
    if tool("script", "the plan on a terminal").is_none() {
        return;
    }
    let folder = folder();
    let drawn = output(on_a_terminal(folder.path(), "plan"));
    let drawn = String::from_utf8(drawn.stdout).expect("text");
    assert!(drawn.contains("\u{1b}[36m██") && drawn.contains("slack"), "{drawn}");
    let mut command = bare(folder.path());
    command.arg("plan");
    let piped = String::from_utf8(output(command).stdout).expect("text");
    assert!(!piped.contains('█') && !piped.contains('\u{1b}'), "{piped}");
}

#[test]
fn a_bar_waits_under_the_log_and_is_gone_at_the_end() {
    if tool("script", "the bar on a terminal").is_none() {
        return;
    }
    let folder = folder();
    let settings = "-s servers.admin.bind=127.0.0.1:0 -s servers.business.bind=127.0.0.1:0 \
                    -s shutdown.drain_timeout=1500ms -s shutdown.progress_interval=400ms";
    let mut command = on_a_terminal(folder.path(), settings);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("script starts");
    let mut pipe = child.stdout.take().expect("a pipe");
    let mut screen = String::new();
    let mut read_more = |screen: &mut String| {
        let mut bytes = [0; 4096];
        let count = pipe.read(&mut bytes).unwrap_or(0);
        screen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    };
    wait_until("it serves", || read_more(&mut screen) && screen.contains("server started"));
    let port_of = |server: &str| {
        let line =
            screen.lines().find(|line| line.contains(&format!("server {server} listens"))).expect("a line");
        line.rsplit("http://").next().and_then(|it| it.trim().parse().ok()).expect("an address")
    };
    let (admin, business) = (port_of("admin"), port_of("business"));
    let mut client = Client::connect(business);
    client.send("GET", "/slow?ms=60000", &[]).expect("the request is sent");
    wait_until("it is in flight", || Client::get(admin, "/status").text().contains("\"/slow\""));
    Client::request(admin, "POST", "/shutdown", &[("Content-Length", "0")], b"");
    while read_more(&mut screen) {}
    child.wait().expect("it ends");

    // The bar came, and each of the log's lines stands on a line of its own: what was there before was erased.
    assert!(screen.contains("█"), "{screen}");
    let lines: Vec<_> = screen.lines().map(|line| line.rsplit("\u{1b}[2K").next().unwrap_or(line)).collect();
    for text in [
        "waiting for the requests in flight",
        "closing the servers",
        "server admin is closed",
        "the exit was incomplete",
    ] {
        let line =
            lines.iter().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {screen}"));
        let line = line.trim_start_matches("\u{1b}[33m").trim_start_matches('\r');
        assert!(line.starts_with("20"), "{line:?}");
    }
    let last = screen.rsplit('\n').next().unwrap_or_default();
    assert!(last.is_empty() || last.ends_with("\u{1b}[2K"), "the bar is still there: {last:?}");
}
