//! The machine's timers. Only the next one is a timer of actix, which polls every future of an actor whenever one of
//! them wakes: ten thousand timers would take quadratic time.

use std::{collections::BTreeSet, time::Duration};

use actix::prelude::*;
use tokio::time::Instant;

use crate::sequence::Timer;

/// The timers that are armed, and the one that is running in the context of the actor `A`.
#[derive(Debug)]
pub(super) struct Timers<A: Actor<Context = Context<A>>> {
    armed: BTreeSet<(Instant, Timer)>,
    running: Option<(Instant, SpawnHandle)>,
    /// Called when a timer is due.
    due: fn(&mut A, &mut Context<A>),
}

impl<A: Actor<Context = Context<A>>> Timers<A> {
    pub(super) fn new(due: fn(&mut A, &mut Context<A>)) -> Self {
        Self { armed: BTreeSet::new(), running: None, due }
    }

    /// Makes `timer` due after this time.
    pub(super) fn arm(&mut self, timer: Timer, after: Duration, ctx: &mut Context<A>) {
        // Bounded, so that the sum is an instant that every platform can represent.
        let at = Instant::now() + after.min(Duration::from_secs(u32::MAX.into()));
        self.armed.insert((at, timer));
        self.run(ctx);
    }

    /// The next timer that is due. The deadline comes before any timeout that ends with it.
    pub(super) fn next_due(&mut self) -> Option<Timer> {
        let &(at, timer) = self.armed.first()?;
        if at > Instant::now() {
            return None;
        }
        self.armed.remove(&(at, timer));
        Some(timer)
    }

    /// How long until `timer` runs out.
    pub(super) fn left(&self, timer: Timer) -> Option<Duration> {
        let (at, _) = self.armed.iter().find(|&&(_, armed)| armed == timer)?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Runs the next timer.
    pub(super) fn run(&mut self, ctx: &mut Context<A>) {
        let Some(&(at, _)) = self.armed.first() else { return };
        if let Some((running, handle)) = self.running {
            if running == at {
                return;
            }
            ctx.cancel_future(handle);
        }
        let after = at.saturating_duration_since(Instant::now());
        let handle = ctx.run_later(after, self.due);
        self.running = Some((at, handle));
    }

    /// The one that was running has run out.
    pub(super) fn ran_out(&mut self) {
        self.running = None;
    }
}
