//! Callbacks that fail in every way, and none that delays or hides another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use actix::prelude::*;

use super::rig::{
    Diary, Lines, MS, Rig, SECOND, UserActor, answer, done_after, member, never, of, pass, statuses,
};
use crate::{
    actors::{Job, JobContext, JobError, RunCallback},
    sequence::{Outcome, PhaseKind, TaskStatus},
    virtual_time::assert_virtual_time,
};

#[actix_rt::test]
async fn each_callback_has_its_own_timeout_and_is_told_when_it_is_over() {
    tokio::time::pause();
    let mut rig = Rig::new();
    rig.timeouts.timeout = Duration::from_hours(2);
    let diary = Diary::new();
    for (name, timeout) in [("second", SECOND), ("minute", 60 * SECOND), ("hour", Duration::from_hours(1))] {
        let diary = diary.clone();
        let hangs = move |context: JobContext| {
            assert_eq!(context.timeout(), timeout);
            let (token, diary) = (context.cancellation_token().clone(), diary.clone());
            actix_rt::spawn(async move {
                token.cancelled().await;
                diary.note(name);
            });
            never()
        };
        rig.job(Job::callback(name, member(hangs).recipient()).timeout(timeout));
    }
    rig.callback("half-hour", Duration::from_mins(30));
    rig.timeouts.callback_timeout = Duration::from_mins(45);
    let report = rig.run().await;

    assert_eq!(of(&report.callbacks, "half-hour").status, TaskStatus::Done);
    assert_virtual_time(of(&report.callbacks, "half-hour").duration, Duration::from_mins(30));
    let told = diary.entries();
    assert_eq!(told.len(), 3);
    for ((name, at), timeout) in told.iter().zip([SECOND, 60 * SECOND, Duration::from_hours(1)]) {
        assert_eq!(of(&report.callbacks, name).status, TaskStatus::TimedOut);
        assert_virtual_time(of(&report.callbacks, name).duration, timeout);
        assert_virtual_time(*at, timeout);
    }
    assert_virtual_time(report.duration, Duration::from_hours(1));
    assert_eq!((report.outcome, report.exit_code), (Outcome::Incomplete, 103));
}

#[actix_rt::test]
async fn an_answer_that_comes_too_late_changes_nothing() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    let gives_up = |context: JobContext| {
        answer(async move {
            context.cancelled().await;
            Err(JobError::new("no time"))
        })
    };
    rig.job(Job::callback("late", member(gives_up).recipient()).timeout(SECOND));
    rig.callback("other", 2 * SECOND);
    let report = rig.run().await;
    let late = of(&report.callbacks, "late");
    assert_eq!((late.status, late.error.as_deref()), (TaskStatus::TimedOut, None));
    assert_virtual_time(late.duration, SECOND);
    assert_virtual_time(report.duration, 2 * SECOND);
    assert!(!lines.all().iter().any(|line| line.contains("no time")), "{:#?}", lines.all());
}

#[actix_rt::test]
async fn a_callback_that_fails_neither_delays_nor_hides_another() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    let callback = |name: &str, actor: &Addr<UserActor>| Job::callback(name, actor.clone().recipient());

    rig.callback("good", 10 * MS);
    rig.job(callback("fails", &member(|_| answer(async { Err(JobError::new("disk full")) }))));
    rig.job(callback("panics", &member(|_| panic!("in the handler"))));
    rig.job(callback(
        "panics-later",
        &member(|_| {
            answer(async {
                pass(5 * MS).await;
                panic!("in its future")
            })
        }),
    ));
    rig.job(callback("never", &member(|_| never())));
    rig.job(callback("stopped", &stopped().await));
    rig.job(callback("stopped-thread", &on_a_stopped_arbiter()));
    rig.job(Job::resource("pool", member(|_| done_after(10 * MS)).recipient()));
    let report = rig.run().await;

    let panicked = TaskStatus::Panicked;
    let unreachable = TaskStatus::Unreachable;
    let failed = TaskStatus::Failed;
    assert_eq!(
        statuses(&report.callbacks),
        [
            ("good", TaskStatus::Done),
            ("fails", failed),
            ("panics", panicked),
            ("panics-later", panicked),
            ("never", TaskStatus::TimedOut),
            ("stopped", unreachable),
            ("stopped-thread", unreachable),
        ]
    );
    assert_eq!(of(&report.callbacks, "fails").error.as_deref(), Some("disk full"));
    let at_once = ["fails", "panics", "stopped", "stopped-thread"];
    for name in at_once {
        assert_virtual_time(of(&report.callbacks, name).duration, Duration::ZERO);
    }
    assert_virtual_time(of(&report.callbacks, "good").duration, 10 * MS);
    assert_virtual_time(of(&report.callbacks, "panics-later").duration, 5 * MS);
    assert_virtual_time(of(&report.callbacks, "never").duration, 3 * SECOND);
    assert_eq!(of(&report.resources, "pool").status, TaskStatus::Done);
    assert_eq!(report.outcome, Outcome::Incomplete);

    let log = lines.all();
    for line in [
        "fails: failed: disk full",
        "panics: panicked: its actor ended without an answer",
        "never: timed out",
        "stopped: cannot be reached, its actor has stopped",
        "stopped-thread: cannot be reached, its actor has stopped",
    ] {
        assert_eq!(log.iter().filter(|logged| *logged == line).count(), 1, "{line} in {log:#?}");
    }
}

