//! `config/deploy/compose.yaml`, brought up and down by Docker Compose on a real engine.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::engine::Engine;
use crate::support::{
    Client,
    tools::{self, output, project_file},
    wait_until,
};

/// Docker Compose, for one project in one engine.
struct Compose<'a> {
    engine: &'a Engine,
    program: &'a Path,
}

impl Compose<'_> {
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(self.program);
        command
            .arg("--file")
            .arg(project_file("config/deploy/compose.yaml"))
            .args(["--project-name", "test"]);
        output(command.args(arguments).env("DOCKER_HOST", self.engine.address()).stdin(Stdio::null()))
    }
}

#[test]
fn compose_starts_the_proxy_after_the_application_and_stops_both_in_order() {
    const TEST: &str = "Docker Compose";
    let Some(program) = tools::tool("docker-compose", TEST) else { return };
    let Some(haproxy) = tools::tool("haproxy", TEST) else { return };
    let Some(engine) = Engine::start(TEST) else { return };
    // The official image starts HAProxy with this file.
    let command = "CMD [\"-db\", \"-f\", \"/usr/local/etc/haproxy/haproxy.cfg\"]\n";
    engine.build_from_machine("haproxy:lts", &haproxy, command);
    let compose = Compose { engine: &engine, program: &program };
    compose.run(&["up", "--no-build", "--detach"]);

    let containers = |service: &str| {
        let label = format!("label=com.docker.compose.service={service}");
        engine.docker(&["ps", "--all", "--quiet", "--filter", &label])
    };
    let (application, proxy) = (containers("application"), containers("haproxy"));
    let started =
        |container: &str| engine.inspect(container)["State"]["StartedAt"].as_str().map(str::to_owned);
    assert_eq!(engine.inspect(&application)["State"]["Health"]["Status"], "healthy");
    assert!(started(&application) < started(&proxy), "the proxy waits for a healthy application");

    let address = &engine.inspect(&proxy)["NetworkSettings"]["Networks"]["test_site"]["IPAddress"];
    let address: IpAddr = address.as_str().expect("an address").parse().expect("an address");
    let front = SocketAddr::new(address, 8000);
    let network = engine.network();
    wait_until("the proxy has found the application", || {
        let answer = network.run(|| {
            let mut client = Client::try_connect(front).ok()?;
            client.send("GET", "/", &[]).ok()?;
            client.read().ok()
        });
        answer.is_some_and(|answer| answer.status == 200)
    });
    network.run(|| assert_eq!(Client::put(front, "/cache/key", b"value").status, 204));

    compose.run(&["stop"]);
    assert_eq!(engine.end_of(&application), (0, false), "within stop_grace_period");
    let configured = &engine.inspect(&application)["Config"];
    assert_eq!(
        (&configured["StopTimeout"], &configured["StopSignal"]),
        (&Value::from(30), &Value::from("SIGTERM"))
    );
    compose.run(&["up", "--no-build", "--detach"]);
    wait_until("what was written is there after the restart", || {
        let answer = network.run(|| Client::try_connect(front).map(|_| Client::get(front, "/cache/key")));
        answer.is_ok_and(|answer| answer.text() == "value")
    });
    compose.run(&["down", "--volumes"]);
    assert_eq!((containers("application"), containers("haproxy")), (String::new(), String::new()));
}

/// PostgreSQL is asked for by its profile; the application gets the store's address by a variable.
#[test]
fn the_compose_file_is_whole_with_its_profile_and_its_variables() {
    let Some(program) = tools::tool("docker-compose", "the Compose file with PostgreSQL") else { return };
    let store = "postgres://postgres@database/postgres";
    let mut command = Command::new(program);
    command.env("GRACEFUL_EXIT_STORE", store).env("GRACEFUL_EXIT_TOKEN", "a-token-of-this-test");
    command.arg("--file").arg(project_file("config/deploy/compose.yaml"));
    let shown = output(command.args(["--profile", "postgres", "config"]));
    for line in [
        format!("GRACEFUL_EXIT__CACHE__STORE: {store}"),
        "GRACEFUL_EXIT__ADMIN__TOKEN: a-token-of-this-test".to_owned(),
        "image: postgres:17".to_owned(),
        "- postgres".to_owned(),
    ] {
        assert!(shown.lines().any(|found| found.trim() == line), "{line} is not in:\n{shown}");
    }
}
