//! Tables of a model of rolling restarts: which `shutdown.ready_delay` and surge lose no request. Deterministic: the same
//! options print the same table.
//!
//! ```text
//! cargo bench --bench rollout                     the table for 3 to 10,000 replicas
//! cargo bench --bench rollout -- --curve          rejected requests against ready_delay, for one set of checks
//! cargo bench --bench rollout -- --plot FILE      the same as a picture, with what was measured
//! cargo bench --bench rollout -- --replicas 500 --balancers 20 --interval-ms 5000 --fall 3 --propagation-ms 2000
//! ```
//!
//! The model itself, with its assumptions, is `model.rs`; `tests/proxies/rollout.rs` and `tests/docker/swarm.rs` compare it
//! with HAProxy.

#![expect(clippy::cast_precision_loss, reason = "counts and milliseconds are far below 2^52")]

mod model;
mod plot;

use std::{path::Path, process::ExitCode};

use model::Site;

/// Sites that people have: the checks of the shipped files, and the defaults of Kubernetes' readiness probe.
fn examples() -> [(&'static str, Site); 4] {
    let site = Site::default();
    [
        ("HAProxy, config/deploy/haproxy.cfg", site),
        ("Docker Swarm, config/deploy/haproxy-dns.cfg", Site { resolve: 1000, notice: 2000, ..site }),
        (
            "Kubernetes, config/deploy/kubernetes.yaml; endpoints reach every node within 2 s",
            // The deletion itself takes a pod out: no probe has to fail.
            Site {
                balancers: 20,
                interval: 1,
                fast: 0,
                fall: 1,
                check: 0,
                propagation: 2000,
                ready_delay: 5000,
                ..site
            },
        ),
        (
            "a cloud balancer: 10 s between checks, 3 failures, DNS for 5 s",
            Site {
                balancers: 3,
                interval: 10_000,
                fast: 10_000,
                fall: 3,
                propagation: 5000,
                ready_delay: 30_000,
                ..site
            },
        ),
    ]
}

fn table() {
    for (name, site) in examples() {
        let least = site.sufficient_ready_delay();
        println!("\n{name}: ready_delay of {} or more rejects nothing", seconds(least));
        println!(
            "{:>8} {:>7} {:>12} {:>14} {:>14} {:>12} {:>10}",
            "replicas", "surge", "ready_delay", "rejected", "refused", "turned away", "takes"
        );
        for replicas in [3, 10, 100, 1000, 10_000] {
            let surge = (replicas / 10).max(1);
            for ready_delay in [0, least / 2, least] {
                let site = Site { replicas, surge, ready_delay, ..site };
                let rollout = site.run();
                println!(
                    "{replicas:>8} {surge:>7} {:>12} {:>14.0} {:>14.0} {:>12} {:>10}",
                    seconds(ready_delay),
                    rollout.rejected + rollout.cut,
                    rollout.refused,
                    seconds(rollout.latest),
                    seconds(u64::try_from(rollout.total.as_millis()).unwrap_or(u64::MAX)),
                );
            }
        }
    }
}

/// Rejected requests an instance against `ready_delay`, in steps of a tenth of the sufficient one.
fn curve(site: Site) {
    let least = site.sufficient_ready_delay();
    println!("{:>12} {:>22}", "ready_delay", "rejected, an instance");
    for tenth in 0..=11 {
        let ready_delay = least * tenth / 10;
        let rollout = Site { ready_delay, ..site }.run();
        println!("{:>12} {:>22.2}", seconds(ready_delay), rollout.rejected / site.replicas as f64);
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{:.2} s", milliseconds as f64 / 1000.0)
}

fn main() -> ExitCode {
    let mut site = Site::default();
    let (mut draws_curve, mut has_site) = (false, false);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(option) = arguments.next() {
        if option == "--curve" {
            draws_curve = true;
            continue;
        }
        if option == "--plot" {
            let Some(path) = arguments.next() else { return usage("--plot takes a file") };
            return match plot::draw(Path::new(&path)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => usage(&format!("{path}: {error}")),
            };
        }
        let target = match option.as_str() {
            "--replicas" => &mut site.replicas,
            "--balancers" => &mut site.balancers,
            "--surge" => &mut site.surge,
            "--interval-ms" => &mut site.interval,
            "--fast-ms" => &mut site.fast,
            "--fall" => &mut site.fall,
            "--check-ms" => &mut site.check,
            "--propagation-ms" => &mut site.propagation,
            "--resolve-ms" => &mut site.resolve,
            "--notice-ms" => &mut site.notice,
            "--rate" => &mut site.rate,
            "--duration-ms" => &mut site.duration,
            "--drain-ms" => &mut site.drain,
            "--start-ms" => &mut site.start,
            "--ready-delay-ms" => &mut site.ready_delay,
            _ => return usage(&format!("{option} is not an option")),
        };
        match arguments
            .next()
            .and_then(|value| value.parse().ok())
            .filter(|&value: &u64| value > 0 || option.ends_with("-ms"))
        {
            Some(value) => *target = value,
            None => return usage(&format!("{option} takes a whole number")),
        }
        has_site = true;
    }
    if draws_curve {
        curve(site);
    } else if has_site {
        let rollout = site.run();
        println!(
            "{site:#?}\n{rollout:#?}\nready_delay of {} or more rejects nothing",
            seconds(site.sufficient_ready_delay())
        );
    } else {
        table();
    }
    ExitCode::SUCCESS
}

fn usage(error: &str) -> ExitCode {
    eprintln!("rollout: {error}; the options stand at the head of benches/rollout/main.rs");
    ExitCode::from(2)
}
