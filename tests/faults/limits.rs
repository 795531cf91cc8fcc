//! A process at a limit that the system sets it: threads, descriptors, file sizes, memory, processor time. What the exit
//! needs is in hand before the service is ready, so that each flush is whole.

use std::{
    collections::BTreeMap, fs, net::SocketAddr, os::unix::process::ExitStatusExt, path::Path,
    process::Command, time::Duration,
};

use super::{
    group::Group,
    stage::{self, Disk, GRACE, descriptors, put, stored},
    system,
};
use crate::support::{App, Client, Ended, Watch, folder, stop, wait_until};

/// Puts so many values of so many bytes. Returns what has been acknowledged.
fn fill(business: SocketAddr, keys: usize, bytes: usize) -> BTreeMap<String, String> {
    let mut client = Client::connect(business);
    let mut values = BTreeMap::new();
    for key in 0..keys {
        let (key, mut value) = (format!("key-{key}"), key.to_string().repeat(bytes));
        value.truncate(bytes);
        client.send_body("PUT", &format!("/cache/{key}"), &[], value.as_bytes()).expect("it is sent");
        assert_eq!(client.read().expect("it is answered").status, 204);
        values.insert(key, value);
    }
    values
}

/// The exit is clean, the store has it all, and the report is written.
fn is_whole(row: &str, ended: &Ended, values: &BTreeMap<String, String>) {
    assert_eq!(ended.code(), Some(0), "{row}: {}", ended.text());
    assert!(ended.has("shut down"), "{row}: {}", ended.text());
    let report = ended.folder.path().join("report.json");
    assert!(report.exists(), "{row}: no report: {}", ended.text());
    assert_eq!(ended.report()["outcome"], "clean", "{row}");
    let store = stored(&ended.folder.path().join("data/cache.db"));
    assert!(store == *values, "{row}: {} of {} writes are stored", store.len(), values.len());
    assert!(!ended.folder.path().join("data/cache.spool").exists(), "{row}: what is stored needs no spool");
}

#[test]
fn no_thread_is_left() {
    let row = "no thread left";
    let Some(group) = Group::of("pids", row) else { return };
    let app = App::start(&[]);
    let values = fill(app.business, 100, 1000);
    group.limit_threads(app.id());
    app.signal(libc::SIGTERM);
    is_whole(row, &app.wait(), &values);
}

/// Which clients take the descriptors.
#[derive(Clone, Copy, Debug)]
enum Takers {
    Admin,
    AdminStreams,
    Business,
    Both,
}

#[test]
fn every_descriptor_is_taken_by_clients() {
    for takers in [Takers::Admin, Takers::AdminStreams, Takers::Business, Takers::Both] {
        let row = format!("descriptors taken by {takers:?}");
        let app = App::start(&["shutdown.timeout=25s"]);
        let values = fill(app.business, 100, 1000);
        let most = descriptors(app.id()) + 40;
        system::limit_descriptors(app.id(), most);
        let addresses: &[SocketAddr] = match takers {
            Takers::Admin | Takers::AdminStreams => &[app.admin],
            Takers::Business => &[app.business],
            Takers::Both => &[app.admin, app.business],
        };
        // More clients than descriptors: some wait in the queue all through the exit.
        let mut clients: Vec<_> = (0..120)
            .flat_map(|_| addresses.iter().filter_map(|&address| Client::try_connect(address).ok()))
            .collect();
        let refused =
            |server: &str| app.log_text().contains(&format!("server {server} cannot accept a connection"));
        wait_until("none is left", || match takers {
            Takers::Admin | Takers::AdminStreams => refused("admin"),
            Takers::Business => refused("business"),
            Takers::Both => refused("admin") && refused("business"),
        });
        if matches!(takers, Takers::AdminStreams) {
            for client in &mut clients {
                client.send("GET", "/events", &[]).expect("it is sent");
            }
        }
        stage::say(format_args!("{row}: {} of {most} descriptors", descriptors(app.id())));
        app.signal(libc::SIGTERM);
        let ended = app.wait();
        is_whole(&row, &ended, &values);
        drop(clients);
    }
}

#[test]
fn files_may_not_be_as_large_as_the_spool_and_the_store() {
    let app = App::start(&[]);
    fill(app.business, 20, 10_000);
    system::limit(app.id(), libc::RLIMIT_FSIZE, 100_000);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(3), "an error, not a death by SIGXFSZ: {}", ended.text());
    let error = ended.report()["callbacks"][0]["error"].as_str().expect("an error").to_owned();
    assert!(error.starts_with("20 writes are only in memory"), "{error}");
    assert!(error.contains("File too large"), "{error}");
    // The next start finds no remains that stop it.
    assert!(!stage::has_all(&ended.folder, &[], &BTreeMap::new()));
}

