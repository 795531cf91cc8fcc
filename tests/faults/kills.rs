//! Kills from the end of the checkpoint on: every write that was acknowledged is in store or spool, whole, and is brought
//! in exactly once. At random instants, and by programs that kill before the plan is over.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    stage::{self, BROUGHT_IN, Lock, Random, put, stored, times},
    system::kill,
};
use crate::support::{
    App, Client, Watch, folder, side_by_side,
    tools::{project_file, tool},
    wait_until,
};

#[test]
fn ten_thousand_writes_are_safe_a_tenth_of_a_second_after_the_signal() {
    let app = App::start(&["shutdown.ready_delay=30s", "shutdown.timeout=60s"]);
    let _request = app.in_flight("/slow?ms=60000");
    let lock = Lock::of(&app.path("data/cache.db"));
    let mut client = Client::connect(app.business);
    let mut values = BTreeMap::new();
    for key in 0..10_000 {
        let (key, value) = (format!("key-{key}"), format!("{key:0>100}"));
        client.send_body("PUT", &format!("/cache/{key}"), &[], value.as_bytes()).expect("it is sent");
        assert_eq!(client.read().expect("it is answered").status, 204);
        values.insert(key, value);
    }
    let spool = app.path("data/cache.spool");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    // Its rename is the checkpoint's last step but for the sync of the folder, which no kill undoes.
    wait_until("it is spooled", || spool.exists());
    let took = signalled.elapsed();
    watch.check("the checkpoint", took, Duration::from_millis(100));
    stage::say(format_args!("10,000 writes of 100 bytes are spooled {took:?} after the signal"));
    let folder = app.kill();
    drop(lock);
    drop(App::start_in(Arc::clone(&folder), &[]));
    assert!(stored(&folder.path().join("data/cache.db")) == values);
}

/// How many processes are tried at a time.
const AT_A_TIME: usize = 4;

#[test]
fn at_random_instants_from_the_checkpoint_on() {
    let rounds = times(12, 300);
    let random = Random::of("kills from the checkpoint on");
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let mut chain = Chain { folder: folder(), values: BTreeMap::new() };
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= rounds {
                        break;
                    }
                    chain.round(round, random.part(round), &tally);
                }
            });
        }
    });
    let tally = tally.into_inner().expect("no panic");
    stage::say(format_args!("{rounds} kills from the checkpoint on: {tally:?}, 0 lost"));
    assert!(tally.after_the_signal > 0, "no write was acknowledged after the signal");
}

#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    /// Of those, how many after the signal.
    after_the_signal: usize,
    brought_in: usize,
}

/// Runs one after another in one folder, so that each start has what the last one left.
struct Chain {
    folder: Arc<TempDir>,
    /// What must be there: every write that was acknowledged.
    values: BTreeMap<String, String>,
}

impl Chain {
    /// With a request that hangs, writes in flight, and a store that is locked.
    fn round(&mut self, round: usize, mut random: Random, tally: &Mutex<Tally>) {
        let settings = ["shutdown.ready_delay=250ms", "shutdown.drain_timeout=60s"];
        let app = App::start_in(Arc::clone(&self.folder), &settings);
        assert!(!app.log_text().contains(BROUGHT_IN), "round {round}: a spool came back a second time");
        let _request = app.in_flight("/slow?ms=60000");
        let lock = Lock::of(&app.path("data/cache.db"));
        let writers: Vec<_> =
            (0..3).map(|writer| Writer::start(app.business, round, writer, &random)).collect();
        thread::sleep(Duration::from_millis(20) + random.time_below(Duration::from_millis(30)));
        let before: usize = writers.iter().map(Writer::count).sum();
        let signalled = app.signal(libc::SIGTERM);
        wait_until("the checkpoint is done", || app.status()["checkpoints"][0]["state"] == "done");
        // Into the delay, and into the drain after it.
        let until = signalled + random.time_below(Duration::from_millis(400));
        thread::sleep(until.saturating_duration_since(Instant::now()));
        kill(app.id(), libc::SIGKILL);
        let ended = app.wait();
        assert_eq!(ended.status.code(), None, "round {round}: {}", ended.text());
        drop(lock);
        let mut acknowledged = 0;
        for writer in writers {
            let written = writer.end();
            acknowledged += written.len();
            self.values.extend(written);
        }

        let next = App::start_in(Arc::clone(&self.folder), &[]);
        let brought_in = next.log_text().contains(BROUGHT_IN);
        assert!(!self.folder.path().join("data/cache.spool").exists(), "round {round}: brought in");
        let found = stored(&self.folder.path().join("data/cache.db"));
        for (key, value) in &self.values {
            assert_eq!(found.get(key), Some(value), "round {round}: {key} is lost or not whole");
        }
        next.signal(libc::SIGTERM);
        let ended = next.wait();
        assert_eq!(ended.code(), Some(0), "round {round}: {}", ended.text());
        let mut tally = tally.lock().expect("no panic");
        tally.acknowledged += acknowledged;
        tally.after_the_signal += acknowledged - before.min(acknowledged);
        tally.brought_in += usize::from(brought_in);
    }
}

