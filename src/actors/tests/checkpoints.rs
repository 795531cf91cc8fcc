//! Checkpoints: asked at once, beside the other phases, and waited for by the callbacks.

use std::{cell::RefCell, rc::Rc};

use super::rig::{Lines, MS, Rig, SECOND, answer, done_after, member, never, of, statuses};
use crate::{
    actors::{Job, JobError},
    sequence::{Kind, Outcome, PhaseKind, TaskStatus},
    virtual_time::assert_virtual_time,
};

#[actix_rt::test]
async fn a_checkpoint_is_asked_at_once_and_delays_nothing_but_the_callbacks() {
    tokio::time::pause();
    let mut rig = Rig::new();
    rig.timeouts.ready_delay = SECOND;
    rig.timeouts.checkpoint_timeout = 5 * SECOND;
    let web = rig.server("web", Kind::ServerFirst);
    let order = Rc::new(RefCell::new(Vec::new()));
    let (saved, flushed) = (Rc::clone(&order), Rc::clone(&order));
    let started = Rc::new(RefCell::new(None));
    let at = Rc::clone(&started);
    let save = move |_| {
        at.replace(Some(tokio::time::Instant::now()));
        let saved = Rc::clone(&saved);
        answer(async move {
            tokio::time::sleep(4 * SECOND).await;
            saved.borrow_mut().push("saved");
            Ok(())
        })
    };
    let flush = move |_| {
        flushed.borrow_mut().push("flush");
        done_after(MS)
    };
    rig.job(Job::callback("flush", member(flush).recipient()));
    rig.job(Job::checkpoint("save", member(save).recipient()));
    let begun = tokio::time::Instant::now();
    let report = rig.run().await;

    assert_virtual_time(started.borrow().expect("it was asked") - begun, std::time::Duration::ZERO);
    assert_eq!(*order.borrow(), ["saved", "flush"]);
    let phase = |kind| report.phases.iter().find(|phase| phase.kind == kind).expect("it is in the plan");
    assert_virtual_time(phase(PhaseKind::Drain).start, SECOND);
    assert_virtual_time(phase(PhaseKind::Callbacks).start, SECOND);
    assert_virtual_time(of(&report.callbacks, "flush").duration, MS);
    assert_eq!(statuses(&report.checkpoints), [("save", TaskStatus::Done)]);
    assert_virtual_time(of(&report.checkpoints, "save").duration, 4 * SECOND);
    assert_virtual_time(report.duration, 4 * SECOND + MS);
    assert_eq!(report.outcome, Outcome::Clean);
    assert!(web.drain().gate.is_rejecting());
}

#[actix_rt::test]
async fn a_checkpoint_that_hangs_or_fails_is_reported_and_the_callbacks_run() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    rig.job(Job::checkpoint("hangs", member(|_| never()).recipient()).unsaved(|| Some("3 writes".into())));
    let full = || member(|_| answer(async { Err(JobError::new("disk full")) }));
    rig.job(Job::checkpoint("fails", full().recipient()));
    rig.callback("flush", MS);
    let report = rig.run().await;
    assert_eq!(
        statuses(&report.checkpoints),
        [("hangs", TaskStatus::TimedOut), ("fails", TaskStatus::Failed)]
    );
    assert_virtual_time(of(&report.checkpoints, "hangs").duration, 2 * SECOND);
    assert_eq!(of(&report.checkpoints, "hangs").error.as_deref(), Some("3 writes"));
    assert_eq!(of(&report.callbacks, "flush").status, TaskStatus::Done);
    assert_eq!(report.outcome, Outcome::Clean, "the callbacks have saved it");
    let log = lines.all();
    for line in ["checkpoint hangs: timed out", "checkpoint fails: failed: disk full"] {
        assert!(log.contains(&line.to_owned()), "{line} in {log:#?}");
    }
}

#[actix_rt::test]
async fn a_checkpoint_that_fails_is_made_up_for_by_nothing_where_there_is_no_callback() {
    tokio::time::pause();
    let mut rig = Rig::new();
    rig.job(Job::checkpoint(
        "fails",
        member(|_| answer(async { Err(JobError::new("disk full")) })).recipient(),
    ));
    let report = rig.run().await;
    assert_eq!(statuses(&report.checkpoints), [("fails", TaskStatus::Failed)]);
    assert_eq!(report.outcome, Outcome::Incomplete);
}
