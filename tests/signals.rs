//! What starts the exit, and what forces it.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

use crate::support::{
    App, Client, Ended, folder, side_by_side,
    signals::{self, ALL},
};

/// Past `shutdown.coalesce`.
const LATER: Duration = Duration::from_millis(80);

/// What a forced exit may take, for the median of many: the guard ends it after 100 ms at the latest.
const AT_ONCE: Duration = Duration::from_millis(200);

const QUICK: &str = "shutdown.timeout=60s";

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}

#[test]
fn every_signal_of_the_list_starts_the_exit() {
    side_by_side(&ALL, |&(name, signal)| {
        let app = App::start(&[]);
        let mut request = app.in_flight("/slow?ms=300");
        app.signal(signal);
        assert_eq!(request.read().expect("the request in flight is answered").status, 200, "{name}");
        let ended = app.wait();
        assert_eq!(ended.code(), Some(0), "{name}: {}", ended.text());
        assert_eq!(ended.report()["reason"], name);
        assert_eq!(ended.report()["outcome"], "clean", "{name}");
    });
}

#[test]
fn a_second_signal_of_the_same_or_another_kind_forces_at_once() {
    let same = ALL.iter().map(|&(_, signal)| (signal, signal));
    let other = ALL.iter().zip(ALL.iter().cycle().skip(1)).map(|(&(_, first), &(_, second))| (first, second));
    let mut times: Vec<_> = same.chain(other).map(|(first, second)| time_to_force(first, second)).collect();
    times.sort_unstable();
    assert!(times[times.len() / 2] < AT_ONCE, "{times:?}");
    assert!(times[times.len() - 1] < AT_ONCE * 5, "{times:?}");
}

fn time_to_force(first: i32, second: i32) -> Duration {
    let app = App::start(&[QUICK, "shutdown.drain_timeout=60s"]);
    let _request = app.in_flight("/slow?ms=60000");
    let begun = app.signal(first);
    sleep_until(begun + LATER);
    let forced = app.signal(second);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1), "{first}, then {second}: {}", ended.text());
    assert!(ended.has("forced to exit"), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "forced");
    ended.at - forced
}

#[test]
fn two_signals_within_the_coalesce_time_are_one_request() {
    let app = App::start(&["shutdown.coalesce=500ms"]);
    let mut request = app.in_flight("/slow?ms=800");
    let first = app.signal(libc::SIGHUP);
    thread::sleep(Duration::from_millis(5));
    app.signal(libc::SIGTERM);
    app.signal(libc::SIGCONT);
    sleep_until(first + Duration::from_millis(100));
    app.signal(libc::SIGHUP);
    assert!(first.elapsed() < Duration::from_millis(450), "the machine is too busy to tell anything");
    assert_eq!(request.read().expect("the request in flight is answered").status, 200);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.report()["reason"], "SIGHUP");
}

#[test]
fn the_default_coalesce_time_takes_what_a_closing_terminal_sends() {
    let app = App::start(&[]);
    let mut request = app.in_flight("/slow?ms=400");
    let first = app.signal(libc::SIGINT);
    app.signal(libc::SIGHUP);
    assert!(first.elapsed() < Duration::from_millis(40), "the machine is too busy to tell anything");
    assert_eq!(request.read().expect("the request in flight is answered").status, 200);
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn a_signal_after_a_longer_coalesce_time_forces() {
    let app = App::start(&["shutdown.coalesce=1s", QUICK, "shutdown.drain_timeout=60s"]);
    let _request = app.in_flight("/slow?ms=60000");
    let first = app.signal(libc::SIGTERM);
    sleep_until(first + Duration::from_millis(300));
    app.signal(libc::SIGTERM);
    sleep_until(first + Duration::from_millis(900));
    assert_eq!(app.status()["phase"], "drain", "the second one was the same request");
    sleep_until(first + Duration::from_millis(1050));
    app.signal(libc::SIGTERM);
    assert_eq!(app.wait().code(), Some(1));
}

#[test]
fn an_exit_that_was_asked_for_over_http_is_not_forced_by_the_first_signal_but_by_the_second() {
    let app = App::start(&[QUICK, "shutdown.drain_timeout=60s"]);
    let mut request = app.in_flight("/slow?ms=1500");
    let _other = app.in_flight("/slow?ms=60000");
    let post = || Client::request(app.admin, "POST", "/shutdown", &[("Content-Length", "0")], b"").status;
    assert_eq!(post(), 202);
    app.wait_for_phase("drain");
    thread::sleep(LATER);
    let first = app.signal(libc::SIGTERM);
    assert_eq!(request.read().expect("still graceful").status, 200);
    assert_eq!(post(), 202, "a repeated one");
    sleep_until(first + LATER);
    assert_eq!(app.status()["phase"], "drain", "still graceful");
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "forced");
    assert_eq!(ended.report()["reason"], "POST /shutdown");
}

#[test]
fn one_signal_after_a_request_over_http_leaves_the_exit_clean() {
    let app = App::start(&[]);
    let mut request = app.in_flight("/slow?ms=500");
    Client::request(app.admin, "POST", "/shutdown", &[("Content-Length", "0")], b"");
    app.wait_for_phase("drain");
    app.signal(libc::SIGINT);
    assert_eq!(request.read().expect("still graceful").status, 200);
    assert_eq!(app.wait().code(), Some(0));
}