#[test]
fn files_may_not_be_as_large_as_the_store_alone() {
    let app = App::start(&[]);
    fill(app.business, 100, 10_000);
    app.signal(libc::SIGTERM);
    let app = App::start_in(app.wait().folder, &[]);
    for key in 100..110 {
        put(app.business, &format!("key-{key}"), &"x".repeat(10_000));
    }
    system::limit(app.id(), libc::RLIMIT_FSIZE, 200_000);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let error = ended.report()["callbacks"][0]["error"].as_str().expect("an error").to_owned();
    assert!(error.starts_with("10 writes are safe in data/cache.spool"), "{error}");
    let values = (100..110).map(|key| (format!("key-{key}"), "x".repeat(10_000))).collect();
    assert!(stage::has_all(&ended.folder, &[], &values), "brought in");
    assert!(!stage::has_all(&ended.folder, &[], &values), "once");
}

#[test]
fn files_may_not_be_as_large_as_the_log_and_the_report() {
    let app = App::start(&["log.file=log.txt"]);
    let log = fs::metadata(app.path("log.txt")).expect("the log file").len();
    system::limit(app.id(), libc::RLIMIT_FSIZE, log);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.status.signal(), None, "an error, not a death by SIGXFSZ");
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(ended.has("the log file log.txt cannot be written: File too large"), "{}", ended.text());
    assert!(ended.has("report.json: File too large"), "{}", ended.text());
    assert!(!ended.folder.path().join("report.json").exists(), "whole or not at all");
}

#[test]
fn a_report_that_is_larger_than_files_may_be_leaves_the_one_before() {
    let ended = stop(App::start(&[]));
    let path = ended.folder.path().join("report.json");
    let before = fs::read_to_string(&path).expect("a report");
    let app = App::start_in(ended.folder, &["report.keep=1"]);
    system::limit(app.id(), libc::RLIMIT_FSIZE, 100);
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(ended.has("the report cannot be written to report.json: File too large"), "{}", ended.text());
    assert_eq!(fs::read_to_string(&path).expect("a report"), before);
    // The marker says that this run has left no report.
    assert_eq!(names(ended.folder.path()), ["data", "report.json", "report.json.running"]);
}

#[test]
fn a_report_for_a_full_disk_leaves_the_one_before() {
    let row = "a full disk for the report";
    let folder = folder();
    let Some(disk) = Disk::mount(row, folder.path().join("disk"), "64k") else { return };
    let settings = ["report.path=disk/report.json", "report.keep=1"];
    let ended = stop(App::start_in(folder, &settings));
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let before = fs::read_to_string(disk.path("report.json")).expect("a report");
    let app = App::start_in(ended.folder, &settings);
    disk.fill();
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(ended.has("the report cannot be written to disk/report.json: No space left"), "{}", ended.text());
    assert_eq!(fs::read_to_string(disk.path("report.json")).expect("a report"), before);
    let left = names(&ended.folder.path().join("disk"));
    assert_eq!(left, ["filler", "report.json", "report.json.running"]);
}

