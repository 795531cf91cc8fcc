//! Rolling restarts behind HAProxy and nginx with the files of `config/deploy/`: no client sees a failure.

mod rollout;

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use crate::support::{
    App, Certificate, Client, Traffic,
    tools::{project_file, tool},
    wait_until,
};

/// How often each of the two instances is restarted.
const RESTARTS: usize = 10;
const CLIENTS: usize = 32;

/// `ready_delay` for a balancer that looks ten times a second, on a machine that may be busy with other tests.
const READY_DELAY: &str = "shutdown.ready_delay=1200ms";

/// Longer than the proxy's timeout for an instance that does not answer: a request that found one instance down is still
/// served by the other, even if that one has been asked to stop meanwhile.
const MEANWHILE: &str = "shutdown.ready_delay=600ms";

#[test]
fn a_rolling_restart_behind_haproxy_loses_nothing() {
    behind_haproxy(1, "HAProxy", "", &[READY_DELAY]);
}

#[test]
fn a_rolling_restart_behind_haproxy_that_speaks_http_2_to_the_instances_loses_nothing() {
    behind_haproxy(3, "HAProxy, HTTP/2", " proto h2", &[READY_DELAY, "servers.business.h2c=true"]);
}

#[test]
fn a_rolling_restart_behind_haproxy_that_speaks_tls_to_the_instances_loses_nothing() {
    let certificate = Certificate::new(&["a.example"]);
    let [tls, key] = certificate.settings("business");
    let file = certificate.certificate();
    let verified = format!(" ssl verify required verifyhost a.example ca-file {}", file.display());
    behind_haproxy(4, "HAProxy, TLS", &verified, &[READY_DELAY, &tls, &key]);
}

#[test]
fn a_rolling_restart_behind_haproxy_that_speaks_http_2_over_tls_to_the_instances_loses_nothing() {
    let certificate = Certificate::new(&["a.example"]);
    let [tls, key] = certificate.settings("business");
    let words = " ssl verify none alpn h2";
    behind_haproxy(5, "HAProxy, HTTP/2 over TLS", words, &[READY_DELAY, &tls, &key]);
}

/// Restarts two instances behind `HAProxy`, with these words at the end of each `server` line.
fn behind_haproxy(number: u8, name: &str, server: &str, settings: &[&str]) {
    let Some(haproxy) = tool("haproxy", &format!("a rolling restart behind {name}")) else { return };
    let site = Site::new(number);
    let written = fs::read_to_string(project_file("config/deploy/haproxy.cfg")).expect("a file");
    // Ten checks a second in place of one: the same proof in a tenth of the time.
    let ours = site.put_into(&written);
    let quick = ours.replace("inter 1s", "inter 100ms").replace("inter 200ms", "inter 20ms");
    assert_ne!(quick, ours, "the checks are more frequent");
    let quick = quick.lines().map(|line| {
        // The checks stay plain: they are the admin server's.
        let is_server = line.trim_start().starts_with("server ") && !server.is_empty();
        let end = if is_server { format!("{server} no-check-ssl check-proto h1") } else { String::new() };
        format!("{line}{end}\n")
    });
    let quick = quick.collect::<Vec<_>>().concat();
    fs::write(site.path("haproxy.cfg"), quick).expect("a file");
    let socket = site.watched();
    let mut command = Command::new(haproxy);
    command.args(["-db", "-f", "haproxy.cfg", "-f", "watch.cfg"]);
    let mut instances = site.start_instances(settings);
    let _proxy = site.start(&mut command);
    let uses = |instance: usize| haproxy_says(&socket, ["a", "b"][instance]) == "UP";
    roll(name, Rejects::Never, &site, &mut instances, settings, uses);
}

