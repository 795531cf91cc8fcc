//! Signals at any instant of the start-up.

use std::{
    fs::File,
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime},
};

use crate::support::{App, Client, Ended, PAST_COALESCE, folder};

/// How long after a signal during the start the process ends, whatever it is doing.
const HARD_STOP_DURING_START: Duration = Duration::from_millis(500);

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}

/// The number of instants of the start-up that are tried.
const INSTANTS: u64 = 20;

#[test]
fn a_signal_at_any_instant_of_the_start_up_ends_it_in_order() {
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
    let mut random = u64::try_from(seed & 0xffff_ffff_ffff).expect("48 bits");
    println!("seed {random}");
    let started = Instant::now();
    drop(App::start(&[]));
    let whole = started.elapsed();
    for _ in 0..INSTANTS {
        // Knuth's generator: the upper bits are good enough.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = Duration::from_nanos(u64::try_from(whole.as_nanos()).unwrap_or(0) / 1000 * (random >> 54));
        a_signal_after(part);
    }
}

/// Sends a signal `part` after the process's start: perhaps before `main`, perhaps after the start-up.
fn a_signal_after(part: Duration) {
    let folder = folder();
    let ports = [free_port(), free_port()];
    let command = || {
        let mut command = App::command(folder.path());
        command.args(["-s", &format!("servers.admin.bind={}", ports[0])]);
        command.args(["-s", &format!("servers.business.bind={}", ports[1])]);
        command
    };
    let started = Instant::now();
    let app = App::spawn(folder.clone(), command());
    sleep_until(started + part);
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    in_order(&ended, part);
    nothing_left(&ended, signalled);

    for port in ports {
        TcpListener::bind(port)
            .unwrap_or_else(|error| panic!("after {part:?}, {port} is still taken: {error}"));
    }
    let next = App::start_command(folder.clone(), command());
    assert_eq!(Client::get(next.business, "/").status, 200, "after {part:?}");
    next.signal(libc::SIGTERM);
    assert_eq!(next.wait().code(), Some(0), "after {part:?}");
}

fn in_order(ended: &Ended, part: Duration) {
    if ended.status.signal() == Some(libc::SIGTERM) {
        // Before `main`, nothing has been done.
        assert_eq!(ended.text(), "", "after {part:?}");
        let left = ended.folder.path().read_dir().expect("a folder").count();
        assert_eq!(left, 0, "killed by the signal after {part:?}, though it had begun");
    } else {
        assert_eq!(ended.code(), Some(0), "after {part:?}: {}", ended.text());
    }
    let report = ended.folder.path().join("report.json");
    if report.exists() {
        assert_eq!(ended.report()["outcome"], "clean");
    }
}

/// Checks that no temporary file and no spool is left, unless the hard stop may have ended the process: on a machine that
/// is too busy to take all of it back within half a second.
fn nothing_left(ended: &Ended, signalled: Instant) {
    if ended.at >= signalled + HARD_STOP_DURING_START {
        return;
    }
    let folder = ended.folder.path();
    for folder in [folder, &folder.join("data")] {
        for entry in folder.read_dir().into_iter().flatten() {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            let expected = ["data", "report.json", "cache.db", "cache.spool.lock"];
            assert!(expected.contains(&name.as_str()), "{name} was left behind");
        }
    }
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// The application while it opens a store whose server has accepted its connection and never answers.
fn opening_a_store() -> (App, TcpListener, TcpStream) {
    let mute_server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = mute_server.local_addr().expect("an address");
    let folder = folder();
    let mut command = App::command(folder.path());
    command.args(["-s", &format!("cache.store=postgres://user@{address}/none")]);
    let app = App::spawn(folder, command);
    let (connection, _) = mute_server.accept().expect("it connects");
    (app, mute_server, connection)
}

#[test]
fn a_signal_while_the_store_takes_long_to_open_ends_the_start_at_once() {
    let (app, _mute_server, _connection) = opening_a_store();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    // Had it waited for the connection, that would have failed, with the code 4.
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    nothing_left(&ended, signalled);
}

#[test]
fn a_signal_while_the_settings_are_read_waits_until_it_can_be_handled() {
    let folder = folder();
    let fifo = folder.path().join("settings.toml");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    let mut command = App::command(folder.path());
    command.arg("-c").arg(&fifo);
    let app = App::spawn(folder, command);
    // Returns once the application has opened the other end: it is reading its settings.
    let mut settings = File::options().write(true).open(&fifo).expect("the other end");
    app.signal(libc::SIGTERM);
    thread::sleep(PAST_COALESCE);
    settings.write_all(b"[shutdown]\ntimeout = \"20s\"\n").expect("it still reads");
    drop(settings);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}: {}", ended.status, ended.text());
}

#[test]
fn a_second_signal_during_the_start_up_does_not_leave_it_hanging() {
    let (app, _mute_server, _connection) = opening_a_store();
    app.signal(libc::SIGTERM);
    app.signal(libc::SIGINT);
    let ended = app.wait();
    assert!(matches!(ended.code(), Some(0 | 1)), "{:?}: {}", ended.status, ended.text());
}
