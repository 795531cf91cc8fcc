//! A service of three replicas on a cluster engine (Docker Swarm), behind HAProxy, which finds them by the engine's DNS:
//! updates, scaling and an update that fails, while clients inside the network go on asking.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use serde_json::Value;

use super::engine::{Engine, IMAGE};
use crate::{
    postgres::Server as Postgres,
    support::{Client, Traffic, network_namespace::NetworkNamespace, tools, wait_until_within},
};

/// How often the whole service is updated.
const UPDATES: usize = 20;
/// Clients on connections that they keep; two more connect for each request.
const CLIENTS: usize = 32;
/// An update replaces three tasks, one after another; each needs some seconds.
const UPDATE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(120);

#[test]
fn rolling_updates_on_a_cluster_engine_fail_no_request() {
    const TEST: &str = "rolling updates on Docker Swarm";
    if !tools::runs_long_rows(TEST) {
        return;
    }
    let Some(haproxy) = tools::tool("haproxy", TEST) else { return };
    let Some(database) = Postgres::start(TEST) else { return };
    let Some(engine) = Engine::start(TEST) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The replicas, which have a user of their own, reach the database by its Unix socket.
    fs::set_permissions(database.directory(), fs::Permissions::from_mode(0o711)).expect("its own folder");

    engine.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    engine.docker(&["network", "create", "--driver", "overlay", "--attachable", "site"]);
    let cluster = Cluster { engine: &engine };
    cluster.create_service(database.directory());
    cluster.wait_for_tasks(3);

    let written = fs::read_to_string(tools::project_file("config/deploy/haproxy-dns.cfg")).expect("a file");
    // Ten checks a second instead of one prove the same in less time.
    let quick = written.replace("inter 1s", "inter 100ms").replace("inter 200ms", "inter 20ms");
    assert_ne!(quick, written, "the checks are quickened");
    fs::write(folder.path().join("haproxy.cfg"), quick).expect("a file");
    engine.build_from_machine("haproxy", &haproxy, "");
    let configuration = format!("{}:/haproxy:ro", folder.path().display());
    engine.docker(&[
        "run",
        "--detach",
        "--name",
        "haproxy",
        "--network",
        "site",
        "--user",
        "65532",
        "--volume",
        &configuration,
        "haproxy",
        "-db",
        "-f",
        "/haproxy/haproxy.cfg",
    ]);
    let busybox = tools::find("busybox").expect("the engine was started, which needs it");
    engine.build_from_machine("client", &busybox, "");
    engine.docker(&["run", "--detach", "--name", "client", "--network", "site", "client", "sleep", "100000"]);

    let inside = NetworkNamespace::of_process(engine.process_of("client")).expect("the client's network");
    let front = cluster.address_of("haproxy");
    wait_until_within(UPDATE_TIMEOUT, "HAProxy has found the tasks", || {
        let Some(mut client) = inside.run(|| Client::try_connect(front).ok()) else { return false };
        client.send("GET", "/", &[]).is_ok() && client.read().is_ok_and(|answer| answer.status == 200)
    });
    let traffic = Traffic::start_in(&inside, front, CLIENTS);

    for update in 0..UPDATES {
        engine.docker(&["service", "update", "--force", "--detach", "application"]);
        cluster.wait_for_update("completed", update);
    }
    for replicas in [6, 2, 3] {
        engine.docker(&["service", "scale", "--detach", &format!("application={replicas}")]);
        cluster.wait_for_tasks(replicas);
    }
    // Settings that are refused: the first task of the update ends with exit code 2, and the engine takes it back.
    engine.docker(&[
        "service",
        "update",
        "--detach",
        "--env-add",
        "GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=soon",
        "application",
    ]);
    cluster.wait_for_update("rollback_completed", UPDATES);
    cluster.wait_for_tasks(3);

    let seen = traffic.stop();
    eprintln!(
        "Docker Swarm: {UPDATES} rolling updates of 3 replicas, scaled 3, 6, 2, 3, one failing update taken back: {} \
         requests on {CLIENTS} kept connections, {} on new ones, {} failures, longest time without an answer {:?}",
        seen.kept_alive,
        seen.new_connections,
        seen.failures.len(),
        seen.longest_gap
    );
    assert!(seen.failures.is_empty(), "{:#?}", &seen.failures[..seen.failures.len().min(20)]);
    assert!(seen.kept_alive > 5000 && seen.new_connections > 1000, "the proof is not hollow: {seen:?}");

    // Every replica has flushed when it is gone; what was acknowledged is in the database.
    engine.docker(&["service", "rm", "application"]);
    cluster.wait_until_gone();
    let stored = database.keys();
    let missing: Vec<_> = seen.stored.iter().filter(|key| !stored.contains(*key)).collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
}