/// A client that writes until the server is gone.
struct Writer {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<BTreeMap<String, String>>,
}

impl Writer {
    /// Each write has a key of its own: what was sent and not acknowledged may be there or not.
    fn start(business: SocketAddr, round: usize, writer: usize, random: &Random) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted, mut random) = (Arc::clone(&stop), Arc::clone(&count), random.part(writer));
        // While the application runs for certain.
        let mut client = Client::connect(business);
        let thread = thread::spawn(move || {
            let mut written = BTreeMap::new();
            for number in 0.. {
                let key = format!("{round}-{writer}-{number}");
                let value = format!("{number}-{}", "x".repeat(random.below(3_000)));
                let answer = client
                    .send_body("PUT", &format!("/cache/{key}"), &[], value.as_bytes())
                    .and_then(|()| client.read());
                match answer {
                    Ok(response) if response.status == 204 => {
                        written.insert(key, value);
                        counted.fetch_add(1, Ordering::Relaxed);
                        // While the exit begins, each answer closes its connection.
                        if response.header("connection").is_some() {
                            let Ok(another) = Client::try_connect(business) else { break };
                            client = another;
                        }
                    }
                    Ok(_) | Err(_) => break,
                }
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
            }
            written
        });
        Self { stop, count, thread }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What was acknowledged.
    fn end(self) -> BTreeMap<String, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

/// A program that kills the application before its plan is over.
#[derive(Clone, Copy, Debug)]
enum Stopper {
    /// `docker stop`: SIGTERM, and SIGKILL after 10 s.
    Docker,
    /// supervisord: the same, by its own defaults.
    Supervisord,
    /// PM2: SIGINT, and SIGKILL after 1.6 s.
    Pm2,
}

/// With the application's own defaults and theirs, and one client that has given up: its request is waited for. The
/// store is locked: they kill about when the drain times out, so the flush may have begun, and must not be over by then.
#[test]
fn by_programs_that_kill_before_the_plan_is_over() {
    side_by_side(&[Stopper::Docker, Stopper::Supervisord, Stopper::Pm2], |&stopper| {
        let row = format!("stopped by {stopper:?}");
        let folder = folder();
        let mut command = App::command(folder.path());
        command.args(["-s", "log.file=log.txt"]);
        let Some(running) = Running::start(stopper, folder.path(), command) else { return };
        let (admin, business, id) = Running::wait_until_it_serves(folder.path());
        let lock = Lock::of(&folder.path().join("data/cache.db"));
        let mut values = BTreeMap::new();
        for key in 0..5 {
            put(business, &format!("key-{key}"), "value");
            values.insert(format!("key-{key}"), "value".to_owned());
        }
        let mut hanging = Client::connect(business);
        hanging.send("GET", "/slow?ms=60000", &[]).expect("it is sent");
        wait_until("the request is in flight", || {
            let status: serde_json::Value =
                serde_json::from_slice(&Client::get(admin, "/status").body).expect("JSON");
            status["servers"][1]["in_flight"] == 1
        });
        let stopped = Instant::now();
        running.stop();
        wait_until("it has ended", || !Path::new(&format!("/proc/{id}/exe")).exists());
        let took = stopped.elapsed();
        let log = fs::read_to_string(folder.path().join("log.txt")).expect("a log");
        drop(lock);
        assert!(!folder.path().join("report.json").exists(), "{row}: it was killed, after {took:?}: {log}");
        assert!(stage::has_all(&folder, &[], &values), "{row}: brought in");
        assert!(!stage::has_all(&folder, &[], &values), "{row}: once");
        stage::say(format_args!("{row}: killed after {took:.1?}, 5 of 5 acknowledged writes kept"));
    });
}

/// The application under one of them.
struct Running {
    stopper: Stopper,
    /// The command that talks to the supervisor, if there is one.
    control: Option<Vec<String>>,
    folder: PathBuf,
    child: Mutex<std::process::Child>,
}

