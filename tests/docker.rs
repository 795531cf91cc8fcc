//! The image of `config/deploy/Dockerfile` on a real Docker Engine: how `docker stop` and its relatives end it, and
//! what is kept.

mod compose;
mod engine;
mod swarm;

use std::{net::SocketAddr, thread};

use engine::{Engine, IMAGE};
use serde_json::Value;

use crate::support::{Client, PAST_COALESCE, network_namespace::NetworkNamespace, tools, wait_until};

/// A container of the application, in the engine's own bridge network.
struct Container<'a> {
    engine: &'a Engine,
    name: &'a str,
    network: NetworkNamespace,
}

impl<'a> Container<'a> {
    /// Runs the image with these options of `docker run`, and waits until the application serves.
    fn run(engine: &'a Engine, name: &'a str, options: &[&str], arguments: &[&str]) -> Self {
        let run = ["run", "--detach", "--name", name];
        engine.docker(&[&run[..], options, &[IMAGE], arguments].concat());
        let container = Self { engine, name, network: engine.network() };
        container.wait_until_it_serves();
        container
    }

    fn wait_until_it_serves(&self) {
        wait_until("the application serves", || {
            let state = &self.engine.inspect(self.name)["State"];
            assert_eq!(state["Running"], Value::Bool(true), "{}", self.log());
            let business = self.try_business();
            business.is_some_and(|to| self.network.run(|| Client::try_connect(to).is_ok()))
        });
    }

    fn try_business(&self) -> Option<SocketAddr> {
        let inspected = self.engine.inspect(self.name);
        let address = inspected["NetworkSettings"]["IPAddress"].as_str()?.parse().ok()?;
        Some(SocketAddr::new(address, 8080))
    }

    fn business(&self) -> SocketAddr {
        self.try_business().expect("the container has an address")
    }

    /// Sends a request and returns its client, once the server counts it as in flight.
    fn in_flight(&self, path: &str) -> Client {
        let to = self.business();
        self.network.run(|| {
            let mut client = Client::connect(to);
            client.send("GET", path, &[]).expect("the request is sent");
            // A response on another connection: what was sent before it has been read.
            assert_eq!(Client::get(to, "/").status, 200);
            client
        })
    }

    fn put(&self, keys: std::ops::Range<u32>) {
        let to = self.business();
        self.network.run(|| {
            for key in keys {
                let status = Client::put(to, &format!("/cache/key-{key}"), b"value").status;
                assert_eq!(status, 204, "key-{key}");
            }
        });
    }

    fn has(&self, keys: std::ops::Range<u32>) {
        let to = self.business();
        self.network.run(|| {
            for key in keys {
                let response = Client::get(to, &format!("/cache/key-{key}"));
                assert_eq!((response.status, response.text()), (200, "value".to_owned()), "key-{key}");
            }
        });
    }

