//! The alert rules and the dashboard of `config/deploy/`, with Prometheus's own tools.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::support::{
    App, Client, folder, stop,
    tools::{output, project_file, tool},
    wait_until,
};

const RULES: &str = "config/deploy/prometheus-rules.yaml";
const RULES_TEST: &str = "config/deploy/prometheus-rules.test.yaml";
const DASHBOARD: &str = "config/deploy/grafana-dashboard.json";

#[test]
fn the_alert_rules_pass_their_unit_tests() {
    let Some(promtool) = tool("promtool", "the alert rules") else { return };
    let checked = output(Command::new(&promtool).args(["check", "rules"]).arg(project_file(RULES)));
    assert!(checked.contains("6 rules found"), "{checked}");
    output(Command::new(&promtool).args(["test", "rules"]).arg(project_file(RULES_TEST)));

    // A rule that asks for the wrong outcome fails them.
    let folder = folder();
    let rules = fs::read_to_string(project_file(RULES)).expect("a file");
    let wrong = rules.replace("incomplete|timed_out|forced", "timed_out|forced");
    assert_ne!(wrong, rules);
    fs::write(folder.path().join("prometheus-rules.yaml"), wrong).expect("a file");
    fs::copy(project_file(RULES_TEST), folder.path().join("test.yaml")).expect("a file");
    let refused =
        Command::new(&promtool).args(["test", "rules", "test.yaml"]).current_dir(folder.path()).output();
    assert!(!refused.expect("it runs").status.success());
}

#[test]
fn every_query_of_the_dashboard_finds_something_in_an_exit_that_prometheus_scraped() {
    let Some(prometheus) = tool("prometheus", "the dashboard's queries") else { return };
    let folder = folder();
    // The exit before.
    assert_eq!(stop(App::start_in(folder.clone(), &[])).code(), Some(0));
    let settings = ["shutdown.drain_timeout=1s", "demo.flush_delay=500ms", "demo.release_delay=500ms"];
    let app = App::start_in(folder.clone(), &settings);
    let prometheus = Prometheus::start(&prometheus, &folder.path().join("prometheus"), app.admin);
    let begun = now();
    wait_until("the application is scraped", || {
        prometheus.query("up").as_array().is_some_and(|up| up.iter().any(|up| up["value"][1] == "1"))
    });
    for _ in 0..10 {
        Client::get(app.business, "/");
    }
    let _slow = app.in_flight("/slow?ms=60000");
    app.signal_to_stop();
    assert_eq!(app.wait().code(), Some(3));

    let dashboard = fs::read_to_string(project_file(DASHBOARD)).expect("a file");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let asked = target["expr"].as_str().expect("a query");
            let query =
                asked.replace("$__rate_interval", "2s").replace("$job", ".*").replace("$instance", ".*");
            let found = prometheus.query_range(&query, begun);
            assert_ne!(found.as_array().map_or(0, Vec::len), 0, "{}: {query} found nothing", panel["title"]);
            queries += 1;
        }
    }
    assert!(queries >= 15, "{queries} queries");
    // The check is not hollow.
    assert_eq!(prometheus.query_range("graceful_exit_no_such_metric", begun), Value::Array(Vec::new()));
    let cut_off = prometheus.query_range("max(graceful_exit_requests_abandoned_total)", begun).to_string();
    assert!(
        cut_off.contains("\"1\""),
        "the last server is scraped when the request has been cut off: {cut_off}"
    );
}

/// A Prometheus that scrapes one target ten times a second.
struct Prometheus {
    process: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(program: &Path, folder: &Path, target: SocketAddr) -> Self {
        fs::create_dir(folder).expect("a folder");
        let configuration = format!(
            "global: {{ scrape_interval: 100ms, scrape_timeout: 100ms }}\n\
             scrape_configs: [{{ job_name: app, static_configs: [{{ targets: ['{target}'] }}] }}]\n"
        );
        fs::write(folder.join("prometheus.yml"), configuration).expect("a file");
        // It takes no socket that is bound already, and does not say which port it chose.
        let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).expect("a port");
        let mut command = Command::new(program);
        command.current_dir(folder).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        let prometheus = Self { process: command.spawn().expect("Prometheus starts"), address };
        wait_until("Prometheus serves", || Client::try_connect(address).is_ok());
        prometheus
    }

    fn query(&self, query: &str) -> Value {
        self.ask(&format!("/api/v1/query?query={}", encoded(query)))
    }

    /// The results from `begun` to now.
    fn query_range(&self, query: &str, begun: Duration) -> Value {
        let (start, end) = (begun.as_secs_f64(), now().as_secs_f64());
        self.ask(&format!("/api/v1/query_range?query={}&start={start}&end={end}&step=0.1", encoded(query)))
    }

    fn ask(&self, path: &str) -> Value {
        let answer = Client::request(self.address, "GET", path, &[("Connection", "close")], b"");
        let Ok(mut answer) = serde_json::from_slice::<Value>(&answer.body) else { return Value::Null };
        assert_ne!(answer["status"], "error", "{path}: {answer}");
        answer["data"]["result"].take()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock")
}

/// A query as a part of a URL.
fn encoded(query: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    query.bytes().map(encode).collect()
}
