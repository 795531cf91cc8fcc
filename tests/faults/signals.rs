//! Signals during start-up, in great numbers, and under unusual parents. Which signals start and which force an exit is
//! tested in `tests/signals.rs`; real SIGSEGV, SIGILL, SIGTRAP, SIGABRT and SIGSYS in `os::signals::tests`.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    thread,
    time::{Duration, Instant},
};

use super::{
    stage::{self, FORCED, GRACE, Random, child_of, put, run_by, stored, times},
    system::kill,
};
use crate::support::{
    App, Ended, PAST_COALESCE, Watch, folder, sent_here, side_by_side, signals::ALL, wait_until,
};

#[test]
fn at_every_millisecond_of_the_start_up() {
    let started = Instant::now();
    drop(App::start(&[]));
    let whole = started.elapsed().as_millis() as usize + 5;
    let step = whole.div_ceil(times(10, whole));
    let instants: Vec<_> = (0..whole).step_by(step).collect();
    for some in instants.chunks(4) {
        side_by_side(some, |&millis| {
            let folder = folder();
            let started = Instant::now();
            let app = App::spawn(folder.clone(), App::command(folder.path()));
            let instant = started + Duration::from_millis(millis as u64);
            thread::sleep(instant.saturating_duration_since(Instant::now()));
            let watch = Watch::start();
            let signalled = app.signal(ALL[millis % ALL.len()].1);
            let ended = app.wait();
            watch.check("the exit", ended.at - signalled, Duration::from_secs(3));
            let by = ended.status.signal();
            if by.is_some_and(|by| ALL.iter().any(|(_, signal)| *signal == by)) {
                // Killed before `main`: it has written no file.
                assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "after {millis} ms");
            } else {
                assert_eq!(ended.code(), Some(0), "after {millis} ms: {}", ended.text());
            }
            assert!(!folder.path().join("data/cache.spool").exists());
            if folder.path().join("data/cache.db-journal").exists() {
                // On a busy machine opening the store may take longer than the time left; the next start repairs it.
                stage::has_all(&folder, &[], &[].into());
            }
        });
    }
}

#[test]
fn a_thousand_random_signals_at_random_instants() {
    let mut random = Random::of("a thousand signals");
    for round in 0..times(1, 10) {
        let app = App::start(&["shutdown.timeout=60s", "shutdown.drain_timeout=60s"]);
        put(app.business, "key", "value");
        let _request = app.in_flight("/slow?ms=60000");
        let watch = Watch::start();
        let first = app.signal(random.of_these(&ALL).1);
        let mut forced = None;
        for _ in 0..1000 {
            let at = kill(app.id(), random.of_these(&ALL).1);
            if at - first > PAST_COALESCE {
                forced = forced.or(Some(at));
            }
            thread::sleep(random.time_below(Duration::from_micros(300)));
        }
        let ended = app.wait();
        let forced = forced.expect("a thousand of them take longer than that");
        watch.check("the forced exit", ended.at.saturating_duration_since(forced), Duration::from_secs(1));
        assert_eq!(ended.code(), Some(1), "round {round}: {:?}\n{}", ended.status, ended.text());
        in_report(&ended, "forced");
    }
}

/// Checks the report, which an exit by the hard stop does not have.
fn in_report(ended: &Ended, outcome: &str) {
    if ended.folder.path().join("report.json").exists() {
        assert_eq!(ended.report()["outcome"], outcome);
    } else {
        assert!(
            ended.has("(by the hard stop)"),
            "neither a report nor the hard stop's line: {}",
            ended.text()
        );
    }
}

#[test]
fn two_a_millisecond_apart_are_one_request() {
    let pairs: Vec<_> = ALL.iter().zip(ALL.iter().cycle().skip(3)).collect();
    side_by_side(&pairs, |((name, first), (_, second))| {
        let app = App::start(&["shutdown.coalesce=200ms"]);
        let mut request = app.in_flight("/slow?ms=500");
        app.signal(*first);
        thread::sleep(Duration::from_millis(1));
        app.signal(*second);
        assert_eq!(request.read().expect("it is answered").status, 200);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(0), "{name}: {}", ended.text());
    });
}

#[test]
fn under_nohup_only_hup_is_ignored() {
    if !stage::works("nohup", &["true"]) {
        return stage::skip("nohup", "there is no nohup");
    }
    let folder = folder();
    let app = App::start_command(folder.clone(), run_by("nohup", &[], &App::command(folder.path())));
    put(app.business, "key", "value");
    app.signal(libc::SIGHUP);
    thread::sleep(PAST_COALESCE);
    put(app.business, "after", "value");
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.report()["reason"], sent_here("SIGTERM"));
    assert_eq!(stored(&folder.path().join("data/cache.db")).len(), 2);
}

fn children(id: u32) -> usize {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    children.expect("a process").split_whitespace().count()
}

const FIRST: [&str; 3] = ["-pf", "--kill-child", "--mount-proc"];

#[test]
fn the_first_process_of_a_namespace() {
    if !stage::works("unshare", &[&FIRST[..], &["true"]].concat()) {
        return stage::skip("PID 1", "`unshare -pf` is not allowed here");
    }
    for second in [false, true] {
        let folder = folder();
        let mut command = App::command(folder.path());
        command.args(["-s", "shutdown.drain_timeout=60s"]);
        let app = App::start_command(folder.clone(), run_by("unshare", &FIRST, &command));
        let first = child_of(app.id());
        put(app.business, "key", "value");
        let watch = Watch::start();
        if second {
            let _request = app.in_flight("/slow?ms=60000");
            kill(first, libc::SIGTERM);
            app.wait_for_phase("drain");
            thread::sleep(PAST_COALESCE);
            let forced = kill(first, libc::SIGTERM);
            let ended = app.wait();
            watch.check("the forced exit", ended.at - forced, FORCED + GRACE);
            assert_eq!(ended.code(), Some(1), "{}", ended.text());
        } else {
            // One that it has not started itself: its parent, which is outside of the namespace, ends before it.
            let id = first.to_string();
            let orphan = ["-t", &id, "-p", "-m", "sh", "-c", "sleep 0.1 & exit"];
            assert!(
                std::process::Command::new("nsenter")
                    .args(orphan)
                    .status()
                    .is_ok_and(|ended| ended.success())
            );
            wait_until("only the program is left", || children(first) == 1);
            // SIGABRT from outside the namespace is a request to stop as well.
            let asked = kill(first, libc::SIGABRT);
            let ended = app.wait();
            watch.check("the exit", ended.at - asked, Duration::from_secs(2));
            assert_eq!(ended.code(), Some(0), "{}", ended.text());
            assert_eq!(ended.report()["reason"], "SIGABRT", "the sender is outside of its PID namespace");
            assert_eq!(stored(&folder.path().join("data/cache.db"))["key"], "value");
        }
    }
}
