//! The heartbeat: told of each phase and at each interval, and silent when the supervisor is stuck.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::rig::{MS, Rig, SECOND};
use crate::{actors::Heartbeat, sequence::Kind};

#[actix_rt::test]
async fn each_phase_and_each_second_is_told_with_what_is_left_of_the_deadline() {
    tokio::time::pause();
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut rig = Rig::new();
    rig.server("web", Kind::ServerFirst);
    rig.callback("flush", 2500 * MS);
    let list = Arc::clone(&told);
    rig.heartbeat = Some(Heartbeat {
        every: SECOND,
        tell: Box::new(move |progress| {
            list.lock().expect("no panic").push((progress.status.clone(), progress.deadline_left));
        }),
    });
    let exit = rig.start();
    tokio::time::sleep(1500 * MS).await;
    exit.stop();
    let monitor = Arc::clone(&exit.monitor);
    let report = exit.report().await;
    let told = told.lock().expect("no panic").clone();
    let (serving, exiting): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, left)| left.is_none());
    assert_eq!(serving, [("server started".to_owned(), None)]);
    let statuses: Vec<_> = exiting.iter().map(|(status, _)| status.as_str()).collect();
    assert!(statuses[0].starts_with("waiting for the requests in flight"), "{statuses:?}");
    assert!(statuses.contains(&"running the callbacks; still waiting for flush; 2.5s left"), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&report.verdict.as_str()));
    let phases = monitor.status().phases;
    assert!(phases.last().and_then(|last| last.duration_ms).is_some_and(|ms| ms >= 2500), "{phases:?}");
    let left: Vec<_> = exiting.iter().filter_map(|(_, left)| *left).collect();
    assert!(left.is_sorted_by(|earlier, later| earlier >= later), "{left:?}");
    assert_eq!(left.first(), Some(&(25 * SECOND)));
}

/// On the real clock: a blocked thread delays the supervisor.
#[actix_rt::test]
async fn a_supervisor_that_is_stuck_misses_its_heartbeat() {
    let beats = Arc::new(AtomicUsize::new(0));
    let mut rig = Rig::new();
    let count = Arc::clone(&beats);
    rig.heartbeat = Some(Heartbeat {
        every: 5 * MS,
        tell: Box::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        }),
    });
    let _exit = rig.start();
    let another_than = async |last| {
        while beats.load(Ordering::Relaxed) == last {
            tokio::time::sleep(MS).await;
        }
    };
    another_than(0).await;
    let before = beats.load(Ordering::Relaxed);
    thread::sleep(100 * MS);
    assert_eq!(beats.load(Ordering::Relaxed), before, "no other thread may say that it lives");
    another_than(before).await;
}
