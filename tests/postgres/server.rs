//! A PostgreSQL server of a test.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::support::{
    tools::{find, output, skipped},
    wait_until,
};

/// The number of sessions that wait for a lock.
pub(crate) const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

/// A server of this test's own, run by an ordinary user: PostgreSQL refuses to be run by root.
pub(crate) struct Server {
    folder: TempDir,
    programs: PathBuf,
    as_root: bool,
    pub(crate) address: Ipv4Addr,
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

    pub(crate) fn start_again(&self) {
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
    pub(crate) fn serve_tls(&self, kind: &str, name: &str) -> PathBuf {
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
    pub(crate) fn stop_immediately(&mut self) {
        output(self.run("pg_ctl").args(["-w", "-s", "-m", "immediate", "-D"]).arg(self.data()).arg("stop"));
    }

    pub(crate) fn run(&self, program: &str) -> Command {
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

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn store(&self) -> String {
        format!("cache.store={}", self.url())
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }

    pub(crate) fn rows(&self) -> i64 {
        self.ask("SELECT count(*) FROM cache")
    }

    pub(crate) fn ask(&self, query: &'static str) -> i64 {
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
    pub(crate) fn lock_the_table(&self, mode: &str) -> (tokio::runtime::Runtime, PgConnection) {
        let runtime = runtime();
        let connection = runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url()).await.expect("a connection");
            let lock = format!("BEGIN; LOCK TABLE cache IN {mode} MODE");
            connection.execute(AssertSqlSafe(lock)).await.expect("the lock");
            connection
        });
        (runtime, connection)
    }

    pub(crate) fn wait_for_a_session_that_waits(&self) {
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
