//! A machine without descriptors, disk space or memory, or whose clock jumps.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::Command,
    thread,
    time::Duration,
};

use super::{
    group::Group,
    stage::{self, BROUGHT_IN, Disk, GRACE, Random, descriptors, put, stored},
    system,
};
use crate::support::{App, Client, Watch, folder};

#[test]
fn thirty_two_descriptors_left() {
    let app = App::start(&["shutdown.timeout=10s"]);
    put(app.business, "key", "value");
    let mut request = app.in_flight("/slow?ms=700");
    system::limit_descriptors(app.id(), descriptors(app.id()) + 32);
    // More clients than descriptors: some wait in the queue, and no descriptor is left.
    let clients: Vec<_> = (0..64).filter_map(|_| Client::try_connect(app.business).ok()).collect();
    thread::sleep(Duration::from_millis(100));
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    assert_eq!(request.read().expect("it is answered").status, 200);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, Duration::from_secs(2));
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "clean");
    assert_eq!(stored(&ended.folder.path().join("data/cache.db"))["key"], "value");
    drop(clients);
}

/// Puts store, spool and report each on a small disk, where `small` is true.
fn on_disks(
    row: &str,
    small: [bool; 3],
) -> Option<(Vec<Disk>, Vec<String>, std::sync::Arc<tempfile::TempDir>)> {
    let folder = folder();
    let names = [("cache.store=sqlite://", "store"), ("cache.spool=", "spool"), ("report.path=", "report")];
    let mut disks = Vec::new();
    let mut settings = Vec::new();
    for ((key, name), is_small) in names.into_iter().zip(small) {
        let place = folder.path().join(name);
        if is_small {
            disks.push(Disk::mount(row, place.clone(), "512k")?);
        }
        settings.push(format!("{key}{}", place.join(name).display()));
    }
    Some((disks, settings, folder))
}

#[test]
fn no_space_for_store_spool_and_report() {
    let Some((disks, settings, folder)) = on_disks("no space at all", [true; 3]) else { return };
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let app = App::start_in(folder.clone(), &settings);
    for key in 0..20 {
        put(app.business, &format!("key-{key}"), &"x".repeat(10_000));
    }
    disks.iter().for_each(Disk::fill);
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, Duration::from_secs(5));
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    // Where no file can be written, the log reports the loss.
    assert!(ended.has("20 writes are only in memory"), "{}", ended.text());
    assert!(ended.has("report"), "{}", ended.text());
    assert!(!folder.path().join("report/report").exists(), "whole or not at all");
    disks.iter().for_each(Disk::empty);
    // The next start finds no remains that stop it.
    assert!(!stage::has_all(&folder, &settings, &[].into()));
}

#[test]
fn no_space_for_the_spool() {
    let Some((disks, settings, folder)) = on_disks("no space for the spool", [false, true, false]) else {
        return;
    };
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let app = App::start_in(folder.clone(), &settings);
    put(app.business, "key", &"x".repeat(10_000));
    disks.iter().for_each(Disk::fill);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(ended.has("went straight to the store"), "{}", ended.text());
    let report = fs::read(folder.path().join("report/report")).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    let checkpoint = &report["checkpoints"][0];
    assert_eq!(checkpoint["outcome"], "failed", "{checkpoint}");
    let error = checkpoint["error"].as_str().expect("an error");
    assert!(error.starts_with("1 write is only in memory until the flush: "), "{error}");
    assert_eq!(stored(&folder.path().join("store/store"))["key"].len(), 10_000);
}

#[test]
fn a_folder_that_became_read_only() {
    let folder = folder();
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder");
    let mut command = App::command(folder.path());
    for (path, mode) in [(folder.path(), 0o777), (&data, 0o777)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("they are set");
    }
    // Root can write to every directory.
    let id = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    if id.is_ok_and(|id| id == 0) {
        command.uid(65_534).gid(65_534);
        let program = command.get_program().to_owned();
        let mut try_out = Command::new(&program);
        if try_out.arg("--version").uid(65_534).gid(65_534).output().is_err() {
            return stage::skip("a read-only folder", "an unprivileged user cannot run the binary here");
        }
    }
    let app = App::start_command(folder.clone(), command);
    put(app.business, "key", "value");
    for path in [folder.path(), &data] {
        fs::set_permissions(path, Permissions::from_mode(0o555)).expect("they are set");
    }
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, Duration::from_secs(5));
    for path in [folder.path(), &data] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).expect("they are set");
    }
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    assert!(ended.has("1 write is only in memory"), "{}", ended.text());
    assert!(ended.has("report.json"), "{}", ended.text());
    assert!(!folder.path().join("report.json").exists());
}

