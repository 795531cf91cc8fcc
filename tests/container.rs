//! The units of `config/deploy/` under a real systemd, PID 1 of a container: start, stop, restart, forced stop, watchdog,
//! wrong settings, and each file that they name.
//!
//! [`the_units_work_under_a_real_systemd`] boots the container on an overlay of the machine's root, which stays unchanged, and runs
//! [`inside`] there, which is a test of this same binary.

mod installed;
mod manager;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use self::manager::{
    BUSINESS, SERVICE, Transcript, drop_in, get, remove_drop_in, show, systemctl, unit_drop_in,
};
use crate::support::{
    Client, Traffic,
    tools::{find, output, project_file, skipped},
    wait_until,
};

const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);
/// The files in which [`inside`] leaves its transcript and its result.
const TRANSCRIPT: &str = "/transcript.txt";
const LOG: &str = "/proof.log";

#[test]
fn the_units_work_under_a_real_systemd() {
    const TEST: &str = "the units under a real systemd";
    let Some(nspawn) = find("systemd-nspawn") else {
        return skipped(TEST, "systemd-nspawn is not installed (.ci/install does that)");
    };
    #[expect(unsafe_code, reason = "std does not tell who we are")]
    // SAFETY: it only reads, and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        return skipped(TEST, "only root may boot a container");
    }
    let overlay = match Overlay::mount() {
        Ok(overlay) => overlay,
        Err(error) => return skipped(TEST, &format!("no overlay can be mounted: {error}")),
    };
    let root = overlay.root();
    let units = root.join("etc/systemd/system");
    for unit in ["graceful-exit.service", "graceful-exit.socket"] {
        fs::copy(project_file(&format!("config/deploy/{unit}")), units.join(unit)).expect("a unit");
    }
    let local = root.join("usr/local/bin");
    fs::create_dir_all(&local).expect("a folder");
    fs::copy(env!("CARGO_BIN_EXE_graceful-exit"), local.join("graceful-exit")).expect("the program");
    fs::copy(std::env::current_exe().expect("this binary"), local.join("proof")).expect("the proof");
    fs::write(units.join("proof.service"), PROOF).expect("a unit");
    installed::lay_out(&root);

    let mut boot = Command::new("timeout");
    boot.args(["--kill-after=5", "170"]).arg(nspawn);
    // Without a registration at the machine's bus, in the scope that the test runs in.
    boot.args(["-q", "--register=no", "--keep-unit", "--private-network", "-b", "-D"]).arg(root);
    boot.arg("systemd.unit=proof.service").stdin(std::process::Stdio::null());
    let console = boot.output().expect("the container boots");
    let read = |path: &str| fs::read_to_string(overlay.upper().join(&path[1..])).unwrap_or_default();
    let (transcript, log) = (read(TRANSCRIPT), read(LOG));
    if transcript.is_empty() && log.is_empty() {
        let console =
            String::from_utf8_lossy(&console.stdout).into_owned() + &String::from_utf8_lossy(&console.stderr);
        return skipped(
            TEST,
            &format!("no container boots here: {}", console.lines().last().unwrap_or_default()),
        );
    }
    eprintln!("{transcript}");
    assert!(log.contains("test container::inside ... ok") || log.contains("1 passed"), "{transcript}\n{log}");
}

/// The container's only unit; the container ends with it.
const PROOF: &str = "\
[Unit]
DefaultDependencies=no
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
TimeoutStartSec=160s
StandardOutput=file:/proof.log
StandardError=file:/proof.log
ExecStart=/usr/local/bin/proof --ignored --exact container::inside --nocapture
";

