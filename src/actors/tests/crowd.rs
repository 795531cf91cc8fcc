//! Ten thousand callbacks.

use std::time::Duration;

use actix::prelude::*;

use super::rig::{Rig, UserActor, answer, member};
use crate::{actors::Job, sequence::Outcome};

/// How long an exit with so many callbacks takes on a real clock.
async fn measure(count: usize, actor: impl Fn(usize) -> Addr<UserActor>) -> Duration {
    let mut rig = Rig::new();
    rig.timeouts.callback_timeout = Duration::from_mins(1);
    rig.timeouts.timeout = Duration::from_mins(2);
    for index in 0..count {
        rig.job(Job::callback(index.to_string(), actor(index).recipient()));
    }
    let report = rig.run().await;
    assert_eq!(report.outcome, Outcome::Clean);
    assert_eq!(report.callbacks.len(), count);
    report.duration
}

/// The best of three: others may be using the processor.
async fn best(count: usize, actor: impl Fn(usize) -> Addr<UserActor>) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        best = best.min(measure(count, &actor).await);
    }
    best
}

fn trivial() -> Addr<UserActor> {
    member(|_| answer(async { Ok(()) }))
}

/// Ten times as many may take thirty times as long on a busy machine; their square would be a hundred times.
fn assert_in_proportion(what: &str, thousand: Duration, ten_thousand: Duration) {
    println!("{what}: 1,000 callbacks in {thousand:?}, 10,000 in {ten_thousand:?}");
    assert!(ten_thousand < 30 * thousand.max(Duration::from_millis(5)), "{thousand:?}, {ten_thousand:?}");
    assert!(ten_thousand < Duration::from_secs(5), "{ten_thousand:?}");
}

#[actix_rt::test]
async fn ten_thousand_callbacks_take_time_in_proportion() {
    let thousand = best(1_000, |_| trivial()).await;
    assert_in_proportion("an actor each", thousand, best(10_000, |_| trivial()).await);

    let few: Vec<_> = (0..4).map(|_| trivial()).collect();
    let thousand = best(1_000, |index| few[index % 4].clone()).await;
    let ten_thousand = best(10_000, |index| few[index % 4].clone()).await;
    assert_in_proportion("four actors", thousand, ten_thousand);
}