#[test]
fn a_rolling_restart_behind_nginx_loses_nothing() {
    let Some(nginx) = tool("nginx", "a rolling restart behind nginx") else { return };
    let site = Site::new(2);
    let written = fs::read_to_string(project_file("config/deploy/nginx.conf")).expect("a file");
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("    {what}_temp_path {};\n", site.path(what).display()))
        .concat();
    let quick = site.put_into(&written).replace("proxy_connect_timeout 1s", "proxy_connect_timeout 200ms");
    assert_ne!(quick, site.put_into(&written), "its timeout is shorter");
    let ours = quick.replace("http {\n", &format!("http {{\n{folders}"));
    fs::write(site.path("nginx.conf"), ours).expect("a file");

    let mut command = Command::new(nginx);
    command.arg("-p").arg(site.folder.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
    command.arg("-g").arg(format!("daemon off; pid {};", site.path("nginx.pid").display()));
    let mut instances = site.start_instances(&[MEANWHILE]);
    let _proxy = site.start(&mut command);
    // nginx tries every instance, so it uses each that serves.
    roll("nginx", Rejects::AndIsAskedElsewhere, &site, &mut instances, &[MEANWHILE], |_| true);
}

/// How an instance treats the proxy's requests at its exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rejects {
    /// Lame duck: the proxy has stopped sending before requests are rejected.
    Never,
    /// The proxy gets a rejection, and sends the request to the other instance.
    AndIsAskedElsewhere,
}

/// Restarts one instance after the other, and checks what the clients saw.
fn roll(
    proxy: &str,
    rejects: Rejects,
    site: &Site,
    instances: &mut [Option<App>; 2],
    settings: &[&str],
    uses: impl Fn(usize) -> bool,
) {
    let all_are_in = || wait_until("the proxy uses both", || uses(0) && uses(1));
    all_are_in();
    let traffic = Traffic::start(site.front(), CLIENTS);
    wait_until("the traffic flows", || traffic.answered() > 200);
    for restart in 0..RESTARTS {
        for (index, place) in instances.iter_mut().enumerate() {
            all_are_in();
            let app = place.take().expect("it runs");
            app.signal(libc::SIGTERM);
            let ended = app.wait();
            assert_eq!(ended.code(), Some(0), "restart {restart}: {:#?}", ended.log);
            if rejects == Rejects::Never {
                let report = ended.report();
                let rejected = report["servers"].as_array().expect("servers").iter();
                let rejected: u64 = rejected.filter_map(|server| server["rejected"].as_u64()).sum();
                assert_eq!(
                    rejected, 0,
                    "lame duck: the balancer had stopped sending before the first rejection: {report}"
                );
            }
            *place = Some(site.start_instance(index, settings));
            if rejects == Rejects::AndIsAskedElsewhere {
                // A request that found this instance down has the other one alone, and a proxy that has not had its turn
                // for longer than the other one's `ready_delay` would find that down as well.
                traffic.wait_for_a_round();
            }
        }
    }
    all_are_in();
    let seen = traffic.stop();
    eprintln!(
        "{proxy}: {} restarts, {} requests on {CLIENTS} kept connections, {} on new connections, {} failures",
        2 * RESTARTS,
        seen.kept_alive,
        seen.new_connections,
        seen.failures.len()
    );
    assert!(seen.failures.is_empty(), "{:#?}", &seen.failures[..seen.failures.len().min(20)]);
    assert!(seen.kept_alive > 1000 && seen.new_connections > 100, "there was enough traffic: {seen:?}");
    // HAProxy asks the instances in turn, whatever they speak; nginx asks one that has just been restarted more often.
    let asked = match rejects {
        Rejects::Never => vec![site.front(); 4],
        Rejects::AndIsAskedElsewhere => instances.iter().flatten().map(|app| app.business).collect(),
    };
    every_write_is_there(&asked, &seen.stored);
}

/// Checks that each write is in one of the stores: the instance that acknowledged it has it.
fn every_write_is_there(asked: &[SocketAddr], keys: &[String]) {
    assert!(!keys.is_empty());
    let mut clients: Vec<_> = asked.iter().map(|&address| Client::connect(address)).collect();
    for key in keys {
        let found = clients.iter_mut().any(|client| {
            client.send("GET", &format!("/cache/{key}"), &[]).expect("sent");
            client.read().expect("answered").status == 200
        });
        assert!(found, "{key} was acknowledged");
    }
}