#[test]
#[ignore = "it runs in the container"]
fn inside() {
    let mut saw = Transcript::create(TRANSCRIPT);

    // The rest of the system is not booted. The service starts more often than systemd's default limit allows.
    drop_in("waits", "[Unit]\nDefaultDependencies=no\nWants=\nAfter=\nStartLimitIntervalSec=0");
    unit_drop_in("graceful-exit.socket", "waits", "[Unit]\nDefaultDependencies=no");
    systemctl(&["start", "graceful-exit.socket", SERVICE]);
    let state = saw.show("started");
    assert_eq!(get(&state, "ActiveState"), "active", "systemctl start returns when it is ready");
    assert_eq!(get(&state, "StatusText"), "server started");
    assert_eq!(Client::get(ADMIN, "/readyz").status, 200);

    installed::are_used();
    // The token is the credential that the unit loads.
    assert_eq!(Client::request(ADMIN, "POST", "/shutdown", &[], b"").status, 401);

    let put = Client::put(BUSINESS, "/cache/key", b"value");
    assert_eq!(put.status, 204);
    let mut slow = slow(1500);
    let stopping = thread::spawn(|| systemctl(&["stop", SERVICE]));
    wait_until("systemd knows what is waited for", || get(&show(), "StatusText").contains("GET /slow"));
    let state = saw.show("stopping, one request in flight");
    assert_eq!(get(&state, "ActiveState"), "deactivating");
    assert_eq!(slow.read().expect("answered").status, 200);
    stopping.join().expect("it stops");
    let state = saw.show("stopped");
    assert_eq!((get(&state, "Result"), get(&state, "ExecMainStatus")), ("success", "0"));

    // A new connection starts the service again, and reads the stored value.
    assert_eq!(Client::get(BUSINESS, "/cache/key").text(), "value");
    saw.show("started by a connection");

    let traffic = Traffic::start(BUSINESS, 0);
    for _ in 0..10 {
        let before = traffic.answered();
        wait_until("new connections are answered", || traffic.answered() > before + 5);
        systemctl(&["restart", SERVICE]);
    }
    let seen = traffic.stop();
    let (rejected, failed): (Vec<_>, Vec<_>) =
        seen.failures.iter().partition(|what| what.contains("status 503"));
    saw.say(&format!(
        "10 restarts: {} new connections answered, {} rejected, {} refused or cut",
        seen.new_connections,
        rejected.len(),
        failed.len()
    ));
    assert!(failed.is_empty() && rejected.len() <= 10, "{:#?}", seen.failures);

    // Longer than TimeoutStopSec, within our own deadline.
    drop_in("short-timeout", "[Service]\nTimeoutStopSec=1s");
    systemctl(&["restart", SERVICE]);
    let mut kept = self::slow(4000);
    systemctl(&["stop", SERVICE]);
    assert_eq!(kept.read().expect("answered").status, 200);
    let state = saw.show("stopped after 4 s with TimeoutStopSec=1s, extended");
    assert_eq!((get(&state, "Result"), get(&state, "ExecMainStatus")), ("success", "0"));
    remove_drop_in("short-timeout");

    // A request is aborted at the drain timeout: systemd shows a failure.
    drop_in("drain", "[Service]\nEnvironment=GRACEFUL_EXIT__SHUTDOWN__DRAIN_TIMEOUT=300ms");
    systemctl(&["restart", SERVICE]);
    let _cut = self::slow(60_000);
    systemctl(&["stop", SERVICE]);
    let state = saw.show("stopped with a request cut off");
    assert_eq!((get(&state, "Result"), get(&state, "ExecMainStatus")), ("exit-code", "3"));
    remove_drop_in("drain");

    // The application's own deadline ends it, not systemd's.
    drop_in("deadline", "[Service]\nEnvironment=GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=1s");
    systemctl(&["restart", SERVICE]);
    let _late = self::slow(60_000);
    systemctl(&["stop", SERVICE]);
    let state = saw.show("stopped at shutdown.timeout");
    assert_eq!((get(&state, "Result"), get(&state, "ExecMainStatus")), ("exit-code", "1"));
    remove_drop_in("deadline");

    // A process that is stuck misses the watchdog, dies by SIGABRT, and is started again.
    drop_in("watchdog", "[Service]\nWatchdogSec=1s\nRestartSec=1s");
    systemctl(&["reset-failed", SERVICE]);
    systemctl(&["restart", SERVICE]);
    thread::sleep(Duration::from_millis(2500));
    let state = saw.show("alive, WatchdogSec=1s");
    assert_eq!((get(&state, "ActiveState"), get(&state, "NRestarts")), ("active", "0"));
    output(Command::new("kill").args(["-STOP", get(&state, "MainPID")]));
    wait_until("the watchdog ends it", || get(&show(), "Result") == "watchdog");
    saw.show("stuck");
    wait_until("systemd starts it again", || {
        let state = show();
        get(&state, "NRestarts") == "1" && get(&state, "ActiveState") == "active"
    });
    saw.show("started again");
    remove_drop_in("watchdog");

    installed::serve_tls(&mut saw);
    installed::keeps_ten_reports();
    installed::serve_a_unix_socket(&mut saw);

    // Wrong settings stay wrong: no restart.
    drop_in("wrong", "[Service]\nEnvironment=GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=never");
    systemctl(&["stop", "graceful-exit.socket", SERVICE]);
    let started = Command::new("systemctl").args(["start", SERVICE]).status().expect("systemctl");
    assert!(!started.success());
    thread::sleep(Duration::from_millis(1500));
    let state = saw.show("settings that are wrong");
    assert_eq!((get(&state, "ActiveState"), get(&state, "ExecMainStatus")), ("failed", "2"));
    assert_eq!(get(&state, "NRestarts"), "0");
}

/// A request whose answer takes `ms` milliseconds.
fn slow(ms: u32) -> Client {
    let mut client = Client::connect(BUSINESS);
    client.send("GET", &format!("/slow?ms={ms}"), &[]).expect("sent");
    wait_until("it is in flight", || Client::get(ADMIN, "/status").text().contains("\"path\":\"/slow\""));
    client
}

/// An overlay of the machine's root, unmounted on drop: writes go to a separate directory.
struct Overlay {
    folder: tempfile::TempDir,
}

impl Overlay {
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let at = |name: &str| folder.path().join(name);
        for name in ["upper", "work", "root"] {
            fs::create_dir(at(name)).map_err(|error| error.to_string())?;
        }
        let options =
            format!("lowerdir=/,upperdir={},workdir={}", at("upper").display(), at("work").display());
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "overlay", "-o", &options]).arg(at("root"));
        let mounted = mount.output().map_err(|error| error.to_string())?;
        if mounted.status.success() {
            Ok(Self { folder })
        } else {
            Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned())
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn upper(&self) -> PathBuf {
        self.folder.path().join("upper")
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let start = Instant::now();
        let unmounted =
            |root: &Path| Command::new("umount").arg(root).status().is_ok_and(|status| status.success());
        while !unmounted(&self.root()) && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(50));
        }
    }
}
