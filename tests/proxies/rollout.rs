//! The model of `benches/rollout` next to HAProxy with the shipped file: what is lost by a `ready_delay` that is too short.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use super::{Site, haproxy_column, haproxy_says};
use crate::{
    rollout_model::{Rollout, Site as Model},
    support::{
        Traffic,
        tools::{project_file, runs_long_rows, tool},
        wait_until,
    },
};

/// How often an instance is stopped with each `ready_delay`: each time at another instant between two checks.
const STOPS: u64 = 8;
const CLIENTS: usize = 16;
/// Those and the two that connect for each request: as many requests may be under way when a counter is read.
const UNDER_WAY: u64 = CLIENTS as u64 + 2;
/// What the README advises: check interval × failures + check timeout + 1 s.
const RECOMMENDED: u64 = 5000;

/// What the model says of the stops with one `ready_delay`, and what they were.
#[derive(Debug, Default)]
struct Row {
    ready_delay: u64,
    /// Requests a second to each instance, on average.
    rate: u64,
    /// By the model: with the check at its known instant, immediately after the stop, and as late as it may come.
    predicted: f64,
    least: f64,
    most: f64,
    /// Rejected by the instances, as their reports say.
    rejected: u64,
    /// What `HAProxy` has sent to the instance after the stop, and after the `ready_delay` had ended.
    sent: u64,
    sent_too_late: u64,
    /// The longest time until `HAProxy` had turned away.
    turned_away: Duration,
    failures: Vec<String>,
}

