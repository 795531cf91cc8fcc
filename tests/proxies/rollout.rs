//! The model of `benches/rollout` next to HAProxy with the shipped file: what is lost by a `ready_delay` that is too short.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use super::{Site, haproxy_says};
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
/// A request of so many milliseconds is in flight at each stop: longer than HAProxy takes to turn away, so that what it
/// sends meanwhile is rejected, and not refused.
const HELD: u64 = 2000;

/// What the model says of the stops with one `ready_delay`, and what they were.
#[derive(Debug, Default)]
struct Row {
    ready_delay: u64,
    /// By the model: with the check at its known instant, immediately after the stop, and as late as it may come.
    predicted: f64,
    least: f64,
    most: f64,
    /// Rejected by the instances, as their reports say.
    rejected: u64,
    /// The longest time until HAProxy had turned away.
    turned_away: Duration,
    failures: Vec<String>,
}

#[test]
fn a_ready_delay_that_is_too_short_loses_what_the_model_says() {
    const TEST: &str = "the model of a rolling restart next to HAProxy";
    if !runs_long_rows(TEST) {
        return;
    }
    let Some(haproxy) = tool("haproxy", TEST) else { return };
    let recommended = Model::default().ready_delay;
    let rows = [(3, 0), (4, 300), (5, recommended)].map(|(site, ready_delay)| {
        let haproxy = haproxy.clone();
        thread::spawn(move || measure(&haproxy, &Site::new(site), ready_delay))
    });
    let rows = rows.map(|row| row.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    for row in &rows {
        eprintln!(
            "ready_delay {} ms, {STOPS} stops: {} rejected, {:.0} by the model ({:.0} to {:.0}); turned away after {:?} at the \
             most, {} ms by the model",
            row.ready_delay,
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
        if row.ready_delay == recommended {
            assert_eq!((row.rejected, row.predicted), (0, 0.0), "{row:#?}");
        } else {
            assert!(row.rejected > 0, "{row:#?}");
            #[expect(clippy::cast_precision_loss, reason = "some thousand requests")]
            let rejected = row.rejected as f64;
            assert!((row.least..=row.most).contains(&rejected), "{row:#?}");
        }
    }
}

/// Stops one of two instances several times under load.
fn measure(haproxy: &Path, site: &Site, ready_delay: u64) -> Row {
    let written = fs::read_to_string(project_file("config/deploy/haproxy.cfg")).expect("a file");
    fs::write(site.path("haproxy.cfg"), site.put_into(&written)).expect("a file");
    let socket = site.watched();
    let mut command = Command::new(haproxy);
    command.args(["-db", "-f", "haproxy.cfg", "-f", "watch.cfg"]);
    let settings = [&*format!("shutdown.ready_delay={ready_delay}ms")];
    let mut instances = site.start_instances(&settings);
    let _proxy = site.start(&mut command);

    let is_used = |instance: &str| haproxy_says(&socket, instance) == "UP";
    wait_until("HAProxy uses both", || is_used("a") && is_used("b"));
    let traffic = Traffic::start(site.front(), CLIENTS);
    wait_until("the traffic flows", || traffic.answered() > 100);
    let mut row = Row { ready_delay, ..Row::default() };
    for stop in 0..STOPS {
        wait_until("HAProxy uses both", || is_used("a") && is_used("b"));
        // HAProxy checks an instance again when `interval` is over since it has found it.
        let passed = Model::default().interval * stop / STOPS;
        thread::sleep(Duration::from_millis(passed));

        let app = instances[0].take().expect("it runs");
        let held = app.in_flight(&format!("/slow?ms={HELD}"));
        let before = traffic.ended();
        let begun = app.signal(libc::SIGTERM);
        wait_until("HAProxy turns away", || haproxy_says(&socket, "a").starts_with("DOWN"));
        row.turned_away = row.turned_away.max(begun.elapsed());
        let ended = app.wait();
        assert_eq!(ended.code(), Some(0), "{:#?}", ended.log);
        drop(held);

        let requests = traffic.ended() - before;
        let took = u64::try_from(begun.elapsed().as_millis()).expect("milliseconds");
        let model = Model {
            replicas: 1,
            rate: requests * 1000 / took / 2, // of two instances
            duration: HELD,
            ready_delay,
            ..Model::default()
        };
        let rejected_if = |next_check| model.lost_until(model.turned_away(next_check, 0)).0;
        row.predicted += rejected_if(model.interval - passed);
        row.least += rejected_if(0);
        row.most += rejected_if(model.interval);
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
        let site = Model { replicas, surge: 1 + replicas / 10, duration: HELD, ..Model::default() };
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
