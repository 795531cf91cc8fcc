//! A signal ends a start that is blocked, whatever blocks it.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use tempfile::TempDir;

use crate::support::{
    App, PAST_COALESCE, bare, folder, side_by_side,
    tools::{find, runs_long_rows, skipped},
    wait_until,
};

/// What blocks a start.
const BLOCKED: [&str; 6] = [
    "a settings file that is a FIFO without a writer",
    "settings on a standard input that stays open",
    "a log file that is a FIFO without a reader",
    "a name server that does not answer for an address",
    "a name server that does not answer for the store",
    "a store that does not answer",
];

/// What has to stay open for it.
type Held = Vec<OwnedFd>;

/// Starts the application with something that blocks it, and waits until it catches signals.
fn blocked(by: &str) -> Option<(App, Held)> {
    let folder = folder();
    let mut command = App::command(folder.path());
    let mut held = Held::new();
    match by {
        "a settings file that is a FIFO without a writer" => {
            command.arg("-c").arg(fifo(&folder));
        }
        "settings on a standard input that stays open" => {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            command.arg("-c").arg("/dev/stdin").stdin(reader);
            held.push(writer.into());
        }
        "a log file that is a FIFO without a reader" => {
            command.arg("-s").arg(format!("log.file={}", fifo(&folder).display()));
        }
        "a name server that does not answer for an address" => {
            let server = mute_name_server(&folder, by)?;
            command.arg("-s").arg("servers.business.bind=never.example:80");
            command = with_name_server(&folder, &command);
            held.push(server.into());
        }
        "a name server that does not answer for the store" => {
            let server = mute_name_server(&folder, by)?;
            command.arg("-s").arg("cache.store=postgres://user@never.example/none");
            command = with_name_server(&folder, &command);
            held.push(server.into());
        }
        "a store that does not answer" => {
            let store = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = store.local_addr().expect("an address");
            command.arg("-s").arg(format!("cache.store=postgres://user@{address}/none"));
            held.push(store.into());
        }
        other => panic!("{other}"),
    }
    let app = App::spawn(folder, command);
    wait_until("it catches signals", || has_thread(app.id(), "hard-stop"));
    Some((app, held))
}

pub(super) fn fifo(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    path
}

/// A name server on the loopback device that takes questions and answers none; each test has an address of its own.
fn mute_name_server(folder: &TempDir, test: &str) -> Option<UdpSocket> {
    let server = (1..255).find_map(|last| {
        let address = std::net::Ipv4Addr::new(127, 53, 0, last);
        Some((UdpSocket::bind((address, 53)).ok()?, address))
    });
    let Some((server, address)) = server.filter(|_| find("unshare").is_some()) else {
        skipped(test, "only root may listen on port 53");
        return None;
    };
    let resolver = format!("nameserver {address}\noptions timeout:30 attempts:2\n");
    fs::write(folder.path().join("resolv.conf"), resolver).expect("a file");
    Some(server)
}

/// The same command in a mount namespace of its own, where the name server is the mute one.
fn with_name_server(folder: &Arc<TempDir>, command: &Command) -> Command {
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\""]);
    inside.arg(folder.path().join("resolv.conf")).arg(command.get_program()).args(command.get_args());
    inside.current_dir(folder.path()).stdin(Stdio::null()).env("LC_ALL", "C");
    crate::support::signals::all_default(&mut inside);
    inside
}

pub(super) fn has_thread(process: u32, name: &str) -> bool {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    tasks.into_iter().any(|task| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|command| command.trim_end() == name)
    })
}

/// Each is blocked for longer than the test waits for its end.
#[test]
fn the_first_signal_ends_a_blocked_start_with_code_0() {
    side_by_side(&BLOCKED, |by| {
        let Some((app, held)) = blocked(by) else { return };
        app.signal(libc::SIGTERM);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(0), "{by}: {}: {}", ended.status, ended.text());
        drop(held);
    });
}

/// The first one alone would end it with the code 0.
#[test]
fn the_second_signal_ends_a_blocked_start_at_once() {
    side_by_side(&BLOCKED[..2], |by| {
        let Some((app, held)) = blocked(by) else { return };
        app.signal(libc::SIGTERM);
        thread::sleep(PAST_COALESCE);
        app.signal(libc::SIGINT);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(1), "{by}: {}: {}", ended.status, ended.text());
        drop(held);
    });
}

/// The system asks the name server for longer than this test waits.
#[test]
fn a_name_server_that_does_not_answer_keeps_no_command_from_its_end() {
    let test = "a name server that does not answer `status`";
    if !runs_long_rows(test) {
        return;
    }
    let folder = folder();
    let Some(server) = mute_name_server(&folder, test) else { return };
    let mut command = bare(folder.path());
    command.args(["status", "--url", "http://never.example:80"]);
    let ended = App::run(&folder, with_name_server(&folder, &command));
    assert_eq!(ended.code(), Some(4), "{}", ended.text());
    assert!(ended.has("http://never.example:80 does not answer"), "{}", ended.text());
    drop(server);
}

#[test]
fn a_signal_that_the_settings_leave_out_has_its_default_effect_though_it_came_before_them() {
    let folder = folder();
    let fifo = fifo(&folder);
    let mut command = App::command(folder.path());
    command.arg("-c").arg(&fifo);
    let app = App::spawn(folder, command);
    // Returns once the application has opened the other end: it is reading its settings.
    let settings = fs::File::options().write(true).open(&fifo).expect("the other end");
    app.signal(libc::SIGHUP);
    std::io::Write::write_all(&mut &settings, b"[shutdown]\nsignals = [\"SIGTERM\"]\n").expect("it reads");
    drop(settings);
    let ended = app.wait();
    let by = std::os::unix::process::ExitStatusExt::signal(&ended.status);
    assert_eq!(by, Some(libc::SIGHUP), "{}: {}", ended.status, ended.text());
}
