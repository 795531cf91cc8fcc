//! Rolling restarts behind real proxies, with the files of `config/deploy/`: no client sees a failure.

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
    App, Client, Traffic,
    tools::{project_file, tool},
    wait_until,
};

/// How often each of the two instances is restarted.
const RESTARTS: usize = 20;
const CLIENTS: usize = 32;

/// `ready_delay` for a balancer that looks ten times a second, on a machine that may be busy with other tests.
const READY_DELAY: &str = "shutdown.ready_delay=600ms";

#[test]
fn a_rolling_restart_behind_haproxy_loses_nothing() {
    let Some(haproxy) = tool("haproxy", "a rolling restart behind HAProxy") else { return };
    let site = Site::new(1);
    let written = fs::read_to_string(project_file("config/deploy/haproxy.cfg")).expect("a file");
    // Ten checks a second in place of one: the same proof in a tenth of the time.
    let quick =
        site.put_into(&written).replace("inter 1s", "inter 100ms").replace("inter 200ms", "inter 20ms");
    assert_ne!(quick, site.put_into(&written), "the checks are quickened");
    fs::write(site.path("haproxy.cfg"), quick).expect("a file");
    let socket = site.path("haproxy.sock");
    fs::write(site.path("watch.cfg"), format!("global\n    stats socket {}\n", socket.display()))
        .expect("a file");

    let mut command = Command::new(haproxy);
    command.args(["-db", "-f", "haproxy.cfg", "-f", "watch.cfg"]);
    let mut instances = site.start_instances(&[READY_DELAY]);
    let _proxy = site.start(&mut command);
    let turns_to = |instance: usize| haproxy_says(&socket, ["a", "b"][instance]) == "UP";
    roll("HAProxy", &site, &mut instances, &[READY_DELAY], turns_to);
}

#[test]
fn a_rolling_restart_behind_nginx_loses_nothing() {
    let Some(nginx) = tool("nginx", "a rolling restart behind nginx") else { return };
    let site = Site::new(2);
    let written = fs::read_to_string(project_file("config/deploy/nginx.conf")).expect("a file");
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("    {what}_temp_path {};\n", site.path(what).display()))
        .concat();
    let ours = site.put_into(&written).replace("http {\n", &format!("http {{\n{folders}"));
    fs::write(site.path("nginx.conf"), ours).expect("a file");

    let mut command = Command::new(nginx);
    command.arg("-p").arg(site.folder.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
    command.arg("-g").arg(format!("daemon off; pid {};", site.path("nginx.pid").display()));
    let mut instances = site.start_instances(&[]);
    let _proxy = site.start(&mut command);
    // It learns of an instance by asking it, so an instance that serves is one that it turns to.
    roll("nginx", &site, &mut instances, &[], |_| true);
}

/// Restarts one instance after the other, and asks what the clients saw of it.
fn roll(
    proxy: &str,
    site: &Site,
    instances: &mut [Option<App>; 2],
    settings: &[&str],
    turns_to: impl Fn(usize) -> bool,
) {
    let all_are_in = || wait_until("the proxy turns to both", || turns_to(0) && turns_to(1));
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
            if !settings.is_empty() {
                let report = ended.report();
                let rejected = report["servers"].as_array().expect("servers").iter();
                let rejected: u64 = rejected.filter_map(|server| server["rejected"].as_u64()).sum();
                assert_eq!(
                    rejected, 0,
                    "lame duck: the balancer had turned away before the first reject: {report}"
                );
            }
            *place = Some(site.start_instance(index, settings));
        }
    }
    all_are_in();
    let seen = traffic.stop();
    eprintln!(
        "{proxy}: {} restarts, {} requests on {CLIENTS} kept connections, {} by newcomers, {} failures",
        2 * RESTARTS,
        seen.kept_alive,
        seen.newcomers,
        seen.failures.len()
    );
    assert!(seen.failures.is_empty(), "{:#?}", &seen.failures[..seen.failures.len().min(20)]);
    assert!(seen.kept_alive > 1000 && seen.newcomers > 100, "the proof is not hollow: {seen:?}");
    every_write_is_there(instances, &seen.stored);
}

/// Each instance has a store of its own, so a write is in the one that has acknowledged it.
fn every_write_is_there(instances: &[Option<App>; 2], keys: &[String]) {
    assert!(!keys.is_empty());
    let mut clients: Vec<_> = instances.iter().flatten().map(|app| Client::connect(app.business)).collect();
    for key in keys {
        let found = clients.iter_mut().any(|client| {
            client.send("GET", &format!("/cache/{key}"), &[]).expect("sent");
            client.read().expect("answered").status == 200
        });
        assert!(found, "{key} was acknowledged");
    }
}

/// Two instances and a proxy, on loopback addresses that no other test uses: a port that is free for the moment of a
/// restart cannot be taken by anybody else.
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

    /// Of the instances 0 and 1, or of the proxy.
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

    /// The file, with the addresses of this site.
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
        for setting in settings {
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

/// Ended when it is dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // Both end in order on SIGTERM, with the workers that they have started.
        #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
        // SAFETY: the child has not been waited for, so its id is its own.
        unsafe {
            libc::kill(libc::pid_t::try_from(self.0.id()).expect("a process id"), libc::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

/// What `HAProxy` makes of a server: `UP`, `DOWN`, `UP 1/2` on the way down.
fn haproxy_says(socket: &Path, server: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("HAProxy's socket");
    stream.write_all(b"show stat\n").expect("sent");
    let mut table = String::new();
    stream.read_to_string(&mut table).expect("an answer");
    let row = table.lines().find(|line| line.starts_with(&format!("business,{server},")));
    row.and_then(|row| row.split(',').nth(17)).expect("a status").to_owned()
}