struct Cluster<'a> {
    engine: &'a Engine,
}

impl Cluster<'_> {
    fn create_service(&self, database: &Path) {
        let socket = format!("type=bind,source={},target=/database", database.display());
        let environment = [
            "GRACEFUL_EXIT__SERVERS__ADMIN__BIND=0.0.0.0:8081",
            "GRACEFUL_EXIT__ADMIN__TOKEN=a-token-of-this-test",
            "GRACEFUL_EXIT__CACHE__STORE=postgres:///postgres?host=/database&user=postgres",
            // Ten checks a second, two failures, and the time that the engine's DNS may take.
            "GRACEFUL_EXIT__SHUTDOWN__READY_DELAY=1500ms",
        ];
        let options = [
            "--name",
            "application",
            "--replicas",
            "3",
            "--endpoint-mode",
            "dnsrr",
            "--network",
            "site",
            "--update-order",
            "start-first",
            "--update-monitor",
            "1s",
            "--update-failure-action",
            "rollback",
            "--rollback-order",
            "start-first",
            "--stop-grace-period",
            "30s",
            "--health-interval",
            "300ms",
            "--health-start-period",
            "5s",
            "--mount",
            &socket,
        ];
        let mut arguments = vec!["service", "create", "--detach"];
        arguments.extend(options);
        for variable in &environment {
            arguments.extend(["--env", variable]);
        }
        arguments.push(IMAGE);
        self.engine.docker(&arguments);
    }

    /// Waits until so many tasks run, and no more.
    fn wait_for_tasks(&self, count: usize) {
        wait_until_within(UPDATE_TIMEOUT, &format!("{count} tasks run"), || {
            let tasks = self.engine.docker(&[
                "service",
                "ps",
                "--format",
                "{{.DesiredState}} {{.CurrentState}}",
                "application",
            ]);
            let wanted = tasks.lines().filter(|task| task.starts_with("Running Running")).count();
            let unwanted = tasks.lines().filter(|task| task.starts_with("Shutdown Running")).count();
            (wanted, unwanted) == (count, 0)
        });
    }

    fn wait_for_update(&self, state: &str, update: usize) {
        wait_until_within(UPDATE_TIMEOUT, &format!("update {update} is {state}"), || {
            let text = self.engine.docker(&["service", "inspect", "application"]);
            let service: Value = serde_json::from_str(&text).expect("JSON");
            service[0]["UpdateStatus"]["State"] == state
        });
        self.wait_for_tasks(3);
    }

    fn wait_until_gone(&self) {
        wait_until_within(UPDATE_TIMEOUT, "every task is gone", || {
            self.engine
                .docker(&["ps", "--quiet", "--filter", "label=com.docker.swarm.service.name=application"])
                .is_empty()
        });
    }

    fn address_of(&self, container: &str) -> SocketAddr {
        let address = &self.engine.inspect(container)["NetworkSettings"]["Networks"]["site"]["IPAddress"];
        let address: IpAddr = address.as_str().expect("an address").parse().expect("an address");
        (address, 8000).into()
    }
}
