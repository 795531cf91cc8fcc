//! A signal while a failed start is being reported, or while a command prints what nothing reads.

use std::{
    fs::File,
    io::Write,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    process::Command,
};

use super::blocked::{fifo, has_thread};
use crate::support::{App, bare, folder, side_by_side, wait_until};

/// An output that takes nothing, with the other end, which reads nothing.
fn full_output() -> (OwnedFd, UnixStream) {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("an open socket");
    while ours.write(&[b'x'; 4096]).is_ok() {}
    while ours.write(b"x").is_ok() {}
    ours.set_nonblocking(false).expect("an open socket");
    (ours.into(), theirs)
}

fn is_blocked_on(process: u32, output: u32) -> bool {
    // Its first fields are the number of the call and its first argument. A kernel may not have it.
    let call = std::fs::read_to_string(format!("/proc/{process}/syscall"));
    call.is_ok_and(|call| call.split(' ').nth(1) == Some(&format!("{output:#x}")))
}

#[test]
fn a_signal_ends_a_command_whose_output_is_blocked() {
    let commands: [(&[&str], u32); 5] = [
        (&["--help"], 1),
        (&["--version"], 1),
        (&["run", "--help"], 1),
        (&["--no-such-argument"], 2),
        (&["config", "default"], 1),
    ];
    side_by_side(&commands, |(arguments, output)| {
        let folder = folder();
        let mut command = bare(folder.path());
        let (full, _reader) = full_output();
        command.args(*arguments).stdout(full.try_clone().expect("a descriptor")).stderr(full);
        let mut child = command.spawn().expect("the binary starts");
        drop(command);
        wait_until("it is blocked", || is_blocked_on(child.id(), *output));
        terminate(child.id());
        let mut status = None;
        wait_until("it ends", || {
            status = child.try_wait().expect("a child");
            status.is_some()
        });
        assert_eq!(status.and_then(|status| status.signal()), Some(libc::SIGTERM), "{arguments:?}");
    });
}

fn terminate(process: u32) {
    let kill = Command::new("kill").args(["-TERM", &process.to_string()]).status();
    assert!(kill.expect("kill").success());
}

#[test]
fn a_signal_before_wrong_settings_does_not_kill_the_process_that_reports_them() {
    let folder = folder();
    let fifo = fifo(&folder);
    let mut command = App::command(folder.path());
    command.arg("-c").arg(&fifo);
    let app = App::spawn(folder, command);
    // Returns once the application has opened the other end: it is reading its settings.
    let mut settings = File::options().write(true).open(&fifo).expect("the other end");
    app.signal(libc::SIGTERM);
    settings.write_all(b"[shutdown]\ntimeout = 0\n").expect("it reads");
    drop(settings);
    let ended = app.wait();
    match ended.code() {
        Some(2) => assert!(ended.has("shutdown.timeout"), "{}", ended.text()),
        // On a machine so busy that the half second for the start was over first.
        code => assert_eq!(code, Some(0), "{}: {}", ended.status, ended.text()),
    }
}

/// Reasons for a start to fail: before the log, before the servers, and while they are bound.
const FAILURES: [&str; 3] = ["log.file", "cache.spool", "servers.business.bind"];

#[test]
fn a_signal_while_a_start_fails_leaves_its_message_and_its_code_or_is_a_signal_during_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for key in FAILURES {
        for _ in 0..5 {
            let folder = folder();
            let value = if key == "servers.business.bind" { &address } else { "." };
            let mut command = App::command(folder.path());
            command.args(["-s", &format!("{key}={value}")]);
            let app = App::spawn(folder, command);
            wait_until("it catches signals", || {
                has_thread(app.id(), "hard-stop") || !app.log_text().is_empty()
            });
            app.signal(libc::SIGTERM);
            let ended = app.wait();
            match ended.code() {
                Some(4) => assert!(ended.has(value), "{key}: {}", ended.text()),
                code => assert_eq!(code, Some(0), "{key}: {}: {}", ended.status, ended.text()),
            }
        }
    }
}

#[test]
fn a_signal_ends_a_failed_start_whose_message_is_blocked() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let bind = format!("servers.business.bind={}", taken.local_addr().expect("an address"));
    for setting in ["shutdown.timeout=0", "log.file=.", &bind] {
        let folder = folder();
        let mut command = App::command(folder.path());
        let (full, _reader) = full_output();
        command.args(["-s", setting]).stderr(full);
        let mut child = command.spawn().expect("the binary starts");
        drop(command);
        wait_until("it catches signals", || has_thread(child.id(), "hard-stop"));
        terminate(child.id());
        let status = child.wait().expect("a child");
        assert!(matches!(status.code(), Some(0 | 4)), "{setting}: {status}");
    }
}