/// It is written in place, for nothing can be made in its folder.
#[test]
fn a_report_that_does_not_fit_into_a_mounted_file_leaves_what_was_in_it() {
    let row = "a mounted file that may not grow";
    if !stage::works("unshare", &["--mount", "--map-root-user", "true"]) {
        return stage::skip(row, "no mount namespace may be made here");
    }
    let folder = folder();
    fs::create_dir(folder.path().join("read-only")).expect("a folder");
    for name in ["read-only/report.json", "elsewhere"] {
        fs::write(folder.path().join(name), "before").expect("a file");
    }
    let script = "mount --bind read-only read-only && mount -o remount,bind,ro read-only \
         && mount --bind elsewhere read-only/report.json && exec \"$0\" \"$@\"";
    let arguments = ["--mount", "--map-root-user", "sh", "-c", script];
    let mut command = App::command(folder.path());
    command.args(["-s", "report.path=read-only/report.json"]);
    let app = App::start_command(folder, stage::run_by("unshare", &arguments, &command));
    system::limit(app.id(), libc::RLIMIT_FSIZE, 100);
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let error = "the report cannot be written to read-only/report.json: File too large";
    assert!(ended.has(error), "{}", ended.text());
    assert_eq!(fs::read_to_string(ended.folder.path().join("elsewhere")).expect("a file"), "before");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name that is text");
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

/// 60 MB, as 240 values of the largest size.
const LARGE: (usize, usize) = (240, 256 << 10);

#[test]
fn no_address_space_is_left_for_60_megabytes() {
    let app = App::start(&[]);
    let values = fill(app.business, LARGE.0, LARGE.1);
    let status = fs::read_to_string(format!("/proc/{}/status", app.id())).expect("its status");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("its size");
    let kib: u64 = size.trim().trim_end_matches(" kB").parse().expect("a number");
    system::limit(app.id(), libc::RLIMIT_AS, (kib << 10) + (16 << 20));
    app.signal(libc::SIGTERM);
    is_whole("no address space", &app.wait(), &values);
}

#[test]
fn no_memory_is_left_for_60_megabytes() {
    let row = "no memory for 60 MB";
    let Some(group) = Group::of("memory", row) else { return };
    let app = App::start(&[]);
    let values = fill(app.business, LARGE.0, LARGE.1);
    group.limit_memory(app.id());
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    if ended.status.code().is_none() {
        stage::say(format_args!("{row}: killed by the system for its memory"));
        assert!(stage::has_all(&ended.folder, &[], &values), "{row}: what was acknowledged was spooled");
        return;
    }
    is_whole(row, &ended, &values);
}

#[test]
fn a_hundredth_of_a_processor() {
    let row = "1 % of a processor";
    let Some(group) = Group::of("cpu", row) else { return };
    let app = App::start(&[]);
    let values = fill(app.business, 100, 1000);
    group.limit_processor(app.id());
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check(row, ended.at - signalled, Duration::from_secs(25) + GRACE);
    stage::say(format_args!("{row}: exit code {:?} after {:?}", ended.code(), ended.at - signalled));
    if ended.code() == Some(0) {
        return is_whole(row, &ended, &values);
    }
    // A debug build may need more time than its phases have.
    assert!(stage::has_all(&ended.folder, &[], &values), "{row}: what is not stored was spooled");
}

#[test]
fn a_start_at_a_limit_is_4_with_one_message_and_no_panic() {
    type Limit = fn(&mut Command);
    let limits: [(&str, Limit, &str); 3] = [
        ("files of no size", |command| system::limited(command, libc::RLIMIT_FSIZE, 0), "data/cache.db"),
        ("8 descriptors", |command| system::limited(command, libc::RLIMIT_NOFILE, 8), ""),
        ("30 descriptors", |command| system::limited(command, libc::RLIMIT_NOFILE, 30), ""),
    ];
    for (row, limit, named) in limits {
        let folder = folder();
        let mut command = App::command(folder.path());
        limit(&mut command);
        fails_to_start(row, &App::run(&folder, command), named);
    }
    for threads in 1..14 {
        let row = format!("{threads} threads");
        let Some(group) = Group::of("pids", &row) else { return };
        group.set_threads(threads);
        let folder = folder();
        // The shell itself becomes the application: it needs no further process.
        let script = "echo $$ > \"$0\"; exec \"$@\"";
        let mut command = App::command(folder.path());
        for server in ["admin", "business"] {
            command.args(["-s", &format!("servers.{server}.workers=8")]);
        }
        let members = group.members();
        let members = members.to_str().expect("a path that is text");
        let command = stage::run_by("sh", &["-c", script, members], &command);
        fails_to_start(&row, &App::run(&folder, command), "");
    }
}

/// From where the loader of programs and the runtime find room for themselves to where the application does.
#[test]
fn a_start_in_an_address_space_of_any_size_is_4_with_one_message_or_serves() {
    let mut was_enough = false;
    for mib in [50, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300, 400, 600] {
        let row = format!("{mib} MiB of address space");
        let folder = folder();
        let mut command = App::command(folder.path());
        system::limited(&mut command, libc::RLIMIT_AS, mib << 20);
        for server in ["admin", "business"] {
            command.args(["-s", &format!("servers.{server}.workers=4")]);
        }
        let mut app = App::spawn(folder, command);
        let ends = |log: &str| log.contains("address space") || log.contains("server started");
        wait_until(&row, || ends(&app.log_text()));
        if app.log_text().contains("address space") {
            assert!(!was_enough, "{row}: less was enough");
            fails_to_start(&row, &app.wait(), "address space (ulimit -v) is too small");
            continue;
        }
        was_enough = true;
        app.find_ports();
        let values = fill(app.business, 1, 100);
        app.signal(libc::SIGTERM);
        is_whole(&row, &app.wait(), &values);
    }
    assert!(was_enough);
}

fn fails_to_start(row: &str, ended: &Ended, named: &str) {
    assert_eq!(ended.code(), Some(4), "{row}: {}", ended.text());
    assert!(!ended.text().contains("panicked"), "{row}: {}", ended.text());
    assert!(ended.text().contains(named), "{row}: {}", ended.text());
    // The start's own line is no message of the failure.
    let messages = ended.log.iter().filter(|line| !line.text.starts_with("graceful-exit 0.")).count();
    assert_eq!(messages, 1, "{row}: one message: {}", ended.text());
}
#[test]
fn a_machine_of_112_processors_starts_with_1024_descriptors() {
    let folder = folder();
    let mut command = App::command(folder.path());
    for server in ["admin", "business"] {
        command.args(["-s", &format!("servers.{server}.workers=112")]);
    }
    system::limited(&mut command, libc::RLIMIT_NOFILE, 1024);
    let app = App::start_command(folder, command);
    put(app.business, "key", "value");
    let values = [("key".to_owned(), "value".to_owned())].into();
    stage::say(format_args!("112 workers a server: {} descriptors", descriptors(app.id())));
    app.signal(libc::SIGTERM);
    is_whole("112 workers", &app.wait(), &values);
}
