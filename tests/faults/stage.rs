//! Helpers of the fault tests: seeds, small disks, limits, and time limits that allow for a busy machine.

use std::{
    collections::BTreeMap,
    env,
    fmt::Display,
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;

use crate::support::{App, Client, STUCK_AFTER, signals, wait_until};

/// How long after its deadline the process may end.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How long after the second signal the process may end.
pub(super) const FORCED: Duration = Duration::from_millis(200);

/// Prints to the real standard error, which the test harness does not capture.
pub(super) fn say(what: impl Display) {
    // Informative only: a failure to print is ignored.
    let _ = writeln!(io::stderr(), "{what}");
}

/// Reports that a row cannot run on this machine.
pub(super) fn skip(row: &str, why: impl Display) {
    say(format_args!("SKIPPED: {row}: {why}"));
}

/// The repetitions of a long row: `long` with `GRACEFUL_EXIT_LONG` set, otherwise `short`.
pub(super) fn times(short: usize, long: usize) -> usize {
    let is_long = env::var_os("GRACEFUL_EXIT_LONG").is_some_and(|long| !long.is_empty());
    if is_long { long } else { short }
}

/// Random numbers, seeded by `GRACEFUL_EXIT_SEED` or by the time.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Prints the seed, so that a failure can be repeated.
    pub(super) fn of(row: &str) -> Self {
        let given = env::var("GRACEFUL_EXIT_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
            u64::from(now.subsec_nanos()) << 20 | now.as_secs() & 0xf_ffff
        });
        println!("{row}: GRACEFUL_EXIT_SEED={seed}");
        Self(seed)
    }

    /// An independent sequence of numbers for one part of a row.
    pub(super) fn part(&self, part: usize) -> Self {
        Self(self.0 ^ (part as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// `SplitMix64`.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    pub(super) fn of_these<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub(super) fn time_below(&mut self, bound: Duration) -> Duration {
        let nanos = u64::try_from(bound.as_nanos()).expect("a short time");
        Duration::from_nanos(self.next() % nanos.max(1))
    }
}

/// The application without a readable standard error: its log file tells its ports. Killed on drop.
#[derive(Debug)]
pub(super) struct Mute {
    child: Child,
    pub(super) folder: Arc<TempDir>,
    pub(super) business: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Mute {
    /// Runs a command of [`App::command`], with a log file added.
    pub(super) fn start(folder: Arc<TempDir>, mut command: Command) -> Self {
        let log = folder.path().join("log.txt");
        // Removes the log of an earlier run, which names other ports.
        let _ = fs::remove_file(&log);
        command.args(["-s", "log.file=log.txt"]);
        let child = command.spawn().expect("the binary starts");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut mute = Self { child, folder, business: nowhere, admin: nowhere };
        wait_until("the server listens", || {
            let ended = mute.child.try_wait().expect("a child");
            let log = fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "it ended with {ended:?}: {log}");
            let address = |server: &str| {
                let line = log.lines().find(|line| line.contains(&format!("server {server} listens")))?;
                line.rsplit("http://").next()?.trim().parse().ok()
            };
            match (address("business"), address("admin"), log.contains("server started")) {
                (Some(business), Some(admin), true) => {
                    (mute.business, mute.admin) = (business, admin);
                    true
                }
                _ => false,
            }
        });
        mute
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn log_text(&self) -> String {
        fs::read_to_string(self.folder.path().join("log.txt")).unwrap_or_default()
    }

    /// Waits until the process has ended.
    pub(super) fn wait(&mut self) -> (ExitStatus, Instant) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status, Instant::now());
            }
            assert!(start.elapsed() < STUCK_AFTER, "it does not end: {}", self.log_text());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, run by another program, such as `unshare -pf COMMAND …`.
pub(super) fn run_by(program: &str, arguments: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(program);
    wrapped.args(arguments).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    signals::all_default(&mut wrapped);
    wrapped
}

/// True if the command succeeds on this machine.
pub(super) fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The only child of a process.
pub(super) fn child_of(id: u32) -> u32 {
    let mut child = None;
    wait_until("it has a child", || {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        child = children.split_whitespace().next().and_then(|id| id.parse().ok());
        child.is_some()
    });
    child.expect("it was found")
}

/// The number of a process's open file descriptors.
pub(super) fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
}

