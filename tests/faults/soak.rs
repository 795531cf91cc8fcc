//! Many exits in a row, under load, each with a random fault.

use std::{
    collections::BTreeMap,
    fs, io,
    net::TcpStream,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    stage::{self, FORCED, GRACE, Lock, Mute, Random, descriptors, stored, times},
    system::{self, kill},
};
use crate::support::{App, Client, PAST_COALESCE, Watch, folder, report, signals::ALL, wait_until};

/// Longer than a busy disk takes for a sync, of which an exit waits for several.
const DEADLINE: Duration = Duration::from_secs(60);
const SETTINGS: [&str; 9] = [
    "demo.chaos=true",
    "servers.business.workers=2",
    "shutdown.checkpoint_timeout=30s",
    "shutdown.drain_timeout=30s",
    "shutdown.stop_timeout=2s",
    "shutdown.callback_timeout=30s",
    "shutdown.release_timeout=30s",
    "shutdown.timeout=60s",
    "shutdown.progress_interval=100ms",
];

/// The fault of one exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Nothing,
    AskedOverHttp,
    SecondSignal,
    Storm,
    Killed,
    KilledAfterTheCheckpoint,
    Stopped,
    WorkerBlocked,
    HandlerPanics,
    IdleClient,
    HalfABody,
    SlowReader,
    StoreLocked,
    StoreDeleted,
    FlushTooLong,
    FullPipe,
    ReaderLeft,
    FewDescriptors,
    DescriptorsTaken,
}

const FAULTS: [Fault; 19] = [
    Fault::Nothing,
    Fault::AskedOverHttp,
    Fault::SecondSignal,
    Fault::Storm,
    Fault::Killed,
    Fault::KilledAfterTheCheckpoint,
    Fault::Stopped,
    Fault::WorkerBlocked,
    Fault::HandlerPanics,
    Fault::IdleClient,
    Fault::HalfABody,
    Fault::SlowReader,
    Fault::StoreLocked,
    Fault::StoreDeleted,
    Fault::FlushTooLong,
    Fault::FullPipe,
    Fault::ReaderLeft,
    Fault::FewDescriptors,
    Fault::DescriptorsTaken,
];

impl Fault {
    /// The possible exit codes, if the process is not killed.
    fn codes(self) -> &'static [i32] {
        match self {
            Self::Nothing
            | Self::AskedOverHttp
            | Self::HandlerPanics
            | Self::IdleClient
            | Self::FullPipe
            | Self::ReaderLeft
            | Self::FewDescriptors
            | Self::DescriptorsTaken
            // It may have ended before it is killed.
            | Self::Killed => &[0],
            // While the process is stopped, the drain timeout may pass.
            Self::Stopped => &[0, 3],
            Self::WorkerBlocked
            | Self::HalfABody
            | Self::SlowReader
            | Self::StoreLocked
            | Self::StoreDeleted => &[3],
            Self::SecondSignal | Self::FlushTooLong => &[1],
            // It may have ended before the coalescing time is over.
            Self::Storm => &[0, 1],
            Self::KilledAfterTheCheckpoint => &[],
        }
    }

    /// True if the exit may end before its checkpoint: dirty entries may be lost.
    fn loses(self) -> bool {
        matches!(self, Self::SecondSignal | Self::Storm | Self::Killed)
    }

    /// True if the exit does not run to its end, and may leave a temporary file behind.
    fn is_cut_short(self) -> bool {
        self.loses() || matches!(self, Self::FlushTooLong | Self::KilledAfterTheCheckpoint)
    }

    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::FlushTooLong => {
                &["demo.flush_delay=60s", "shutdown.callback_timeout=60s", "shutdown.timeout=1500ms"]
            }
            Self::SecondSignal | Self::KilledAfterTheCheckpoint => &["shutdown.drain_timeout=60s"],
            Self::WorkerBlocked | Self::HalfABody | Self::SlowReader => {
                &["shutdown.drain_timeout=400ms", "shutdown.stop_timeout=300ms"]
            }
            Self::StoreLocked => &["shutdown.callback_timeout=2s"],
            _ => &[],
        }
    }

    fn deadline(self) -> Duration {
        if self == Self::FlushTooLong { Duration::from_millis(1500) } else { DEADLINE }
    }
}