/// The path of Debian's libfaketime.
fn faketime() -> Option<PathBuf> {
    let mut places: Vec<_> =
        fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).map(|at| at.path()).collect();
    places.push("/usr/lib".into());
    places.into_iter().map(|place| place.join("faketime/libfaketime.so.1")).find(|library| library.exists())
}

#[test]
fn the_clock_is_set_a_day_back_and_forth_during_the_drain() {
    if cfg!(target_env = "musl") {
        return stage::skip("the clock", "a static binary cannot preload a library");
    }
    let Some(library) = faketime() else {
        return stage::skip("the clock", "libfaketime is not there: `apt install faketime`");
    };
    let mut random = Random::of("the clock");
    for back_first in [true, false] {
        // A day and up to another one.
        let mut jump =
            |back: bool| format!("{}{}", if back { '-' } else { '+' }, 86_400 + random.below(86_400));
        let (first, then) = (jump(back_first), jump(!back_first));
        let between = random.time_below(Duration::from_millis(600));
        let folder = folder();
        let clock = folder.path().join("clock");
        let set = |offset: &str| {
            let next = folder.path().join("clock.next");
            fs::write(&next, offset).and_then(|()| fs::rename(&next, &clock)).expect("the clock is set");
        };
        set("+0");
        let mut command = App::command(folder.path());
        command.args(["-s", "shutdown.timeout=2s", "-s", "shutdown.drain_timeout=60s"]);
        command
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_NO_CACHE", "1");
        // As on a real machine, setting the clock does not change the monotonic time.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        let app = App::start_command(folder.clone(), command);
        put(app.business, "key", "value");
        let mut request = app.in_flight("/slow?ms=1000");
        let _other = app.in_flight("/slow?ms=60000");
        let watch = Watch::start();
        let signalled = app.signal(libc::SIGTERM);
        app.wait_for_phase("drain");
        set(&first);
        thread::sleep(between);
        set(&then);
        assert_eq!(request.read().expect("it is answered").status, 200);
        let ended = app.wait();
        let took = ended.at - signalled;
        assert!(took >= Duration::from_millis(1990), "{took:?}: a jump of the clock is not elapsed time");
        watch.check("the deadline", took, Duration::from_secs(2) + GRACE);
        assert_eq!(ended.code(), Some(1), "{}", ended.text());
        let report = ended.report();
        assert_eq!(report["outcome"], "timed_out");
        let duration = report["duration_ms"].as_u64().expect("a number");
        assert!(duration >= 1_900, "{duration} ms");
        watch.check("the report's own time", Duration::from_millis(duration), Duration::from_secs(3));
        let days: std::collections::BTreeSet<_> =
            ended.log.iter().filter_map(|line| line.raw.get(..10)).collect();
        assert!(days.len() > 1, "the clock has not jumped: {days:?}");
    }
}

#[test]
fn memory_pressure() {
    let row = "memory pressure";
    let Some(group) = Group::of("memory", row) else { return };
    let app = App::start(&["shutdown.timeout=20s"]);
    for key in 0..100 {
        put(app.business, &format!("key-{key}"), &"x".repeat(100_000));
    }
    // The limit is below its current use: the program's own pages are evicted and read again.
    group.limit_memory(app.id());
    let mut request = app.in_flight("/slow?ms=500");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let answered = request.read().map(|response| response.status);
    let ended = app.wait();
    if ended.status.code().is_none() {
        return stage::skip(row, "the system killed it for its memory: no promise covers that");
    }
    watch.check("the exit", ended.at - signalled, Duration::from_secs(20) + GRACE);
    assert_eq!(answered.expect("it is answered"), 200);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(stored(&ended.folder.path().join("data/cache.db")).len(), 100);
    assert!(!ended.has(BROUGHT_IN));
}