/// All entries of a store.
pub(super) fn stored(store: &Path) -> BTreeMap<String, String> {
    block_on(async {
        let mut store = open(store).await;
        let query = sqlx::query_as::<_, (String, Vec<u8>)>("SELECT key, value FROM cache");
        let rows = query.fetch_all(&mut store).await.expect("the rows");
        let text = |value| String::from_utf8(value).expect("text");
        rows.into_iter().map(|(key, value)| (key, text(value))).collect()
    })
}

/// Holds the store's lock until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _connection: SqliteConnection,
}

impl Lock {
    pub(super) fn of(store: &Path) -> Self {
        let connection = block_on(async {
            let mut connection = open(store).await;
            connection.execute("BEGIN EXCLUSIVE").await.expect("the lock");
            connection
        });
        Self { _connection: connection }
    }
}

/// Takes the store's table away.
pub(super) fn drop_table(store: &Path) {
    block_on(async {
        open(store).await.execute("DROP TABLE cache").await.expect("it was there");
    });
}

async fn open(store: &Path) -> SqliteConnection {
    let url = format!("sqlite://{}", store.display());
    SqliteConnection::connect(&url).await.expect("the store is opened")
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Puts a value, and checks that it is acknowledged.
pub(super) fn put(business: SocketAddr, key: &str, value: &str) {
    assert_eq!(Client::put(business, &format!("/cache/{key}"), value.as_bytes()).status, 204, "{key}");
}

/// Part of the log line of a start that imports a spool.
pub(super) const BROUGHT_IN: &str = "brought in";

/// Starts again in the directory, and checks that every value is there and no spool is left. Returns true if the
/// start imported a spool.
pub(super) fn has_all(folder: &Arc<TempDir>, settings: &[&str], values: &BTreeMap<String, String>) -> bool {
    let app = App::start_in(Arc::clone(folder), settings);
    for (key, value) in values {
        let got = Client::get(app.business, &format!("/cache/{key}"));
        assert_eq!((got.status, got.text()), (200, value.clone()), "{key}:\n{}", app.log_text());
    }
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    ended.has(BROUGHT_IN)
}

/// A small disk in memory (tmpfs), unmounted on drop.
#[derive(Debug)]
pub(super) struct Disk(PathBuf);

impl Disk {
    /// Returns `None`, with a line that says so, where mounting is not allowed.
    pub(super) fn mount(row: &str, place: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&place).expect("a folder");
        let path = place.to_str().expect("a path that is text");
        if !works("mount", &["-t", "tmpfs", "-o", &format!("size={size},mode=777"), "tmpfs", path]) {
            skip(row, "a tmpfs cannot be mounted");
            return None;
        }
        Some(Self(place))
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path that is text").to_owned()
    }

    /// Fills it to the last byte.
    pub(super) fn fill(&self) {
        self.fill_but(0);
    }

    /// Fills it except for `left` bytes.
    pub(super) fn fill_but(&self, left: usize) {
        let mut file = fs::File::create(self.0.join("filler")).expect("a file");
        let mut written = 0;
        while let Ok(count @ 1..) = file.write(&[b'.'; 4096]) {
            written += count as u64;
        }
        file.set_len(written.saturating_sub(left as u64)).expect("a shorter file");
    }

    /// Makes room again.
    pub(super) fn empty(&self) {
        fs::remove_file(self.0.join("filler")).expect("the filler is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that has just been killed may still hold a file there.
        works("umount", &["-l", self.0.to_str().expect("a path that is text")]);
    }
}
