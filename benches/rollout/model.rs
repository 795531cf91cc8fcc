//! A model of a rolling restart behind load balancers: how many requests meet an instance that rejects already, and which
//! `shutdown.ready_delay` and surge avoid that. Deterministic: the same site has the same result.
//!
//! - Each balancer checks each instance every `interval`, at a phase of its own, and takes an instance out after `fall`
//!   failed checks in a row; from the first failed one on it checks every `fast`. A check's answer takes `check`.
//! - Where the balancers find the instances by DNS, the platform may take an instance out of it `notice` before it asks it to
//!   stop (Docker Swarm: 2 s). A balancer that asks the name server every `resolve` turns away by that, if it is sooner.
//! - What a balancer decides takes effect up to `propagation` later, evenly distributed (an endpoint list that is
//!   distributed to nodes, a DNS record); zero where the balancer itself checks.
//! - An instance that is asked to stop fails its checks at once, serves on for `ready_delay`, and rejects from then on.
//!   Every request that a balancer sends to it between the end of `ready_delay` and its own decision is rejected.
//! - An exit that is over refuses connections. A balancer repeats what it could not connect for (`retry-on conn-failure`, or
//!   its like), so those requests are counted apart and not as lost.
//! - Requests come evenly: `rate` a second to each instance, from all balancers alike. A kept connection to the instance is
//!   closed by the answer to the next request on it, so a pool adds no loss while `ready_delay` lasts; a connection
//!   that was idle for all of it is closed without a request.
//! - The longest requests take `duration`; an exit lasts `ready_delay`, then that long, at the most `drain`. Longer requests
//!   are cut.
//! - `surge` instances are replaced at the same time, each successor first.

#![expect(clippy::cast_precision_loss, reason = "counts and milliseconds are far below 2^52")]

use std::time::Duration;

/// What the model is given. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) replicas: u64,
    pub(crate) balancers: u64,
    pub(crate) surge: u64,
    pub(crate) interval: u64,
    pub(crate) fast: u64,
    pub(crate) fall: u64,
    pub(crate) check: u64,
    pub(crate) propagation: u64,
    /// How often a balancer asks the name server; zero where it finds the instances otherwise.
    pub(crate) resolve: u64,
    pub(crate) notice: u64,
    pub(crate) rate: u64,
    pub(crate) duration: u64,
    pub(crate) drain: u64,
    pub(crate) start: u64,
    pub(crate) ready_delay: u64,
}

/// What becomes of the restart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rollout {
    pub(crate) rejected: f64,
    /// Requests whose connection is refused, because the instance is gone.
    pub(crate) refused: f64,
    /// Requests that the drain timeout cuts.
    pub(crate) cut: f64,
    /// The latest moment, from the request to stop on, at which a balancer still sends a request.
    pub(crate) latest: u64,
    pub(crate) total: Duration,
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
            resolve: 0,
            notice: 0,
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
    pub(crate) fn sufficient_ready_delay(&self) -> u64 {
        self.by_dns(self.resolve, self.turned_away(self.interval, self.propagation))
    }

    /// When a balancer turns away that next asks the name server `next_look` after the instance has left it, and whose
    /// checks would have it turn away at `by_checks`.
    fn by_dns(&self, next_look: u64, by_checks: u64) -> u64 {
        if self.resolve == 0 { by_checks } else { by_checks.min(next_look.saturating_sub(self.notice)) }
    }

    /// When the checks of a balancer end what it sends to an instance, from the request to stop on: its next check comes after
    /// `next_check`, and its decision takes `propagation` to arrive.
    pub(crate) fn turned_away(&self, next_check: u64, propagation: u64) -> u64 {
        next_check + (self.fall - 1) * self.fast + self.fall * self.check + propagation
    }

    /// The requests of one balancer that one instance rejects, and those whose connection it refuses.
    pub(crate) fn lost_until(&self, turned_away: u64) -> (f64, f64) {
        let from_each = self.rate as f64 / self.balancers as f64 / 1000.0;
        let exit = self.exit();
        let rejected = turned_away.min(exit).saturating_sub(self.ready_delay) as f64;
        let refused = turned_away.saturating_sub(exit) as f64;
        (rejected * from_each, refused * from_each)
    }

    /// How long the exit of an instance takes.
    fn exit(&self) -> u64 {
        self.ready_delay + self.duration.min(self.drain)
    }

    pub(crate) fn run(&self) -> Rollout {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut rejected, mut refused, mut latest) = (0.0, 0.0, 0);
        for _ in 0..self.replicas {
            for _ in 0..self.balancers {
                let next_check = random.below(self.interval);
                let by_checks = self.turned_away(next_check, random.below(self.propagation + 1));
                let turned_away = self.by_dns(random.below(self.resolve), by_checks);
                latest = latest.max(turned_away);
                let lost = self.lost_until(turned_away);
                rejected += lost.0;
                refused += lost.1;
            }
        }
        let waves = self.replicas.div_ceil(self.surge);
        let total = waves * (self.start + self.exit());
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
