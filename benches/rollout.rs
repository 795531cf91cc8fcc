//! A model of a rolling restart behind load balancers: how many requests meet an instance that rejects already, and which
//! `shutdown.ready_delay` and surge avoid that. Deterministic: the same options print the same table.
//!
//! ```text
//! cargo bench --bench rollout                     the table for 10 to 10,000 replicas
//! cargo bench --bench rollout -- --curve          rejected requests against ready_delay, for one set of checks
//! cargo bench --bench rollout -- --replicas 500 --balancers 20 --interval-ms 5000 --fall 3 --propagation-ms 2000
//! ```
//!
//! # The model
//!
//! - Each balancer checks each instance every `interval`, at a phase of its own, and takes an instance out after `fall`
//!   failed checks in a row; from the first failed one on it checks every `fast`. A check's answer takes `check`.
//! - What a balancer decides takes effect up to `propagation` later, evenly distributed (an endpoint list that is
//!   distributed to nodes, a DNS record); zero where the balancer itself checks.
//! - An instance that is asked to stop fails its checks at once, serves on for `ready_delay`, and rejects from then on.
//!   Every request that a balancer sends to it between the end of `ready_delay` and its own decision is rejected.
//! - An exit that is over refuses connections. A balancer repeats what it could not connect for (`retry-on conn-failure`, or
//!   its like), so those requests are counted apart and not as lost.
//! - Requests come evenly: `rate` a second to each instance, from all balancers alike. A kept connection to the instance is
//!   closed by the answer to the next request on it, so a pool adds no loss while `ready_delay` lasts; a connection
//!   that was idle for all of it is closed without a request.
//! - Requests take `duration`; an exit lasts `ready_delay`, then that long, at the most `drain`. Longer requests are cut.
//! - `surge` instances are replaced at the same time, each successor first.

#![expect(clippy::cast_precision_loss, reason = "counts and milliseconds are far below 2^52")]

use std::{process::ExitCode, time::Duration};

/// What the model is given. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Site {
    replicas: u64,
    balancers: u64,
    surge: u64,
    interval: u64,
    fast: u64,
    fall: u64,
    check: u64,
    propagation: u64,
    rate: u64,
    duration: u64,
    drain: u64,
    start: u64,
    ready_delay: u64,
}

/// What becomes of the restart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rollout {
    rejected: f64,
    /// Requests whose connection is refused, because the instance is gone.
    refused: f64,
    /// Requests that the drain timeout cuts.
    cut: f64,
    /// The latest moment, from the request to stop on, at which a balancer still sends a request.
    latest: u64,
    total: Duration,
}

impl Default for Site {
    /// `config/deploy/haproxy.cfg`, one balancer, three instances, a quick service.
    fn default() -> Self {
        Self {
            replicas: 3,
            balancers: 1,
            surge: 1,
            interval: 1000,
            fast: 200,
            fall: 2,
            check: 10,
            propagation: 0,
            rate: 100,
            duration: 100,
            drain: 10_000,
            start: 1000,
            ready_delay: 3000,
        }
    }
}

impl Site {
    /// The longest that a balancer can take to turn away, which is the shortest `ready_delay` that rejects nothing.
    fn sufficient_ready_delay(&self) -> u64 {
        self.interval + (self.fall - 1) * self.fast + self.fall * self.check + self.propagation
    }

    fn run(&self) -> Rollout {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut rejected, mut refused, mut latest) = (0.0, 0.0, 0);
        let exit = self.ready_delay + self.duration.min(self.drain);
        let from_each = self.rate as f64 / self.balancers as f64 / 1000.0;
        for _ in 0..self.replicas {
            for _ in 0..self.balancers {
                let first_check = random.below(self.interval);
                let decided = first_check + (self.fall - 1) * self.fast + self.fall * self.check;
                let turned_away = decided + random.below(self.propagation + 1);
                latest = latest.max(turned_away);
                rejected += turned_away.min(exit).saturating_sub(self.ready_delay) as f64 * from_each;
                refused += turned_away.saturating_sub(exit) as f64 * from_each;
            }
        }
        let waves = self.replicas.div_ceil(self.surge);
        let total = waves * (self.start + exit);
        let in_flight = self.rate as f64 * self.duration as f64 / 1000.0;
        let over = self.duration.saturating_sub(self.drain) as f64 / self.duration.max(1) as f64;
        Rollout {
            rejected,
            refused,
            cut: self.replicas as f64 * in_flight * over,
            latest,
            total: Duration::from_millis(total),
        }
    }
}

/// A generator of fixed seed (SplitMix64): the table is the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

/// Sites that people have: the checks of the shipped files, and the defaults of Kubernetes' readiness probe.
fn examples() -> [(&'static str, Site); 3] {
    let site = Site::default();
    [
        ("HAProxy, config/deploy/haproxy.cfg", site),
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
        let target = match option.as_str() {
            "--replicas" => &mut site.replicas,
            "--balancers" => &mut site.balancers,
            "--surge" => &mut site.surge,
            "--interval-ms" => &mut site.interval,
            "--fast-ms" => &mut site.fast,
            "--fall" => &mut site.fall,
            "--check-ms" => &mut site.check,
            "--propagation-ms" => &mut site.propagation,
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
    eprintln!("rollout: {error}; the options stand at the head of benches/rollout.rs");
    ExitCode::from(2)
}