/// Two instances and a proxy on loopback addresses of their own, so that no other test can take a port that is free
/// during a restart.
struct Site {
    folder: TempDir,
    homes: [Arc<TempDir>; 2],
    number: u8,
}

impl Site {
    fn new(number: u8) -> Self {
        let folder = || tempfile::tempdir().expect("a temporary folder");
        Self { folder: folder(), homes: [Arc::new(folder()), Arc::new(folder())], number }
    }

    /// The address of instance 0 or 1, or of the proxy.
    fn address(&self, host: u8) -> Ipv4Addr {
        let [.., high, low] = std::process::id().to_be_bytes();
        Ipv4Addr::new(127, 64 + self.number * 8 + host, high, low.max(1))
    }

    fn front(&self) -> SocketAddr {
        (IpAddr::from(self.address(2)), 8000).into()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `watch.cfg`, by which `HAProxy` tells its state on a socket; returns the socket's path.
    fn watched(&self) -> std::path::PathBuf {
        let socket = self.path("haproxy.sock");
        let lines = format!("global\n    stats socket {}\n", socket.display());
        fs::write(self.path("watch.cfg"), lines).expect("a file");
        socket
    }

    /// The file with its addresses replaced by those of this site.
    fn put_into(&self, file: &str) -> String {
        let mut ours = file.to_owned();
        for (host, port) in [(0, 8080), (1, 8090), (2, 8000)] {
            let address = format!("127.0.0.1:{port}");
            assert!(file.contains(&address), "the file names {address}");
            ours = ours.replace(&address, &format!("{}:{port}", self.address(host)));
        }
        ours
    }

    fn start_instances(&self, settings: &[&str]) -> [Option<App>; 2] {
        [0, 1].map(|instance| Some(self.start_instance(instance, settings)))
    }

    fn start_instance(&self, instance: usize, settings: &[&str]) -> App {
        let home = &self.homes[instance];
        let (host, port) = if instance == 0 { (0, 8080) } else { (1, 8090) };
        let mut command = App::command(home.path());
        command.arg("--set").arg(format!("servers.business.bind={}:{port}", self.address(host)));
        command.arg("--set").arg(format!("servers.admin.bind={}:{}", self.address(host), port + 1));
        // A busy disk may take seconds for a sync.
        for setting in ["shutdown.callback_timeout=30s", "shutdown.timeout=90s"].iter().chain(settings) {
            command.args(["--set", setting]);
        }
        App::start_command(Arc::clone(home), command)
    }

    /// Starts the proxy and waits until it listens.
    fn start(&self, command: &mut Command) -> Proxy {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        let log = fs::File::create(self.path("proxy.log")).expect("a file");
        let again = log.try_clone().expect("a file");
        let mut child = command.stdout(log).stderr(again).spawn().expect("the proxy starts");
        wait_until("the proxy listens", || {
            if let Some(status) = child.try_wait().expect("a child") {
                panic!("{status}: {}", fs::read_to_string(self.path("proxy.log")).unwrap_or_default());
            }
            TcpStream::connect(self.front()).is_ok()
        });
        Proxy(child)
    }
}

/// The proxy's process, ended on drop.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // On SIGTERM both proxies end with their workers.
        #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
        // SAFETY: the child has not been waited for, so its id is its own.
        unsafe {
            libc::kill(libc::pid_t::try_from(self.0.id()).expect("a process id"), libc::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

/// The status of a server in `HAProxy`: `UP`, `DOWN`, or `UP 1/2` after one failed check.
fn haproxy_says(socket: &Path, server: &str) -> String {
    haproxy_column(socket, server, 17)
}

/// A column of the row of a server in `HAProxy`'s statistics.
fn haproxy_column(socket: &Path, server: &str, column: usize) -> String {
    // It takes its place only after the port has.
    let Ok(mut stream) = UnixStream::connect(socket) else { return "not started".to_owned() };
    stream.write_all(b"show stat\n").expect("sent");
    let mut table = String::new();
    stream.read_to_string(&mut table).expect("an answer");
    let row = table.lines().find(|line| line.starts_with(&format!("business,{server},")));
    row.and_then(|row| row.split(',').nth(column)).expect("a column").to_owned()
}
