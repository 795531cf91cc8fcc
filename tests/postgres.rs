//! The cache with a real PostgreSQL server that is stopped in the middle of a flush: no acknowledged write is lost.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::support::{
    App, Client, Ended,
    tools::{find, output, skipped},
    wait_until,
};

#[test]
fn the_flush_reaches_postgresql_and_the_next_run_reads_it() {
    let Some(server) = Server::start("a flush into PostgreSQL") else { return };
    let app = App::start(&[&server.store()]);
    put(&app, "key", 300, b"value");
    assert_eq!(server.rows(), 0, "nothing is written before the flush");
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(server.rows(), 300);
    let app = App::start_in(ended.folder, &[&server.store()]);
    has(&app, "key", 300, b"value");
}

#[test]
fn a_server_that_stops_in_the_middle_of_the_flush_loses_nothing() {
    let Some(mut server) = Server::start("PostgreSQL stopped in the middle of a flush") else { return };
    let app = App::start(&[&server.store()]);
    put(&app, "key", 100, b"value");
    // The flush's transaction waits for the lock at its first row.
    let lock = server.lock_the_table("EXCLUSIVE");
    app.signal(libc::SIGTERM);
    server.wait_for_a_session_that_waits();
    server.stop_immediately();
    drop(lock);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let flush = &ended.report()["callbacks"][0];
    assert_eq!(flush["outcome"], "failed");
    let error = flush["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("cache.spool"), "it says where the writes are: {error}");
    eprintln!("stopped in the middle of the flush: exit code 3, {error}");

    server.start_again();
    assert_eq!(server.rows(), 0, "the transaction was not committed");
    let app = App::start_in(ended.folder, &[&server.store()]);
    has(&app, "key", 100, b"value");
    assert_eq!(server.rows(), 100, "the next start brings them in before it serves");
    assert_eq!(stop(app).code(), Some(0));
}

#[test]
fn a_server_that_stops_at_any_moment_of_the_exit_loses_nothing() {
    let Some(mut server) = Server::start("PostgreSQL stopped at any moment") else { return };
    let value = vec![b'x'; 100_000];
    let mut folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let mut codes = Vec::new();
    for round in 0..5_u32 {
        let app = App::start_in(folder, &[&server.store()]);
        let name = format!("round-{round}");
        put(&app, &name, 40, &value);
        app.signal(libc::SIGTERM);
        thread::sleep(Duration::from_millis(u64::from(round * round) * 60));
        server.stop_immediately();
        let ended = app.wait();
        codes.push(ended.code());
        assert!(matches!(ended.code(), Some(0 | 3)), "{}", ended.text());
        server.start_again();
        let app = App::start_in(ended.folder, &[&server.store()]);
        has(&app, &name, 40, &value);
        let ended = stop(app);
        assert_eq!(ended.code(), Some(0), "{}", ended.text());
        folder = ended.folder;
    }
    assert_eq!(server.rows(), 200);
    eprintln!(
        "stopped at five moments of the exit, exit codes {codes:?}, 200 writes of 100 kB acknowledged, 0 lost"
    );
}

#[test]
fn a_blocked_worker_does_not_hold_the_flush_back() {
    let Some(server) = Server::start("a flush into PostgreSQL beside a blocked worker") else { return };
    let settings = [
        &server.store(),
        "demo.chaos=true",
        "servers.business.workers=1",
        "shutdown.drain_timeout=200ms",
        "shutdown.stop_timeout=200ms",
    ];
    let app = App::start(&settings);
    put(&app, "key", 10, b"value");
    // The pool grows by connections whose input is read by the worker's own thread.
    let lock = server.lock_the_table("ACCESS EXCLUSIVE");
    let mut readers: Vec<_> = (0..4).map(|_| Client::connect(app.business)).collect();
    for reader in &mut readers {
        reader.send("GET", "/cache/missing", &[]).expect("sent");
    }
    wait_until("the pool has grown", || server.ask(WAITING) == 4);
    drop(lock);
    for reader in &mut readers {
        assert_eq!(reader.read().expect("answered").status, 404);
    }
    // The start-up's connection is the next in the pool; this moves it to the end.
    assert_eq!(Client::get(app.business, "/cache/missing").status, 404);
    let _blocked = app.in_flight("/chaos/block?ms=20000");
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    let report = ended.report();
    assert_eq!(report["callbacks"][0]["outcome"], "done", "{report}");
    assert_eq!(report["resources"][0]["outcome"], "done", "{report}");
    assert_eq!(server.rows(), 10);
}

#[test]
fn a_server_that_cannot_be_used_is_named_without_its_password() {
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    // Nothing listens on this port.
    let mut command = App::command(folder.path());
    command.args(["--set", "cache.store=postgres://user:geheim@127.0.0.1:9/shop"]);
    let ended = App::run(&folder, command);
    assert_eq!(ended.code(), Some(4));
    assert!(ended.has("cannot open postgres://127.0.0.1:9/***: "), "{}", ended.text());
    assert!(!ended.text().contains("geheim"), "{}", ended.text());

    let Some(server) = Server::start("a database that is not there") else { return };
    let mut command = App::command(folder.path());
    command.args(["--set", &format!("cache.store=postgres://postgres@{}/shop", server.address)]);
    let ended = App::run(&folder, command);
    assert_eq!(ended.code(), Some(4));
    assert!(ended.has("database \"shop\" does not exist"), "{}", ended.text());
}

/// How many of its clients the server talks to through TLS, the one that asks not counted.
const ENCRYPTED: &str = "SELECT count(*) FROM pg_stat_ssl WHERE ssl AND pid <> pg_backend_pid()";

#[test]
fn the_store_is_reached_through_tls_as_libpq_would_reach_it() {
    let Some(server) = Server::start("a store through TLS") else { return };
    let certificate = server.serve_tls("hostssl", &server.address.to_string());
    let starts = |parameters: &str| {
        let app = App::start(&[&format!("{}?{parameters}", server.store())]);
        put(&app, "key", 3, b"value");
        assert_eq!(server.ask(ENCRYPTED), 1, "{parameters}");
        let ended = stop(app);
        assert_eq!(ended.code(), Some(0), "{parameters}: {}", ended.text());
    };
    // The server takes TLS alone: `allow` gets there by its second try, the others by their first.
    for mode in ["allow", "prefer", "require"] {
        starts(&format!("sslmode={mode}"));
    }
    starts("");
    let certificate = certificate.display();
    for mode in ["verify-ca", "verify-full"] {
        starts(&format!("sslmode={mode}&sslrootcert={certificate}"));
    }
    let refuses = |url: &str, why: &str| {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let mut command = App::command(folder.path());
        command.args(["--set", &format!("cache.store={url}")]);
        let ended = App::run(&folder, command);
        assert_eq!(ended.code(), Some(4), "{url}: {}", ended.text());
        assert!(ended.has(why), "{url}: {}", ended.text());
    };
    refuses(&format!("{}?sslmode=disable", server.url()), "no encryption");
    refuses(&format!("{}?sslmode=verify-full", server.url()), "certificate");
    let certificate = server.serve_tls("hostssl", "db.example");
    let certificate = certificate.display();
    refuses(&format!("{}?sslmode=verify-full&sslrootcert={certificate}", server.url()), "certificate");
    starts(&format!("sslmode=verify-ca&sslrootcert={certificate}"));
}

#[test]
fn a_server_that_takes_no_tls_gets_no_password_in_clear_unless_the_url_says_so() {
    let Some(server) = Server::start("a store without TLS") else { return };
    for mode in ["disable", "allow", "prefer"] {
        let app = App::start(&[&format!("{}?sslmode={mode}", server.store())]);
        put(&app, "key", 3, b"value");
        assert_eq!(stop(app).code(), Some(0), "{mode}");
    }
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let mut command = App::command(folder.path());
    command.args(["--set", &format!("{}?sslmode=require", server.store())]);
    let ended = App::run(&folder, command);
    assert_eq!(ended.code(), Some(4), "{}", ended.text());
    assert!(ended.has("does not support TLS"), "{}", ended.text());
}

/// `prefer` gets there by its second try.
#[test]
fn a_server_that_has_tls_and_refuses_it_is_reached_without_it() {
    let Some(server) = Server::start("a store that refuses TLS") else { return };
    server.serve_tls("hostnossl", "db.example");
    for parameters in ["sslmode=prefer", "sslmode=allow", "sslmode=disable", ""] {
        let app = App::start(&[&format!("{}?{parameters}", server.store())]);
        put(&app, "key", 3, b"value");
        assert_eq!(server.ask(ENCRYPTED), 0, "{parameters}");
        assert_eq!(stop(app).code(), Some(0), "{parameters}");
    }
}

fn put(app: &App, name: &str, keys: u32, value: &[u8]) {
    let mut client = Client::connect(app.business);
    for key in 0..keys {
        client.send_body("PUT", &format!("/cache/{name}-{key}"), &[], value).expect("sent");
        assert_eq!(client.read().expect("answered").status, 204);
    }
}

fn has(app: &App, name: &str, keys: u32, value: &[u8]) {
    let mut client = Client::connect(app.business);
    for key in 0..keys {
        client.send("GET", &format!("/cache/{name}-{key}"), &[]).expect("sent");
        let got = client.read().expect("answered");
        assert!(got.status == 200 && got.body == value, "{name}-{key}: {}", got.status);
    }
}

fn stop(app: App) -> Ended {
    app.signal(libc::SIGTERM);
    app.wait()
}

/// The number of sessions that wait for a lock.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

/// A server of this test's own, run by an ordinary user: PostgreSQL refuses to be run by root.
pub(crate) struct Server {
    folder: TempDir,
    programs: PathBuf,
    as_root: bool,
    address: Ipv4Addr,
}

impl Server {
    /// Returns `None`, with a line that says so, if PostgreSQL is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let Some(programs) = programs() else {
            skipped(test, "PostgreSQL's server is not installed (.ci/install does that)");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        // A loopback address of its own allows the usual port, which stays free for a restart.
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 120 + NEXT.fetch_add(1, Ordering::Relaxed), high, low.max(1));
        #[expect(unsafe_code, reason = "std does not tell who we are")]
        // SAFETY: it only reads, and cannot fail.
        let as_root = unsafe { libc::geteuid() } == 0;
        let server = Self { folder, programs, as_root, address };
        if as_root {
            output(Command::new("chown").arg("postgres").arg(server.folder.path()));
        }
        let data = server.data();
        let mut initialise = server.run("initdb");
        initialise.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "-D",
        ]);
        output(initialise.arg(&data));
        server.start_again();
        Some(server)
    }

    fn start_again(&self) {
        let options =
            format!("-c listen_addresses={} -p 5432 -k {}", self.address, self.folder.path().display());
        let mut start = self.run("pg_ctl");
        start
            .args(["-w", "-t", "60", "-s", "-o", &options, "-l"])
            .arg(self.folder.path().join("log"))
            .arg("-D");
        // Its log is a file: a pipe would stay open while the server runs.
        start
            .arg(self.data())
            .arg("start")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let status = start.status().expect("pg_ctl starts");
        assert!(
            status.success(),
            "{}",
            fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        );
    }

    /// Has it serve TLS with a certificate for `name`, and let in by `kind` of connection alone. Returns the certificate
    /// that has signed it.
    fn serve_tls(&self, kind: &str, name: &str) -> PathBuf {
        let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("no name");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = rcgen::KeyPair::generate().expect("a key");
        let root = authority.self_signed(&authority_key).expect("a certificate");
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])
            .and_then(|own| own.signed_by(&key, &rcgen::Issuer::new(authority, &authority_key)))
            .expect("a certificate");
        let data = self.data();
        let files = [
            ("server.crt", certificate.pem()),
            ("server.key", key.serialize_pem()),
            ("pg_hba.conf", format!("{kind} all all all trust\n")),
        ];
        for (name, text) in files {
            let path = data.join(name);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .expect("permissions");
            if self.as_root {
                output(Command::new("chown").arg("postgres").arg(&path));
            }
        }
        let settings = data.join("postgresql.auto.conf");
        fs::write(settings, "ssl = on\n").expect("its settings");
        output(self.run("pg_ctl").args(["-w", "-s", "-m", "fast", "-D"]).arg(&data).arg("stop"));
        self.start_again();
        let copy = self.folder.path().join("certificate.pem");
        fs::write(&copy, root.pem()).expect("a file");
        copy
    }

    /// Stops the server without a checkpoint, like a power failure.
    fn stop_immediately(&mut self) {
        output(self.run("pg_ctl").args(["-w", "-s", "-m", "immediate", "-D"]).arg(self.data()).arg("stop"));
    }

    fn run(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if self.as_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        command
    }

    /// Its own directory, which has its Unix socket.
    pub(crate) fn directory(&self) -> &Path {
        self.folder.path()
    }

    /// Every key of the table.
    pub(crate) fn keys(&self) -> std::collections::BTreeSet<String> {
        block_on(async {
            let mut connection = PgConnection::connect(&self.url()).await.expect("a connection");
            let keys =
                sqlx::query_scalar("SELECT key FROM cache").fetch_all(&mut connection).await.expect("keys");
            keys.into_iter().collect::<std::collections::BTreeSet<String>>()
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn store(&self) -> String {
        format!("cache.store={}", self.url())
    }

    fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }

    fn rows(&self) -> i64 {
        self.ask("SELECT count(*) FROM cache")
    }

    fn ask(&self, query: &'static str) -> i64 {
        block_on(async {
            let connected = match PgConnection::connect(&self.url()).await {
                // The server may refuse TLS.
                Err(_) => PgConnection::connect(&format!("{}?sslmode=disable", self.url())).await,
                connected => connected,
            };
            let mut connection = connected.expect("a connection");
            sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("a number")
        })
    }

    /// Locks the table in this mode until the returned connection is dropped or the server stops.
    fn lock_the_table(&self, mode: &str) -> (tokio::runtime::Runtime, PgConnection) {
        let runtime = runtime();
        let connection = runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url()).await.expect("a connection");
            let lock = format!("BEGIN; LOCK TABLE cache IN {mode} MODE");
            connection.execute(AssertSqlSafe(lock)).await.expect("the lock");
            connection
        });
        (runtime, connection)
    }

    fn wait_for_a_session_that_waits(&self) {
        wait_until("the flush is in the middle of its transaction", || self.ask(WAITING) == 1);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server may be stopped already.
        let mut stop = self.run("pg_ctl");
        let _ = stop.args(["-w", "-s", "-m", "immediate", "-D"]).arg(self.data()).arg("stop").output();
    }
}

/// The directory of the server's programs: Debian has one for each version, outside of `PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    found.extend(find("initdb").and_then(|program| program.parent().map(Path::to_owned)));
    found
        .into_iter()
        .rev()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}