/// Each phase, and what holds the exit in it.
const PHASES: [(&str, &[&str]); 6] = [
    ("ready_delay", &["shutdown.ready_delay=60s"]),
    ("drain", &["shutdown.drain_timeout=60s"]),
    ("close_servers", &["shutdown.linger=60s", "shutdown.stop_timeout=60s"]),
    ("callbacks", &["demo.flush_delay=60s", "shutdown.callback_timeout=60s"]),
    ("release", &["demo.release_delay=60s", "shutdown.release_timeout=60s"]),
    ("close_last", &["shutdown.linger=60s", "shutdown.stop_timeout=60s"]),
];

#[test]
fn a_second_signal_forces_in_every_phase() {
    side_by_side(&PHASES, |&(phase, settings)| {
        let settings = [settings, &["shutdown.timeout=120s"]].concat();
        let app = App::start(&settings);
        let _held = match phase {
            "drain" => Some(app.in_flight("/slow?ms=60000")),
            // A connection that was just used stays open for the linger.
            "close_servers" => Some(used(app.business, "/")),
            "close_last" => Some(used(app.admin, "/healthz")),
            _ => None,
        };
        let first = app.signal(libc::SIGTERM);
        match phase {
            // Then the server that says so is closing itself.
            "close_last" => drop(wait_for_line(&app, "closing the last servers")),
            phase => app.wait_for_phase(phase),
        }
        sleep_until(first + LATER);
        app.signal(libc::SIGINT);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(1), "{phase}: {}", ended.text());
        let report = ended.report();
        assert_eq!(report["outcome"], "forced", "{phase}");
        let last = report["phases"].as_array().and_then(|phases| phases.last()).expect("a phase");
        assert_eq!((&last["name"], &last["ended_by"]), (&phase.into(), &"signal".into()));
    });
}

/// A connection whose request has been answered, and which is kept.
fn used(address: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect(address);
    client.send("GET", path, &[]).expect("the request is sent");
    client.read().expect("the request is answered");
    client
}

fn wait_for_line(app: &App, text: &str) -> String {
    crate::support::wait_until(text, || app.log_text().contains(text));
    app.log_text()
}

#[test]
fn a_signal_that_is_not_in_the_list_keeps_its_default() {
    let app = App::start(&["shutdown.signals=[\"SIGTERM\"]"]);
    app.signal(libc::SIGHUP);
    let ended = app.wait();
    assert_eq!(ended.status.signal(), Some(libc::SIGHUP), "{}", ended.text());
    let app = App::start(&["shutdown.signals=[\"SIGTERM\", \"CTRL_C\"]"]);
    app.signal(libc::SIGTERM);
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn a_parent_that_blocked_a_signal_changes_nothing() {
    let folder = folder();
    let mut command = App::command(folder.path());
    signals::blocked(&mut command, libc::SIGTERM);
    let app = App::start_command(folder, command);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.report()["reason"], "SIGTERM");
}

#[test]
fn hup_int_and_quit_stay_ignored_where_they_were_inherited_as_ignored_and_nothing_else_does() {
    let folder = folder();
    let mut command = App::command(folder.path());
    for (_, signal) in ALL {
        signals::ignored(&mut command, signal);
    }
    let app = App::start_command(folder, command);
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        app.signal(signal);
    }
    // The signals of one process are delivered before its next system call returns.
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
    thread::sleep(LATER);
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.report()["reason"], "SIGTERM");
}

/// How many instants of the start-up are tried.
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

/// `part` from the process's start, which may be before `main`, or after the last line of the start.
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
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    in_order(&ended, part);
    nothing_left(folder.path());

    for port in ports {
        TcpListener::bind(port).unwrap_or_else(|error| panic!("after {part:?}, {port} is still taken: {error}"));
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

/// No temporary file and no spool.
fn nothing_left(folder: &Path) {
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

#[test]
fn a_signal_while_the_store_takes_long_to_open_ends_the_start_at_once() {
    // A server that takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let folder = folder();
    let mut command = App::command(folder.path());
    command.args(["-s", &format!("cache.store=postgres://nobody@{address}/none")]);
    let app = App::spawn(folder, command);
    let _connection = silent.accept().expect("it connects");
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(ended.at - signalled < Duration::from_secs(1), "it took {:?}", ended.at - signalled);
    nothing_left(ended.folder.path());
}

#[test]
fn a_second_signal_during_the_start_up_does_not_leave_it_hanging() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let folder = folder();
    let mut command = App::command(folder.path());
    command.args(["-s", &format!("cache.store=postgres://nobody@{address}/none")]);
    let app = App::spawn(folder, command);
    let _connection = silent.accept().expect("it connects");
    app.signal(libc::SIGTERM);
    app.signal(libc::SIGINT);
    let ended = app.wait();
    assert!(matches!(ended.code(), Some(0 | 1)), "{:?}: {}", ended.status, ended.text());
}
