//! Output on a terminal: the drawing of `plan`, and the progress bar under the log.

use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Client, bare, folder, output, tools::tool, wait_until};

/// A command that runs the application on a pseudo-terminal.
fn on_a_terminal(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new("script");
    let line = format!("stty cols 100; exec {} {arguments}", env!("CARGO_BIN_EXE_graceful-exit"));
    command.args(["-qefc", &line, "/dev/null"]).current_dir(folder);
    command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

#[test]
fn the_plan_is_drawn_only_on_a_terminal() {
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
fn the_progress_bar_is_below_the_log_and_is_erased_at_the_end() {
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

    // The bar was drawn, and each log line is on a line of its own: the bar was erased before it.
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
