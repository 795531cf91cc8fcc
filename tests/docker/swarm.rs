//! A service of three replicas on a cluster engine (Docker Swarm), behind HAProxy, which finds them by the engine's DNS:
//! updates, scaling and an update that fails, while HTTP/1.1 and HTTP/2 clients inside the network go on sending requests.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::engine::{Engine, IMAGE};
use crate::{
    postgres::server::Server as Postgres,
    rollout_model::Site as Model,
    support::{Client, Traffic, network_namespace::NetworkNamespace, tools, wait_until_within},
};

/// How often the whole service is updated.
const UPDATES: usize = 20;
/// Clients on connections that they keep; two more connect for each request.
const CLIENTS: usize = 32;
/// An update replaces three tasks, one after another; each needs some seconds.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(120);

#[test]
fn rolling_updates_on_a_cluster_engine_fail_no_request() {
    const TEST: &str = "rolling updates on Docker Swarm";
    if !tools::runs_long_rows(TEST) {
        return;
    }
    let Some(haproxy) = tools::tool("haproxy", TEST) else { return };
    let Some(database) = Postgres::start(TEST) else { return };
    let Some(engine) = Engine::start(TEST) else { return };
    // The replicas, which have a user of their own, reach the database by its Unix socket.
    fs::set_permissions(database.directory(), fs::Permissions::from_mode(0o711)).expect("its own folder");

    engine.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    engine.docker(&["network", "create", "--driver", "overlay", "--attachable", "site"]);
    let cluster = Cluster { engine: &engine };
    cluster.create_service(database.directory());
    cluster.wait_for_tasks(3);

    engine.build_from_machine("haproxy", &haproxy, "");
    let shipped = tools::project_file("config/deploy/haproxy-dns.cfg");
    let configuration = format!("{}:/haproxy.cfg:ro", shipped.display());
    let options = ["--name", "haproxy", "--network", "site", "--user", "65532", "--volume", &configuration];
    let arguments = ["haproxy", "-db", "-f", "/haproxy.cfg"];
    engine.docker(&[&["run", "--detach"][..], &options, &arguments].concat());
    let busybox = tools::find("busybox").expect("the engine was started, which needs it");
    engine.build_from_machine("client", &busybox, "");
    engine.docker(&["run", "--detach", "--name", "client", "--network", "site", "client", "sleep", "100000"]);

    let inside = NetworkNamespace::of_process(engine.process_of("client")).expect("the client's network");
    let front = cluster.address_of("haproxy", 8000);
    wait_until_within(UPDATE_TIMEOUT, "HAProxy has found the tasks", || {
        let Some(mut client) = inside.run(|| Client::try_connect(front).ok()) else { return false };
        client.send("GET", "/", &[]).is_ok() && client.read().is_ok_and(|answer| answer.status == 200)
    });
    let traffic = [
        ("HTTP/1.1", Traffic::start_in(&inside, front, CLIENTS)),
        ("HTTP/2", Traffic::start_http2_in(&inside, front, CLIENTS)),
    ];

    for update in 0..UPDATES {
        cluster.update(&["--force"], "completed", update);
    }
    for replicas in [6, 2, 3] {
        engine.docker(&["service", "scale", "--detach", &format!("application={replicas}")]);
        cluster.wait_for_tasks(replicas);
    }
    // Settings that are refused: the first task of the update ends with exit code 2, and the engine takes it back.
    let refused = ["--env-add", "GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=soon"];
    cluster.update(&refused, "rollback_completed", UPDATES);

    eprintln!(
        "Docker Swarm: {UPDATES} rolling updates of 3 replicas, scaled 3, 6, 2, 3, one failing update taken back:"
    );
    let mut acknowledged = Vec::new();
    for (protocol, traffic) in traffic {
        let seen = traffic.stop();
        eprintln!(
            "  {protocol}: {} requests on {CLIENTS} kept connections, {} on new ones, {} failures, longest time without an \
             answer {:?}",
            seen.kept_alive,
            seen.new_connections,
            seen.failures.len(),
            seen.longest_gap
        );
        assert!(seen.failures.is_empty(), "{:#?}", &seen.failures[..seen.failures.len().min(20)]);
        assert!(
            seen.kept_alive > 5000 && seen.new_connections > 1000,
            "the proof is not hollow: {protocol}, {} and {} requests",
            seen.kept_alive,
            seen.new_connections
        );
        acknowledged.extend(seen.stored);
    }
    too_short_a_ready_delay_loses_no_more_than_the_model_says(&cluster, &inside, front);

    // Every replica has flushed when it is gone; what was acknowledged is in the database.
    engine.docker(&["service", "rm", "application"]);
    cluster.wait_until_gone();
    let stored = database.keys();
    let missing: Vec<_> = acknowledged.iter().filter(|key| !stored.contains(*key)).collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
}

