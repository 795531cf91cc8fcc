//! A log that cannot be written: the flush runs, the exit is in time, and the loss is reported where that is possible.

use std::{
    fs::{self, File},
    io::{self, Read},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    stage::{Disk, FORCED, Mute, put, stored},
    system,
};
use crate::support::{App, Client, PAST_COALESCE, Watch, folder, report, wait_until};

/// Checks that the application serves, flushes, and exits in about the time that it needs with a working log.
fn exits(row: &str, prepare: impl FnOnce(&mut Command), fault: impl FnOnce()) {
    let mut mute = serve(prepare, &[]);
    put(mute.business, "key", "value");
    let mut request = Client::connect(mute.business);
    request.send("GET", "/slow?ms=300", &[]).expect("it is sent");
    fault();
    let watch = Watch::start();
    let signalled = system::kill(mute.id(), libc::SIGTERM);
    assert!(request.read().is_ok_and(|response| [200, 503].contains(&response.status)), "{row}");
    let (status, at) = mute.wait();
    watch.check(row, at - signalled, Duration::from_secs(2));
    assert_eq!(status.code(), Some(0), "{row}: {}", mute.log_text());
    let folder = mute.folder.path();
    assert_eq!(report(&folder.join("report.json"))["outcome"], "clean", "{row}");
    assert_eq!(stored(&folder.join("data/cache.db"))["key"], "value", "{row}");
    assert!(mute.log_text().contains("shut down"), "{row}: the file has all of it");
}

/// Starts the application with a verbose log, so that there are lines to block on.
fn serve(prepare: impl FnOnce(&mut Command), settings: &[&str]) -> Mute {
    let folder = folder();
    let mut command = App::command(folder.path());
    for setting in [&["shutdown.progress_interval=100ms"], settings].concat() {
        command.args(["-s", setting]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    prepare(&mut command);
    Mute::start(folder, command)
}

#[test]
fn standard_output_and_error_are_closed() {
    exits("closed", system::closed_outputs, || ());
}

#[test]
fn standard_error_is_a_full_device() {
    let full = || File::options().write(true).open("/dev/full").expect("/dev/full");
    exits(
        "/dev/full",
        |command| {
            command.stdout(full()).stderr(full());
        },
        || (),
    );
}

#[test]
fn standard_error_is_a_full_pipe_without_a_reader() {
    let (unread, full) = io::pipe().expect("a pipe");
    system::fill(&full);
    exits(
        "a full pipe",
        |command| {
            command.stderr(full);
        },
        || (),
    );
    drop(unread);
}

#[test]
fn a_second_signal_with_a_full_pipe() {
    let (unread, full) = io::pipe().expect("a pipe");
    system::fill(&full);
    let mut mute = serve(
        |command| {
            command.stderr(full);
        },
        &["shutdown.drain_timeout=60s"],
    );
    let mut request = Client::connect(mute.business);
    request.send("GET", "/slow?ms=60000", &[]).expect("it is sent");
    wait_until("it is in flight", || Client::get(mute.admin, "/status").text().contains("/slow"));
    system::kill(mute.id(), libc::SIGTERM);
    wait_until("it drains", || mute.log_text().contains("waiting for the requests"));
    std::thread::sleep(PAST_COALESCE);
    let watch = Watch::start();
    let second = system::kill(mute.id(), libc::SIGTERM);
    let (status, at) = mute.wait();
    watch.check("the second signal", at - second, FORCED);
    assert_eq!(status.code(), Some(1), "{}", mute.log_text());
    drop(unread);
}

#[test]
fn the_reader_of_standard_error_leaves() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    // `2>&1 | head -1`
    let leave = move || {
        reader.read_exact(&mut [0; 20]).expect("a line has begun");
        drop(reader);
    };
    exits(
        "head -1",
        |command| {
            command.stderr(writer);
        },
        leave,
    );
}

#[test]
fn the_terminal_goes_away() {
    let (user_side, process) = system::terminal();
    let leave = move || drop(user_side);
    exits(
        "a terminal",
        |command| {
            let output = process.try_clone().expect("a descriptor");
            command.stdout(output).stderr(process);
        },
        leave,
    );
}

#[test]
fn the_disk_of_the_log_file_is_full() {
    let folder = Arc::new(TempDir::new().expect("a folder"));
    let row = "the log file's disk is full";
    let Some(disk) = Disk::mount(row, folder.path().join("disk"), "64k") else { return };
    let mut command = App::command(folder.path());
    command.args(["-s", &format!("log.file={}", disk.path("log.txt"))]);
    let app = App::start_command(Arc::clone(&folder), command);
    put(app.business, "key", "value");
    disk.fill();
    let mut request = app.in_flight("/slow?ms=1500");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    assert_eq!(request.read().expect("it is answered").status, 200);
    let ended = app.wait();
    watch.check(row, ended.at - signalled, Duration::from_secs(3));
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(stored(&folder.path().join("data/cache.db"))["key"], "value");
    let file = fs::read_to_string(disk.path("log.txt")).expect("the file is there");
    if !file.contains("shut down") {
        assert!(
            ended.has("log.txt") && ended.has("No space left"),
            "standard error reports it: {}",
            ended.text()
        );
    }
}