async fn stopped() -> Addr<UserActor> {
    let actor = member(|_| never());
    actor.send(Halt).await.expect("it is running");
    while actor.connected() {
        tokio::task::yield_now().await;
    }
    actor
}

fn on_a_stopped_arbiter() -> Addr<UserActor> {
    let arbiter = Arbiter::new();
    let actor = UserActor::start_in_arbiter(&arbiter.handle(), |_| UserActor::new(|_| never()));
    arbiter.stop();
    arbiter.join().expect("the thread ends");
    actor
}

#[derive(Message)]
#[rtype(result = "()")]
struct Halt;

impl Handler<Halt> for UserActor {
    type Result = ();

    fn handle(&mut self, _: Halt, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[actix_rt::test]
async fn an_actor_that_stops_while_it_is_waited_for_is_not_waited_for_any_longer() {
    tokio::time::pause();
    let mut rig = Rig::new();
    let actor = Leaving.start();
    rig.job(Job::callback("leaves", actor.clone().recipient()));
    let exit = rig.start();
    exit.stop();
    pass(SECOND).await;
    actor.do_send(Halt);
    let report = exit.report().await;
    assert_eq!(report.callbacks[0].status, TaskStatus::Panicked);
    assert_virtual_time(report.duration, SECOND);
}

/// An actor whose answer is its own work, and ends with it.
struct Leaving;

impl Actor for Leaving {
    type Context = Context<Self>;
}

impl Handler<RunCallback> for Leaving {
    type Result = ResponseActFuture<Self, Result<(), JobError>>;

    fn handle(&mut self, _: RunCallback, _: &mut Self::Context) -> Self::Result {
        Box::pin(never().into_actor(self))
    }
}

impl Handler<Halt> for Leaving {
    type Result = ();

    fn handle(&mut self, _: Halt, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// Real time: a blocked thread knows no other.
#[actix_rt::test]
async fn a_callback_that_blocks_its_thread_delays_no_other() {
    let mut rig = Rig::new();
    let (timeout, callback_timeout) = (Duration::from_hours(2), Duration::from_hours(1));
    rig.timeouts = rig.timeouts.timeout(timeout).callback_timeout(callback_timeout);
    let blocks = |_| async {
        thread::sleep(2 * SECOND);
        Ok(())
    };
    rig.job(Job::callback_fn("blocks", blocks).timeout(100 * MS));
    rig.job(Job::callback_fn("panics", |_| async { panic!("in a future of its own") }));
    rig.job(Job::callback_fn("quick", |_| async { Ok(()) }));
    rig.job(Job::resource_fn("pool", |_| async { Ok(()) }));
    let report = rig.run().await;
    assert_eq!(
        statuses(&report.callbacks),
        [("blocks", TaskStatus::TimedOut), ("panics", TaskStatus::Panicked), ("quick", TaskStatus::Done)]
    );
    assert_eq!(of(&report.callbacks, "panics").error.as_deref(), Some("in a future of its own"));
    assert_eq!(report.resources[0].status, TaskStatus::Done);
}

/// As `System::stop()` does. A panic of an actor's handler leaves the event loop as it is.
#[actix_rt::test]
async fn a_job_whose_event_loop_is_stopped_has_not_panicked() {
    struct Panics;
    impl Actor for Panics {
        type Context = Context<Self>;
    }
    impl Handler<RunCallback> for Panics {
        type Result = Result<(), JobError>;
        fn handle(&mut self, _: RunCallback, _: &mut Self::Context) -> Self::Result {
            panic!("in a handler")
        }
    }

    let mut rig = Rig::new();
    let (timeout, callback_timeout) = (Duration::from_hours(2), Duration::from_hours(1));
    rig.timeouts = rig.timeouts.timeout(timeout).callback_timeout(callback_timeout);
    rig.job(Job::callback_fn("stopped", |_| async {
        Arbiter::current().stop();
        std::future::pending().await
    }));
    rig.job(Job::callback_actor("panics", || Panics));
    let report = rig.run().await;
    assert_eq!(
        statuses(&report.callbacks),
        [("stopped", TaskStatus::Unreachable), ("panics", TaskStatus::Panicked)]
    );
    let error = |name| of(&report.callbacks, name).error.clone().expect("an error");
    assert!(error("stopped").contains("System::stop()"), "{}", error("stopped"));
    assert!(error("panics").contains("without an answer"), "{}", error("panics"));
}

#[actix_rt::test]
async fn what_is_lost_is_said_of_the_jobs_that_did_not_finish_and_of_no_other() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    rig.timeouts.timeout = 4 * SECOND;
    let dirty = Arc::new(AtomicBool::new(true));
    let still_dirty = Arc::clone(&dirty);
    let unsaved = move || still_dirty.load(Ordering::Relaxed).then(|| "3 writes".to_owned());
    let flush = move |_| {
        let dirty = Arc::clone(&dirty);
        answer(async move {
            dirty.store(false, Ordering::Relaxed);
            Ok(())
        })
    };
    let hangs = || member(|_| never());
    rig.job(Job::callback("done", member(flush).recipient()).unsaved(unsaved));
    let fails = member(|_| answer(async { Err(JobError::new("refused")) }));
    rig.job(Job::callback("fails", fails.recipient()).unsaved(|| Some("2 writes".to_owned())));
    rig.job(Job::callback("late", hangs().recipient()).unsaved(|| Some("5 writes".to_owned())));
    rig.job(Job::callback("late-and-clean", hangs().recipient()).unsaved(|| None));
    rig.job(Job::callback("confused", hangs().recipient()).unsaved(|| panic!("a bug of the user's")));
    rig.job(Job::resource("not-reached", hangs().recipient()).unsaved(|| Some("7 files".to_owned())));
    rig.job(
        Job::resource("cut-off", hangs().recipient())
            .timeout(2 * SECOND)
            .unsaved(|| Some("1 file".to_owned())),
    );
    let report = rig.run().await;

    let callbacks: Vec<_> = report.callbacks.iter().map(|it| (it.status, it.error.as_deref())).collect();
    assert_eq!(
        callbacks,
        [
            (TaskStatus::Done, None),
            (TaskStatus::Failed, Some("refused; 2 writes")),
            (TaskStatus::TimedOut, Some("5 writes")),
            (TaskStatus::TimedOut, None),
            (TaskStatus::TimedOut, None),
        ]
    );
    let resources: Vec<_> = report.resources.iter().map(|it| (it.status, it.error.as_deref())).collect();
    assert_eq!(resources, [(TaskStatus::NotStarted, Some("7 files")), (TaskStatus::CutOff, Some("1 file"))]);
    assert_eq!(report.outcome, Outcome::TimedOut);
    let log = lines.all();
    assert!(log.contains(&"late: lost: 5 writes".to_owned()), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("3 writes")), "{log:#?}");
}

#[actix_rt::test]
async fn a_forced_exit_tells_the_jobs_that_are_running() {
    tokio::time::pause();
    let mut rig = Rig::new();
    let told = Diary::new();
    let (diary, token) = (told.clone(), Arc::new(std::sync::Mutex::new(None)));
    let seen = Arc::clone(&token);
    let hangs = move |context: JobContext| {
        diary.note("asked");
        *seen.lock().expect("no panic") = Some(context.cancellation_token().clone());
        never()
    };
    rig.job(Job::callback("hangs", member(hangs).recipient()));
    let exit = rig.start();
    exit.signal("SIGTERM");
    exit.reach(PhaseKind::Callbacks).await;
    pass(SECOND).await;
    exit.signal("SIGINT");
    assert_eq!(exit.report().await.callbacks[0].status, TaskStatus::CutOff);
    pass(MS).await;
    let token = token.lock().expect("no panic").take().expect("it was asked");
    assert!(token.is_cancelled());
}