/// Without a `ready_delay`, every request that HAProxy sends to a replica until it turns away is rejected, while a request in
/// flight holds the exit. By the model that is none: the engine takes a replica out of its DNS 2 s before it asks it to stop,
/// and HAProxy asks for the name every second. Where it is late, its checks are the limit.
fn too_short_a_ready_delay_loses_no_more_than_the_model_says(
    cluster: &Cluster,
    inside: &NetworkNamespace,
    front: SocketAddr,
) {
    let set = |name: &str, value: &str| format!("GRACEFUL_EXIT__SHUTDOWN__{name}={value}");
    let (ready_delay, drain) = (set("READY_DELAY", "0s"), set("DRAIN_TIMEOUT", "2s"));
    cluster.update(&["--env-add", &ready_delay, "--env-add", &drain], "completed", UPDATES + 1);
    let replicas = cluster.replicas();
    let held: Vec<_> = replicas
        .iter()
        .map(|&replica| {
            inside.run(|| {
                let mut client = Client::connect(replica);
                client.send("GET", "/slow?ms=600000", &[]).expect("sent");
                client
            })
        })
        .collect();
    let begun = Instant::now();
    let traffic = Traffic::start_in(inside, front, CLIENTS);
    cluster.update(&["--force"], "completed", UPDATES + 2);
    let (took, seen) = (begun.elapsed(), traffic.stop());
    drop(held);

    let lost = seen.failures.len() as u64;
    let requests = seen.kept_alive + seen.new_connections + lost;
    let took = u64::try_from(took.as_millis()).expect("milliseconds");
    let model = Model {
        replicas: 3,
        rate: requests * 1000 / took / 3,
        duration: 600_000,
        drain: 2000,
        ready_delay: 0,
        ..Model::default()
    };
    let by_dns = Model { resolve: 1000, notice: 2000, ..model }.run().rejected;
    let most = 3.0 * model.lost_until(model.sufficient_ready_delay()).0;
    eprintln!(
        "  without a ready_delay, one rolling update: {lost} of {requests} rejected; {by_dns:.0} by the model, {:.0} without the \
         engine's notice to DNS, {most:.0} at the most",
        model.run().rejected
    );
    let other: Vec<_> = seen.failures.iter().filter(|what| !what.contains("status 503")).collect();
    assert!(other.is_empty(), "{other:#?}");
    #[expect(clippy::cast_precision_loss, reason = "some hundred requests")]
    let lost = lost as f64;
    assert!(lost <= most, "{lost} requests rejected, {most} at the most by the model");
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
            // As haproxy-dns.cfg says.
            "GRACEFUL_EXIT__SHUTDOWN__READY_DELAY=3s",
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
            // A machine that is busy with other tests answers late, and is not unhealthy.
            "--health-timeout",
            "30s",
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

    /// Updates the service with these options, and waits until the engine calls the update by this state.
    fn update(&self, options: &[&str], state: &str, update: usize) {
        self.engine.docker(&[&["service", "update", "--detach"][..], options, &["application"]].concat());
        wait_until_within(UPDATE_TIMEOUT, &format!("update {update} is {state}"), || {
            let text = self.engine.docker(&["service", "inspect", "application"]);
            let service: Value = serde_json::from_str(&text).expect("JSON");
            service[0]["UpdateStatus"]["State"] == state
        });
        self.wait_for_tasks(3);
    }

    fn wait_until_gone(&self) {
        wait_until_within(UPDATE_TIMEOUT, "every task is gone", || self.containers().is_empty());
    }

    /// The ids of the running containers of the service.
    fn containers(&self) -> Vec<String> {
        let filter = "label=com.docker.swarm.service.name=application";
        let ids = self.engine.docker(&["ps", "--quiet", "--filter", filter]);
        ids.split_whitespace().map(str::to_owned).collect()
    }

    /// The addresses of the replicas' business servers.
    fn replicas(&self) -> Vec<SocketAddr> {
        self.containers().iter().map(|container| self.address_of(container, 8080)).collect()
    }

    fn address_of(&self, container: &str, port: u16) -> SocketAddr {
        let address = &self.engine.inspect(container)["NetworkSettings"]["Networks"]["site"]["IPAddress"];
        let address: IpAddr = address.as_str().expect("an address").parse().expect("an address");
        (address, port).into()
    }
}