impl Running {
    /// Nothing where the program is not installed, which is said.
    fn start(stopper: Stopper, folder: &Path, command: Command) -> Option<Self> {
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_str().expect("text").to_owned())
            .collect();
        let (mut command, control) = match stopper {
            Stopper::Docker => (command, None),
            Stopper::Supervisord => {
                let program = installed("supervisor/bin/supervisord", "a stop by supervisord")?;
                let socket = folder.join("supervisor.sock");
                let settings = folder.join("supervisord.conf");
                let text = format!(
                    "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={0}/supervisord.pid\n\
                     [unix_http_server]\nfile={1}\n\
                     [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
                     [supervisorctl]\nserverurl=unix://{1}\n\
                     [program:app]\ncommand={2}\ndirectory={0}\nstdout_logfile=NONE\nstderr_logfile=NONE\n",
                    folder.display(),
                    socket.display(),
                    words.join(" "),
                );
                fs::write(&settings, text).expect("a file");
                let settings = settings.to_str().expect("text").to_owned();
                let control = program.with_file_name("supervisorctl").to_str().expect("text").to_owned();
                let mut supervisor = Command::new(program);
                supervisor.args(["-c", &settings]);
                (supervisor, Some(vec![control, "-c".into(), settings, "stop".into(), "app".into()]))
            }
            Stopper::Pm2 => {
                let program = installed("pm2/node_modules/.bin/pm2", "a stop by PM2")?;
                let node = tool("node", "a stop by PM2")?;
                let control =
                    vec![node.to_str().expect("text").to_owned(), program.to_str().expect("text").to_owned()];
                let mut start = Command::new(&control[0]);
                // Its daemon stays behind, in a home of its own, until it is told to end.
                start.arg(&control[1]).args(["start", &words[0], "--name", "app", "--interpreter", "none"]);
                start.args(["--no-autorestart", "--"]).args(&words[1..]);
                (start, Some([control, vec!["stop".into(), "app".into()]].concat()))
            }
        };
        environment(&mut command, folder);
        let child = command.spawn().expect("it starts");
        Some(Self { stopper, control, folder: folder.to_owned(), child: Mutex::new(child) })
    }

    /// Returns the addresses of the admin and the business server, and the application's process.
    fn wait_until_it_serves(folder: &Path) -> (SocketAddr, SocketAddr, u32) {
        let log = folder.join("log.txt");
        let mut found = None;
        wait_until("the application serves", || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let address_of = |server: &str| {
                let line = text.lines().find(|line| line.contains(&format!("server {server} listens")))?;
                line.rsplit("http://").next()?.trim().parse().ok()
            };
            found = (|| {
                let (admin, business) = (address_of("admin")?, address_of("business")?);
                Some((admin, business, runs_in(folder).filter(|_| text.contains("server started"))?))
            })();
            found.is_some()
        });
        found.expect("it was found")
    }

    fn stop(&self) {
        let Some(control) = &self.control else {
            let mut child = self.child.lock().expect("no panic");
            kill(child.id(), libc::SIGTERM);
            let stopped = Instant::now();
            while child.try_wait().expect("a child").is_none() {
                if stopped.elapsed() > Duration::from_secs(10) {
                    kill(child.id(), libc::SIGKILL);
                }
                thread::sleep(Duration::from_millis(5));
            }
            return;
        };
        let mut stop = Command::new(&control[0]);
        stop.args(&control[1..]);
        environment(&mut stop, &self.folder);
        let stopped = stop.status().expect("it runs");
        assert!(stopped.success(), "{control:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Stopper::Pm2, Some(control)) = (self.stopper, &self.control) {
            let mut end = Command::new(&control[0]);
            end.args([&control[1], "kill"]);
            environment(&mut end, &self.folder);
            // The test may have failed before there was a daemon.
            let _ = end.status();
        }
        let child = self.child.get_mut().expect("no panic");
        if matches!(self.stopper, Stopper::Supervisord) {
            kill(child.id(), libc::SIGTERM);
        }
        // A failed test may leave the application behind.
        if let Some(id) = runs_in(&self.folder) {
            kill(id, libc::SIGKILL);
        }
        let _ = child.wait();
    }
}

fn environment(command: &mut Command, folder: &Path) {
    command.current_dir(folder).env("LC_ALL", "C").env("PM2_HOME", folder.join("pm2")).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
}

/// A program that `.ci/install` has put into the project.
fn installed(path: &str, row: &str) -> Option<PathBuf> {
    let program = project_file("target/tools").join(path);
    if program.is_file() {
        return Some(program);
    }
    stage::skip(row, format_args!("{} is not there (.ci/install does that)", program.display()));
    None
}

/// The application that runs in `folder`.
fn runs_in(folder: &Path) -> Option<u32> {
    let folder = folder.canonicalize().ok()?;
    let is_it = |process: &Path| -> io::Result<bool> {
        let program = fs::read_link(process.join("exe"))?;
        Ok(fs::read_link(process.join("cwd"))? == folder && program.ends_with("graceful-exit"))
    };
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok).map(|process| process.path());
    let mut found = processes.filter(|process| is_it(process).unwrap_or(false));
    found.find_map(|process| process.file_name()?.to_str()?.parse().ok())
}
