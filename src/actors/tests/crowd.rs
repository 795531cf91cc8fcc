//! Ten thousand callbacks.

use std::time::Duration;

use actix::prelude::*;

use super::rig::{Rig, UserActor, answer, member};
use crate::{actors::Job, sequence::Outcome};

/// How many times the record changes in an exit with so many callbacks: once for each event of the machine.
async fn steps(count: usize, actor: impl Fn(usize) -> Addr<UserActor>) -> u64 {
    let mut rig = Rig::new();
    rig.timeouts.callback_timeout = Duration::from_mins(1);
    rig.timeouts.timeout = Duration::from_mins(2);
    for index in 0..count {
        rig.job(Job::callback(index.to_string(), actor(index).recipient()));
    }
    let exit = rig.start();
    let changes = exit.monitor.changes();
    exit.stop();
    let report = exit.report().await;
    assert_eq!(report.outcome, Outcome::Clean);
    assert_eq!(report.callbacks.len(), count);
    *changes.borrow()
}

fn trivial() -> Addr<UserActor> {
    member(|_| answer(async { Ok(()) }))
}

#[actix_rt::test]
async fn each_of_ten_thousand_callbacks_costs_one_step() {
    // The request to stop, and the report.
    let beside = 2;
    assert_eq!(steps(1_000, |_| trivial()).await, 1_000 + beside);
    assert_eq!(steps(10_000, |_| trivial()).await, 10_000 + beside);
    let few: Vec<_> = (0..4).map(|_| trivial()).collect();
    assert_eq!(steps(10_000, |index| few[index % 4].clone()).await, 10_000 + beside);
}