#[test]
fn a_ready_delay_that_is_too_short_loses_what_the_model_says() {
    const TEST: &str = "the model of a rolling restart next to HAProxy";
    if !runs_long_rows(TEST) {
        return;
    }
    let Some(haproxy) = &tool("haproxy", TEST) else { return };
    // The scope ends when each row has, so that a row that fails leaves no process behind.
    let rows = thread::scope(|scope| {
        [(3, 0), (4, 300), (5, RECOMMENDED)]
            .map(|(site, ready_delay)| scope.spawn(move || measure(haproxy, &Site::new(site), ready_delay)))
            .map(|row| row.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    for row in &rows {
        eprintln!(
            "ready_delay {} ms, {STOPS} stops at {} requests a second to each instance: {} rejected, {:.0} by the model ({:.0} \
             to {:.0}); turned away after {:?} at the most, {} ms by the model",
            row.ready_delay,
            row.rate,
            row.rejected,
            row.predicted,
            row.least,
            row.most,
            row.turned_away,
            Model::default().sufficient_ready_delay()
        );
    }
    for row in rows {
        let other: Vec<_> = row.failures.iter().filter(|what| !what.contains("status 503")).collect();
        assert!(other.is_empty(), "{other:#?}");
        assert_eq!(row.failures.len() as u64, row.rejected, "each client that was rejected saw it");
        if row.ready_delay == RECOMMENDED {
            assert_eq!((row.rejected, row.predicted), (0, 0.0), "{row:#?}");
            continue;
        }
        // The model's assumption: what is sent between the end of `ready_delay` and the decision is rejected, no more.
        let under_way = UNDER_WAY * STOPS;
        assert!(row.rejected > 0 && row.rejected <= row.sent + under_way, "{row:#?}");
        assert!(row.sent_too_late <= row.rejected + under_way, "{row:#?}");
        #[expect(clippy::cast_precision_loss, reason = "some thousand requests")]
        let rejected = row.rejected as f64;
        assert!((row.least..=row.most).contains(&rejected), "{row:#?}");
    }
}

/// Stops one of two instances several times under load.
fn measure(haproxy: &Path, site: &Site, ready_delay: u64) -> Row {
    let written = fs::read_to_string(project_file("config/deploy/haproxy.cfg")).expect("a file");
    fs::write(site.path("haproxy.cfg"), site.put_into(&written)).expect("a file");
    let socket = site.watched();
    let mut command = Command::new(haproxy);
    command.args(["-db", "-f", "haproxy.cfg", "-f", "watch.cfg"]);
    let delay = format!("shutdown.ready_delay={ready_delay}ms");
    // The exit is held; a machine that is busy may need longer for the rest, too.
    let settings = [
        &*delay,
        "shutdown.checkpoint_timeout=30s",
        "shutdown.drain_timeout=60s",
        "shutdown.callback_timeout=30s",
        "shutdown.release_timeout=30s",
        "shutdown.timeout=200s",
    ];
    let mut instances = site.start_instances(&settings);
    let _proxy = site.start(&mut command);

    let is_used = |instance: &str| haproxy_says(&socket, instance) == "UP";
    let sent = || haproxy_column(&socket, "a", 7).parse::<u64>().expect("a number");
    let model = Model { replicas: 1, ready_delay, duration: 60_000, drain: 60_000, ..Model::default() };
    wait_until("HAProxy uses both", || is_used("a") && is_used("b"));
    let traffic = Traffic::start(site.front(), CLIENTS);
    wait_until("the traffic flows", || traffic.answered() > 100);
    let mut row = Row { ready_delay, ..Row::default() };
    for stop in 0..STOPS {
        wait_until("HAProxy uses both", || is_used("a") && is_used("b"));
        // HAProxy checks an instance again when `interval` is over since it has found it. The stops are spread over it.
        let passed = model.interval * (2 * stop + 1) / (2 * STOPS);
        thread::sleep(Duration::from_millis(passed));

        let app = instances[0].take().expect("it runs");
        // Holds the exit until HAProxy has turned away: what it sends meanwhile is rejected, and not refused.
        let held = app.in_flight("/slow?ms=600000");
        let (ended_before, sent_before) = (traffic.ended(), sent());
        let begun = app.signal(libc::SIGTERM);
        let (mut sent_in_time, mut turned_away) = (None, None);
        wait_until("HAProxy turns away, and requests are rejected", || {
            if turned_away.is_none() && haproxy_says(&socket, "a").starts_with("DOWN") {
                turned_away = Some(begun.elapsed());
            }
            let log = app.log_text();
            if sent_in_time.is_none() && log.contains("waiting for the requests in flight") {
                sent_in_time = Some(sent());
            }
            assert!(!log.contains("closing the servers"), "the exit is held: {log}");
            turned_away.is_some() && sent_in_time.is_some()
        });
        let turned_away = turned_away.expect("it has");
        row.sent += sent() - sent_before;
        row.sent_too_late += sent() - sent_in_time.expect("they are");
        drop(held);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(0), "{:#?}", ended.log);

        row.turned_away = row.turned_away.max(turned_away);
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).expect("milliseconds");
        let rate = (traffic.ended() - ended_before) * 1000 / milliseconds(begun.elapsed()) / 2; // of two instances
        row.rate += rate / STOPS;
        let model = Model { rate, ..model };
        let expected = model.turned_away(model.interval - passed, 0);
        // On a machine that is busy HAProxy decides later than by its settings.
        let late = milliseconds(turned_away).saturating_sub(expected);
        row.predicted += model.lost_until(expected).0;
        row.least += model.lost_until(model.turned_away(0, 0)).0;
        row.most += model.lost_until(model.sufficient_ready_delay() + late).0;
        let report = ended.report();
        let servers = report["servers"].as_array().expect("servers").iter();
        row.rejected += servers.filter_map(|server| server["rejected"].as_u64()).sum::<u64>();
        instances[0] = Some(site.start_instance(0, &settings));
    }
    row.failures = traffic.stop().failures;
    row
}

#[test]
fn the_sufficient_ready_delay_rejects_nothing_at_any_scale() {
    for replicas in [3, 10, 100, 1000, 10_000] {
        let site = Model { replicas, surge: 1 + replicas / 10, duration: 2000, ..Model::default() };
        let enough = Model { ready_delay: site.sufficient_ready_delay(), ..site }.run();
        let Rollout { rejected, refused, cut, latest, total } = enough;
        assert_eq!((rejected, refused, cut), (0.0, 0.0, 0.0));
        assert!(latest <= site.sufficient_ready_delay() && !total.is_zero(), "{enough:?}");
        assert_eq!(
            Model { ready_delay: site.sufficient_ready_delay(), ..site }.run(),
            enough,
            "deterministic"
        );
        let short = Model { ready_delay: 0, ..site }.run();
        assert!(short.rejected > 0.0, "{short:?}");
    }
}
