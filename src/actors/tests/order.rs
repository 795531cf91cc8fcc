//! The order in which the members are asked.

use std::time::Duration;

use super::rig::{Diary, MS, Rig, SECOND, answer, member, pass};
use crate::{
    actors::{Job, JobContext},
    sequence::{EndedBy, Kind, Outcome, PhaseKind},
    virtual_time::assert_virtual_time,
};

/// Notes its beginning and its end in the diary, a second apart.
fn noting(diary: &Diary, name: &'static str) -> impl FnMut(JobContext) -> super::rig::Answer + 'static {
    let diary = diary.clone();
    move |_| {
        let diary = diary.clone();
        answer(async move {
            diary.note(&format!("{name} begins"));
            tokio::time::sleep(SECOND).await;
            diary.note(&format!("{name} ends"));
            Ok(())
        })
    }
}

#[actix_rt::test]
async fn phases_follow_the_plan() {
    tokio::time::pause();
    let mut rig = Rig::new();
    let diary = Diary::new();
    rig.delay_for(2 * SECOND);
    rig.timeouts.release_timeout = 2 * SECOND;
    let web = rig.server("web", Kind::ServerFirst);
    let admin = rig.server("admin", Kind::ServerLast);
    rig.job(Job::resource("pool", member(noting(&diary, "pool")).recipient()));
    rig.job(Job::callback("flush", member(noting(&diary, "flush")).recipient()));
    rig.job(Job::worker("queue", member(noting(&diary, "queue")).recipient()));
    let (web_closes, admin_closes) = (web.clone(), admin.clone());
    web.drain().gate.admit(0).expect("it is open");

    let exit = rig.start();
    exit.stop();
    pass(SECOND).await;
    assert!(web.drain().gate.is_closing(0), "each answer says that the connection closes");
    assert!(!web.drain().gate.is_rejecting(), "it serves on during the delay");
    pass(SECOND + 10 * MS).await;
    assert!(web.drain().gate.is_rejecting() && admin.drain().gate.is_rejecting());
    pass(5 * SECOND).await;
    assert_eq!(diary.names(), ["queue begins", "queue ends"], "a request is still in flight");
    web.drain().gate.leave(0, 1, true);
    let report = exit.report().await;

    let begun = ["queue begins", "queue ends", "flush begins", "flush ends", "pool begins", "pool ends"];
    assert_eq!(diary.names(), begun);
    let phases: Vec<_> = report.phases.iter().map(|phase| (phase.kind, phase.ended_by)).collect();
    let done = |kind| (kind, EndedBy::Done);
    assert_eq!(phases, PhaseKind::ALL.iter().copied().map(done).collect::<Vec<_>>());
    for pair in report.phases.windows(2) {
        assert_eq!(pair[0].start + pair[0].duration, pair[1].start, "no time passes between two phases");
    }
    assert_eq!((report.outcome, report.exit_code), (Outcome::Clean, 0));
    assert_eq!(report.servers[0].in_flight_at_start, 1);
    assert_eq!(report.servers[0].completed, 1);
    drop((web_closes, admin_closes));
}

#[actix_rt::test]
async fn callbacks_run_side_by_side() {
    tokio::time::pause();
    let mut rig = Rig::new();
    let diary = Diary::new();
    for name in ["a", "b", "c"] {
        rig.job(Job::callback(name, member(noting(&diary, name)).recipient()));
    }
    let report = rig.run().await;
    assert_eq!(report.outcome, Outcome::Clean);
    assert_virtual_time(report.duration, SECOND);
    assert_eq!(diary.names()[..3], ["a begins", "b begins", "c begins"]);
}

#[actix_rt::test]
async fn resources_go_one_after_another_the_last_registered_first() {
    tokio::time::pause();
    let mut rig = Rig::new();
    rig.timeouts.release_timeout = 2 * SECOND;
    let diary = Diary::new();
    for name in ["first", "second", "third"] {
        rig.job(Job::resource(name, member(noting(&diary, name)).recipient()));
    }
    let report = rig.run().await;
    assert_eq!(
        diary.names(),
        ["third begins", "third ends", "second begins", "second ends", "first begins", "first ends"]
    );
    let starts: Vec<_> = report.phases.iter().map(|phase| phase.start).collect();
    for (start, wanted) in starts.into_iter().zip([Duration::ZERO, SECOND, 2 * SECOND]) {
        assert_virtual_time(start, wanted);
    }
    let names: Vec<_> = report.resources.iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(names, ["first", "second", "third"], "reported in the order of registration");
}

#[actix_rt::test]
async fn streams_count_as_in_flight_though_they_end_when_they_are_told() {
    tokio::time::pause();
    let mut rig = Rig::new();
    let web = rig.server("web", Kind::ServerFirst);
    web.drain().gate.admit(0).expect("it is open");
    let told = rig.streams.clone();
    actix_rt::spawn(async move {
        told.cancelled().await;
        web.drain().gate.leave(0, 1, true);
    });
    let report = rig.run().await;
    assert_eq!((report.servers[0].in_flight_at_start, report.servers[0].completed), (1, 1));
    assert_eq!(report.outcome, Outcome::Clean, "they are told when rejecting begins");
}
