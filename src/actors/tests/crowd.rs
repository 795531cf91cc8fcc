//! Ten thousand callbacks.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::rig::{Rig, UserActor, answer, member};
use crate::{actors::Job, sequence::Outcome};

/// How long an exit with so many callbacks takes on a real clock, and how long to start it.
async fn measure(count: usize, actor: impl Fn(usize) -> Addr<UserActor>) -> (Duration, Duration) {
    let start = Instant::now();
    let mut rig = Rig::new();
    rig.bounds.callback = Duration::from_mins(1);
    rig.bounds.deadline = Duration::from_mins(2);
    for index in 0..count {
        rig.job(Job::callback(index.to_string(), actor(index).recipient()));
    }
    let exit = rig.start();
    let started = start.elapsed();
    exit.stop();
    let report = exit.report().await;
    assert_eq!(report.outcome, Outcome::Clean);
    assert_eq!(report.callbacks.len(), count);
    (report.duration, started)
}

fn trivial() -> Addr<UserActor> {
    member(|_| answer(async { Ok(()) }))
}

/// Time in proportion to the number: ten times as many may take thirty times as long on a busy machine, where the
/// square would be a hundred times.
#[actix_rt::test]
async fn ten_thousand_callbacks_take_time_in_proportion() {
    measure(1_000, |_| trivial()).await;
    let (thousand, _) = measure(1_000, |_| trivial()).await;
    let (ten_thousand, started) = measure(10_000, |_| trivial()).await;
    println!("an actor each: 1,000 in {thousand:?}, 10,000 in {ten_thousand:?}, started in {started:?}");
    assert!(ten_thousand < 30 * thousand.max(Duration::from_millis(5)), "{thousand:?}, {ten_thousand:?}");
    assert!(ten_thousand < Duration::from_secs(5), "{ten_thousand:?}");

    let few: Vec<_> = (0..4).map(|_| trivial()).collect();
    let (thousand, _) = measure(1_000, |index| few[index % 4].clone()).await;
    let (ten_thousand, _) = measure(10_000, |index| few[index % 4].clone()).await;
    println!("four actors: 1,000 in {thousand:?}, 10,000 in {ten_thousand:?}");
    assert!(ten_thousand < 30 * thousand.max(Duration::from_millis(5)), "{thousand:?}, {ten_thousand:?}");
    assert!(ten_thousand < Duration::from_secs(5), "{ten_thousand:?}");
}
