//! `/metrics`: its samples, its formats, and scrapes during every phase.

#![expect(clippy::float_cmp, reason = "counts are small whole numbers, which a float holds exactly")]

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use graceful_exit::sequence::PhaseKind;

use crate::support::{App, Client, Response, phases::Held, side_by_side, tools, wait_until};

/// Every sample by its name and labels.
type Samples = BTreeMap<String, f64>;

fn scrape(app: &App) -> Samples {
    let response = Client::get(app.admin, "/metrics");
    assert_eq!(response.status, 200);
    samples(&response)
}

fn samples(response: &Response) -> Samples {
    let text = response.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').expect("a sample"))
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

fn phase(samples: &Samples) -> Vec<&str> {
    let is_on = |(name, value): (&'static str, f64)| (value > 0.5).then_some(name);
    ["running"]
        .into_iter()
        .chain(PhaseKind::ALL.iter().map(|phase| phase.name()))
        .chain(["exited"])
        .filter_map(|phase| is_on((phase, samples[&format!("graceful_exit_phase{{phase=\"{phase}\"}}")])))
        .collect()
}

#[test]
fn the_requests_of_each_server_are_counted() {
    let app = App::start(&["shutdown.drain_timeout=60s", "shutdown.timeout=120s"]);
    for _ in 0..3 {
        Client::get(app.business, "/");
    }
    let _slow = app.in_flight("/slow?ms=60000");
    let of = |samples: &Samples, what: &str| {
        samples[&format!("graceful_exit_requests_{what}{{server=\"business\"}}")]
    };
    wait_until("the answers are counted", || of(&scrape(&app), "completed_total") >= 3.0);
    let running = scrape(&app);
    let counts =
        ["in_flight", "completed_total", "rejected_total", "abandoned_total"].map(|what| of(&running, what));
    assert_eq!(counts, [1.0, 3.0, 0.0, 0.0]);
    assert_eq!(phase(&running), ["running"]);
    assert_eq!(running["graceful_exit_deadline_left_seconds"], 120.0);
    assert_eq!(running["graceful_exit_log_lines_dropped_total"], 0.0);
    assert_eq!(running["graceful_exit_phase_duration_seconds{phase=\"drain\"}"], 0.0);
    assert_eq!(
        running["graceful_exit_requests_in_flight{server=\"admin\"}"], 0.0,
        "a scrape is no request in flight"
    );

    // During the drain one request comes too late.
    let mut late = Client::connect(app.business);
    app.signal(libc::SIGTERM);
    wait_until("the drain begins", || phase(&scrape(&app)) != ["running"]);
    late.send("GET", "/", &[]).expect("sent");
    assert_eq!(late.read().expect("answered").status, 503);
    let last = scrape(&app);
    assert_eq!([of(&last, "rejected_total"), of(&last, "abandoned_total")], [1.0, 0.0]);
    wait_until("the deadline comes nearer", || {
        let left = scrape(&app)["graceful_exit_deadline_left_seconds"];
        assert!((1.0..=120.0).contains(&left), "{left}");
        left < 120.0
    });
}

#[test]
fn what_an_exit_has_cost_is_seen_until_its_end() {
    let settings = [
        "shutdown.drain_timeout=300ms",
        "shutdown.release_timeout=60s",
        "demo.release_delay=60s",
        "shutdown.timeout=120s",
    ];
    let app = App::start(&settings);
    let _slow = app.in_flight("/slow?ms=60000");
    app.signal(libc::SIGTERM);
    wait_until("the resources are released", || phase(&scrape(&app)) == ["release"]);
    let last = scrape(&app);
    assert_eq!(last["graceful_exit_requests_abandoned_total{server=\"business\"}"], 1.0);
    // The drain took at least its timeout.
    assert!(last["graceful_exit_phase_duration_seconds{phase=\"drain\"}"] >= 0.3, "{last:?}");
    wait_until("the store takes its time", || {
        scrape(&app)["graceful_exit_resource_duration_seconds{name=\"store\"}"] >= 0.2
    });
}

#[test]
fn the_last_server_answers_a_scrape_during_every_phase_before_it_closes() {
    let before: Vec<_> = PhaseKind::ALL.iter().filter(|phase| **phase != PhaseKind::CloseLast).collect();
    side_by_side(&before, |&&kind| {
        let held = Held::in_phase(kind);
        held.app.signal(libc::SIGTERM);
        held.reach(kind);
        assert_eq!(phase(&scrape(&held.app)), [kind.name()]);
    });
}

#[test]
fn a_scrape_tells_how_the_run_before_ended() {
    let first = App::start(&["shutdown.drain_timeout=100ms"]);
    let before = scrape(&first);
    assert!(!before.keys().any(|name| name.contains("previous_exit")), "there was none: {before:?}");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(before[&format!("graceful_exit_build_info{{version=\"{version}\"}}")], 1.0);
    assert_eq!(before["graceful_exit_ready"], 1.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64();
    let started = before["process_start_time_seconds"];
    assert!(started <= now && started > now - 3600.0, "{started}");
    let _slow = first.in_flight("/slow?ms=60000");
    first.signal_to_stop();
    let ended = first.wait();
    assert_eq!(ended.code(), Some(3));
    let report = ended.report();

    let second = App::start_in(ended.folder, &[]);
    let after = scrape(&second);
    let info =
        after.keys().find(|name| name.starts_with("graceful_exit_previous_exit_info{")).expect("a sample");
    for label in ["outcome=\"incomplete\"", "exit_code=\"3\"", "reason=\"SIGTERM"] {
        assert!(info.contains(label), "{label} in {info}");
    }
    let duration = report["duration_ms"].as_f64().expect("a number") / 1000.0;
    assert_eq!(after["graceful_exit_previous_exit_duration_seconds"], duration);
    assert_eq!(after["graceful_exit_previous_exit_requests_abandoned"], 1.0);
    let verdict = report["verdict"].as_str().expect("a sentence");
    assert_eq!(after[&format!("graceful_exit_previous_exit_verdict_info{{verdict=\"{verdict}\"}}")], 1.0);

    let third = App::start_in(second.kill(), &[]);
    let after = scrape(&third);
    let killed = "graceful_exit_previous_exit_info{outcome=\"killed\",exit_code=\"\",reason=\"\"}";
    assert_eq!(after.get(killed), Some(&1.0), "{after:?}");
    let unknown = ["duration_seconds", "requests_abandoned", "verdict_info"];
    let told = |name: &&str| after.keys().any(|key| key.contains(&format!("previous_exit_{name}")));
    assert!(!unknown.iter().any(told), "what is not known is not told: {after:?}");
}

#[test]
fn the_format_is_what_the_client_asks_for() {
    let app = App::start(&[]);
    let older = Client::get(app.admin, "/metrics");
    assert_eq!(older.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(
        older.text().contains("# TYPE graceful_exit_requests_completed_total counter\n"),
        "{}",
        older.text()
    );
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let open = Client::request(app.admin, "GET", "/metrics", &[("Accept", accept)], b"");
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.text().contains("# TYPE graceful_exit_requests_completed counter\n"), "{}", open.text());
    assert!(open.text().contains("# UNIT graceful_exit_deadline_left_seconds seconds\n"), "{}", open.text());
    assert!(open.text().ends_with("# EOF\n"));
    assert_eq!(samples(&older).keys().collect::<Vec<_>>(), samples(&open).keys().collect::<Vec<_>>());
    assert_eq!(Client::head(app.admin, "/metrics").status, 200);
}

#[test]
fn promtool_accepts_the_format() {
    let Some(promtool) = tools::tool("promtool", "promtool check metrics") else { return };
    let app = App::start(&[]);
    let metrics = Client::get(app.admin, "/metrics");
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = check.spawn().expect("promtool starts");
    child.stdin.take().expect("a pipe").write_all(&metrics.body).expect("written");
    let output = child.wait_with_output().expect("promtool ends");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{}", metrics.text());
}