/// The number of exits that run at the same time.
const AT_A_TIME: usize = 4;

#[test]
fn exits_one_after_another() {
    let exits = times(15, 500);
    let random = Random::of("soak");
    let next = AtomicUsize::new(0);
    let seen = Mutex::new(BTreeMap::<Fault, usize>::new());
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let mut chain = Chain { folder: folder(), values: BTreeMap::new() };
                loop {
                    let exit = next.fetch_add(1, Ordering::Relaxed);
                    if exit >= exits {
                        break;
                    }
                    let mut random = random.part(exit);
                    let fault = *random.of_these(&FAULTS);
                    chain.exit(exit, fault, &mut random);
                    *seen.lock().expect("no panic").entry(fault).or_default() += 1;
                }
                chain.ends();
            });
        }
    });
    let (took, seen) = (begun.elapsed(), seen.into_inner().expect("no panic"));
    stage::say(format_args!("soak: {exits} exits in {took:.1?}: {seen:?}"));
}

/// A series of exits in one directory.
struct Chain {
    folder: Arc<TempDir>,
    /// The entries that the store must have.
    values: BTreeMap<String, String>,
}

impl Chain {
    fn exit(&mut self, exit: usize, fault: Fault, random: &mut Random) {
        let mut command = App::command(self.folder.path());
        for setting in SETTINGS.iter().chain(fault.settings()) {
            command.args(["-s", setting]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (reader, writer) = io::pipe().expect("a pipe");
        let mut reader = Some(reader);
        match fault {
            Fault::FullPipe => {
                system::fill(&writer);
                command.stderr(writer);
            }
            Fault::ReaderLeft => {
                command.stderr(writer);
            }
            _ => {}
        }
        // The previous exit's report.
        let report_file = self.folder.path().join("report.json");
        let _ = fs::remove_file(&report_file);
        let mut app = Mute::start(Arc::clone(&self.folder), command);
        if fault == Fault::ReaderLeft {
            reader = None;
        }
        let load = Load::start(&app, exit);
        thread::sleep(Duration::from_millis(20) + random.time_below(Duration::from_millis(60)));
        let watch = Watch::start();
        let (staged, asked, bound) = self.stage(fault, &app, random);
        let (status, at) = app.wait();
        let acknowledged = load.end();
        drop((staged, reader));

        let what = format!("exit {exit}, {fault:?}");
        let text = app.log_text();
        watch.check(&what, at.saturating_duration_since(asked), bound);
        if let Some(code) = status.code() {
            assert!(fault.codes().contains(&code), "{what}: {code}\n{text}");
            if report_file.exists() {
                assert_eq!(report(&report_file)["exit_code"], code, "{what}");
            } else {
                // The hard stop, which writes none, comes first on a machine that is busy.
                let may = [Fault::Storm, Fault::SecondSignal, Fault::FlushTooLong];
                assert!(code == 1 && may.contains(&fault), "{what}: {text}");
            }
        } else {
            let is_killed = [Fault::Killed, Fault::KilledAfterTheCheckpoint].contains(&fault);
            assert!(is_killed, "{what}: {status}\n{text}");
        }
        for server in [app.business, app.admin] {
            TcpStream::connect(server).expect_err("its port is free");
        }
        self.left(&what, fault);
        let said = report_file.exists().then(|| report(&report_file)["callbacks"][0]["error"].to_string());
        let lost = self.check(&what, fault, acknowledged);
        if let Some(said) = said {
            assert!(
                !lost || said.contains("not flushed"),
                "{what}: the lost writes are not reported: {said}"
            );
        }
    }

    /// Causes the fault and the exit. Returns the values to hold until the end, the instant of the request to stop, and how
    /// long the exit may take.
    fn stage(&self, fault: Fault, app: &Mute, random: &mut Random) -> (Staged, Instant, Duration) {
        let store = self.folder.path().join("data/cache.db");
        let mut staged = Staged::default();
        let mut hold = |request: &[u8]| {
            let mut client = Client::connect(app.business);
            client.write(request).expect("it is sent");
            staged.clients.push(client);
        };
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();
        match fault {
            Fault::WorkerBlocked => hold(&get("/chaos/block?ms=60000")),
            Fault::HandlerPanics => (0..3).for_each(|_| hold(&get("/chaos/panic"))),
            Fault::IdleClient => (0..5).for_each(|_| hold(b"")),
            Fault::HalfABody => hold(b"PUT /cache/half HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"),
            Fault::SlowReader => hold(&get("/stream?n=1000000&ms=0")),
            Fault::SecondSignal | Fault::KilledAfterTheCheckpoint => hold(&get("/slow?ms=60000")),
            Fault::StoreLocked => staged.lock = Some(Lock::of(&store)),
            Fault::StoreDeleted => fs::remove_file(&store).expect("it is there"),
            Fault::FewDescriptors => system::limit_descriptors(app.id(), descriptors(app.id()) + 8),
            Fault::DescriptorsTaken => {
                system::limit_descriptors(app.id(), descriptors(app.id()) + 24);
                (0..40).for_each(|_| hold(b""));
            }
            _ => {}
        }
        // A request that the fault is about is in flight before the signal comes.
        let path = match fault {
            Fault::WorkerBlocked => Some("/chaos/block"),
            Fault::HalfABody => Some("/cache/half"),
            Fault::SlowReader => Some("/stream"),
            Fault::SecondSignal | Fault::KilledAfterTheCheckpoint => Some("/slow"),
            _ => None,
        };
        if let Some(path) = path {
            let shown = format!("\"path\":\"{path}\"");
            wait_until("it is in flight", || Client::get(app.admin, "/status").text().contains(&shown));
        }
        thread::sleep(random.time_below(Duration::from_millis(5)));
        if fault == Fault::Killed {
            if random.below(2) == 0 {
                kill(app.id(), libc::SIGTERM);
                thread::sleep(random.time_below(Duration::from_millis(120)));
            }
            return (staged, kill(app.id(), libc::SIGKILL), GRACE);
        }
        let first = if fault == Fault::AskedOverHttp {
            let now = Instant::now();
            let answer = Client::request(app.admin, "POST", "/shutdown", &[("Content-Length", "0")], b"");
            assert_eq!(answer.status, 202);
            now
        } else {
            kill(app.id(), random.of_these(&ALL).1)
        };
        match fault {
            Fault::SecondSignal => {
                // Waits until the first is handled: the kernel merges pending signals of one kind.
                wait_until("the exit begins", || app.log_text().contains("shutting down"));
                thread::sleep(PAST_COALESCE);
                return (staged, kill(app.id(), random.of_these(&ALL).1), FORCED);
            }
            Fault::KilledAfterTheCheckpoint => {
                wait_until("the checkpoint is done", || {
                    Client::get(app.admin, "/status")
                        .text()
                        .contains("\"name\":\"spool-cache\",\"state\":\"done\"")
                });
                thread::sleep(random.time_below(Duration::from_millis(300)));
                return (staged, kill(app.id(), libc::SIGKILL), GRACE);
            }
            Fault::Storm => {
                for _ in 0..40 {
                    kill(app.id(), random.of_these(&ALL).1);
                    thread::sleep(random.time_below(Duration::from_millis(4)));
                }
            }
            Fault::Stopped => {
                kill(app.id(), libc::SIGSTOP);
                thread::sleep(random.time_below(Duration::from_millis(300)));
                kill(app.id(), libc::SIGCONT);
            }
            _ => {}
        }
        (staged, first, fault.deadline() + GRACE)
    }

    /// Checks that no temporary file is left, unless the process was killed while it wrote one.
    fn left(&self, what: &str, fault: Fault) {
        let (root, data) = (self.folder.path(), self.folder.path().join("data"));
        for entry in fs::read_dir(root).expect("a folder").chain(fs::read_dir(data).expect("a folder")) {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            let expected = ["data", "log.txt", "report.json", "cache.db", "cache.spool", "cache.spool.lock"];
            assert!(
                expected.contains(&name.as_str()) || fault.is_cut_short(),
                "{what}: {name} was left behind"
            );
            if name.starts_with("report.json.") {
                fs::remove_file(root.join(name)).expect("it is there");
            }
        }
    }

    /// Checks that each acknowledged write is stored once the next start has imported the spool.
    /// Returns true if writes were lost, where the fault allows that.
    fn check(&mut self, what: &str, fault: Fault, acknowledged: BTreeMap<String, String>) -> bool {
        let store = self.folder.path().join("data/cache.db");
        if fault == Fault::StoreDeleted {
            // The deleted store's own entries are not covered by the promise.
            self.values.clear();
        }
        drop(Mute::start(Arc::clone(&self.folder), {
            let mut command = App::command(self.folder.path());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        }));
        assert!(!self.folder.path().join("data/cache.spool").exists(), "{what}: it was brought in");
        let stored = stored(&store);
        let found = acknowledged.iter().filter(|(key, value)| stored.get(*key) == Some(value)).count();
        assert!(
            found == acknowledged.len() || fault.loses() && found == 0,
            "{what}: {found} of {} acknowledged writes are there",
            acknowledged.len()
        );
        let lost = found < acknowledged.len();
        if !lost {
            self.values.extend(acknowledged);
        }
        for (key, value) in &self.values {
            assert_eq!(stored.get(key), Some(value), "{what}: {key}, of an exit before");
        }
        lost
    }

    /// Checks that no process is left in the directory.
    fn ends(&self) {
        let here = self.folder.path().canonicalize().expect("a path");
        for process in fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
            if let Ok(place) = fs::read_link(process.path().join("cwd")) {
                assert_ne!(place, here, "{} was left behind", process.path().display());
            }
        }
    }
}

/// Values that are held until the process has ended.
#[derive(Default)]
struct Staged {
    clients: Vec<Client>,
    lock: Option<Lock>,
}

/// Clients that read and write until the server has closed.
struct Load {
    over: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<BTreeMap<String, String>>>,
    /// Each client's socket, to interrupt its read.
    sockets: Vec<TcpStream>,
}

impl Load {
    fn start(app: &Mute, exit: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut load = Self { over, clients: Vec::new(), sockets: Vec::new() };
        for number in 0..3 {
            let mut client = Client::connect(app.business);
            load.sockets.push(client.socket().try_clone().expect("a socket"));
            let over = Arc::clone(&load.over);
            let (first, is_written) = mpsc::channel();
            load.clients.push(thread::spawn(move || {
                let mut acknowledged = BTreeMap::new();
                for write in 0.. {
                    let (key, value) = (format!("exit-{exit}-{number}-{write}"), format!("{exit}-{write}"));
                    let path = format!("/cache/{key}");
                    if over.load(Ordering::Relaxed)
                        || client.send_body("PUT", &path, &[], value.as_bytes()).is_err()
                    {
                        break;
                    }
                    match client.read().map(|response| response.status) {
                        Ok(204) => {
                            acknowledged.insert(key, value);
                            let _ = first.send(()); // it was waited for once
                        }
                        _ => break,
                    }
                    thread::sleep(Duration::from_millis(2));
                }
                acknowledged
            }));
            // There is something to be flushed, however busy the machine is.
            is_written.recv().expect("a write is acknowledged");
        }
        load
    }

    /// Ends the clients, and returns the acknowledged writes.
    fn end(self) -> BTreeMap<String, String> {
        self.over.store(true, Ordering::Relaxed);
        for socket in &self.sockets {
            // The connection may be closed already.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        self.clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
    }
}