    fn log(&self) -> String {
        let output = self.engine.try_docker(&["logs", self.name]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn has_logged(&self, text: &str) {
        wait_until(text, || self.log().contains(text));
    }

    /// Asks `/status` from inside of the container's own network until its checkpoints are done.
    fn checkpoint_is_done(&self) {
        let id = self.engine.process_of(self.name);
        let inside = NetworkNamespace::of_process(id).expect("the container's network");
        wait_until("the checkpoint is done", || {
            let status = inside.run(|| Client::get(([127, 0, 0, 1], 8081).into(), "/status"));
            let status: Value = serde_json::from_str(&status.text()).expect("JSON");
            let checkpoints = status["checkpoints"].as_array().expect("checkpoints").clone();
            !checkpoints.is_empty() && checkpoints.iter().all(|checkpoint| checkpoint["state"] == "done")
        });
    }

    fn health(&self) -> String {
        let health = &self.engine.inspect(self.name)["State"]["Health"]["Status"];
        health.as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn an_engine_stops_kills_and_restarts_the_image_without_losing_a_write() {
    const TEST: &str = "the image on a Docker Engine";
    let Some(engine) = Engine::start(TEST) else { return };
    let size = engine.inspect(IMAGE)["Size"].as_u64().expect("a size");
    assert!(size < 15_000_000, "the image has {size} bytes");
    eprintln!("image: {size} bytes");

    stop_answers_what_is_in_flight(&engine, &[]);
    stop_answers_what_is_in_flight(&engine, &["--init"]);
    a_kill_after_one_second_loses_no_acknowledged_write(&engine);
    each_signal_of_the_settings_begins_a_clean_exit(&engine);
    a_second_signal_forces_whichever_it_is(&engine);
    a_restart_keeps_what_was_written(&engine);
    a_read_only_root_is_enough(&engine);
    too_little_memory_in_the_drain_loses_no_acknowledged_write(&engine);
    wrong_settings_and_a_taken_spool_have_their_exit_codes(&engine);
    inherited_orphans_are_reaped(&engine);
    the_health_check_follows_the_exit(&engine);
}

fn stop_answers_what_is_in_flight(engine: &Engine, options: &[&str]) {
    let name = if options.is_empty() { "stop" } else { "stop-init" };
    let container = Container::run(engine, name, options, &[]);
    container.put(0..5);
    let mut slow = container.in_flight("/slow?ms=700");
    engine.docker(&["stop", name]);
    assert_eq!(container.network.run(|| slow.read().expect("answered").status), 200);
    assert_eq!(engine.end_of(name), (0, false), "{}", container.log());
}

fn a_kill_after_one_second_loses_no_acknowledged_write(engine: &Engine) {
    // In memory: a disk that is busy with other work may take longer than that second for a sync.
    let data = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    std::os::unix::fs::chown(data.path(), Some(65532), Some(65532)).expect("the container's user");
    let volume = format!("{}:/data", data.path().display());
    let container = Container::run(engine, "kill", &["--volume", &volume], &[]);
    container.put(0..50);
    let _hanging = container.in_flight("/slow?ms=600000");
    engine.docker(&["stop", "--time", "1", "kill"]);
    assert_eq!(engine.end_of("kill"), (137, false), "{}", container.log());
    let next = Container::run(engine, "kill-next", &["--volume", &volume], &[]);
    next.has(0..50);
    engine.docker(&["stop", "kill-next"]);
    assert_eq!(engine.end_of("kill-next"), (0, false), "{}", next.log());
}

/// The application is the container's first process, or its child where orphans are to be reaped: each signal arrives.
fn each_signal_of_the_settings_begins_a_clean_exit(engine: &Engine) {
    for signal in ["HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "SYS", "TERM"] {
        let name = format!("signal-{signal}");
        let container = Container::run(engine, &name, &[], &[]);
        engine.docker(&["kill", "--signal", signal, &name]);
        assert_eq!(engine.end_of(&name), (0, false), "{signal}: {}", container.log());
        assert!(container.log().contains(&format!("SIG{signal}")), "{}", container.log());
    }
}

fn a_second_signal_forces_whichever_it_is(engine: &Engine) {
    let container = Container::run(engine, "signals", &[], &[]);
    let _hanging = container.in_flight("/slow?ms=600000");
    engine.docker(&["kill", "--signal", "INT", "signals"]);
    container.has_logged("waiting for the requests in flight");
    thread::sleep(PAST_COALESCE);
    engine.docker(&["kill", "--signal", "TERM", "signals"]);
    assert_eq!(engine.end_of("signals"), (1, false), "{}", container.log());
}

fn a_restart_keeps_what_was_written(engine: &Engine) {
    let container = Container::run(engine, "restart", &[], &[]);
    container.put(0..5);
    engine.docker(&["restart", "restart"]);
    container.wait_until_it_serves();
    container.has(0..5);
    engine.docker(&["stop", "restart"]);
    assert_eq!(engine.end_of("restart"), (0, false), "{}", container.log());
}

fn a_read_only_root_is_enough(engine: &Engine) {
    let options = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
    let container = Container::run(engine, "read-only", &options, &[]);
    container.put(0..5);
    engine.docker(&["stop", "read-only"]);
    assert_eq!(engine.end_of("read-only"), (0, false), "{}", container.log());
}

/// What fills the memory is a file in the container's `/dev/shm`: no process is larger than the application, and so it
/// is the one that the kernel kills.
fn too_little_memory_in_the_drain_loses_no_acknowledged_write(engine: &Engine) {
    let shell = busybox_volume();
    let options = ["--memory", "40m", "--memory-swap", "40m", "--volume", "memory:/data", "--volume", &shell];
    let container = Container::run(engine, "memory", &options, &[]);
    container.put(0..50);
    let _hanging = container.in_flight("/slow?ms=600000");
    engine.docker(&["kill", "--signal", "TERM", "memory"]);
    container.has_logged("waiting for the requests in flight");
    container.checkpoint_is_done();
    engine.try_docker(&[
        "exec",
        "memory",
        "/busybox",
        "dd",
        "if=/dev/zero",
        "of=/dev/shm/x",
        "bs=64k",
        "count=1000",
    ]);
    assert_eq!(engine.end_of("memory"), (137, true), "{}", container.log());
    let next = Container::run(engine, "memory-next", &["--volume", "memory:/data"], &[]);
    next.has(0..50);
    engine.docker(&["stop", "memory-next"]);
}

fn wrong_settings_and_a_taken_spool_have_their_exit_codes(engine: &Engine) {
    let wrong = engine.try_docker(&["run", "--name", "wrong", IMAGE, "-s", "shutdown.timeout=soon"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(engine.end_of("wrong"), (2, false));

    let holder = Container::run(engine, "holder", &["--volume", "held:/data"], &[]);
    let second = engine.try_docker(&["run", "--name", "second", "--volume", "held:/data", IMAGE]);
    assert_eq!(second.status.code(), Some(4), "{}", String::from_utf8_lossy(&second.stderr));
    engine.docker(&["stop", "holder"]);
    assert_eq!(engine.end_of("holder"), (0, false), "{}", holder.log());
}

/// The image has no shell; this lays one of this machine's into a container.
fn busybox_volume() -> String {
    let busybox = tools::find("busybox").expect("the engine was started, which needs it");
    format!("{}:/busybox:ro", busybox.display())
}

fn inherited_orphans_are_reaped(engine: &Engine) {
    let shell = busybox_volume();
    let container = Container::run(engine, "orphans", &["--volume", &shell], &[]);
    let orphan = "/busybox sleep 0 & /busybox sleep 0 & exit";
    engine.docker(&["exec", "--detach", "orphans", "/busybox", "sh", "-c", orphan]);
    let states = "for f in /proc/[0-9]*/stat; do /busybox cut -d' ' -f3 $f; done";
    wait_until("no zombie is left", || {
        let states = engine.docker(&["exec", "orphans", "/busybox", "sh", "-c", states]);
        !states.lines().any(|state| state == "Z")
    });
    engine.docker(&["stop", "orphans"]);
    assert_eq!(engine.end_of("orphans"), (0, false), "{}", container.log());
}

fn the_health_check_follows_the_exit(engine: &Engine) {
    let options = ["--health-interval", "200ms", "--health-retries", "1"];
    let container = Container::run(engine, "health", &options, &[]);
    wait_until("the container is healthy", || container.health() == "healthy");
    let _hanging = container.in_flight("/slow?ms=600000");
    engine.docker(&["kill", "--signal", "TERM", "health"]);
    wait_until("the container is unhealthy", || container.health() == "unhealthy");
    thread::sleep(PAST_COALESCE);
    engine.docker(&["kill", "--signal", "TERM", "health"]);
    assert_eq!(engine.end_of("health"), (1, false), "{}", container.log());
}
