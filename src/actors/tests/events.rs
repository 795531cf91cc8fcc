//! What the log says in fields, for machines.

use super::rig::{Lines, MS, Rig, SECOND, answer, member, never};
use crate::{
    actors::{Job, JobError},
    drain::RequestName,
    sequence::{Kind, PhaseKind},
};

/// The values of these fields, of each event that has this name.
fn of(lines: &Lines, event: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let events = lines.events().into_iter().filter(|fields| fields["event"] == event);
    let value = |event: &std::collections::BTreeMap<String, String>, field: &&str| event.get(*field).cloned();
    events
        .map(|event| fields.iter().map(|field| value(&event, field).unwrap_or_default()).collect())
        .collect()
}

#[actix_rt::test]
async fn every_event_of_an_exit_has_its_fields() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    rig.timeouts.drain_timeout = SECOND;
    let web = rig.server("web", Kind::ServerFirst);
    web.drain().gate.admit(0).expect("it is open");
    rig.callback("good", 10 * MS);
    let fails = member(|_| answer(async { Err(JobError::new("disk full")) }));
    rig.job(Job::callback("flush", fails.recipient()).unsaved(|| Some("3 writes".into())));
    let report = rig.run().await;

    assert_eq!(of(&lines, "exit_started", &["reason"]), [["asked"]]);
    assert_eq!(of(&lines, "phase_started", &["phase"]), [["drain"], ["close_servers"], ["callbacks"]]);
    let ended = of(&lines, "phase_ended", &["phase", "ended_by"]);
    assert_eq!(ended, [["drain", "timeout"], ["close_servers", "done"], ["callbacks", "done"]]);
    assert_eq!(
        of(&lines, "member_ended", &["member", "kind", "phase", "outcome", "error"]),
        [
            ["web", "server", "drain", "timed_out", "None"],
            ["web", "server", "close_servers", "done", "None"],
            ["flush", "callback", "callbacks", "failed", "disk full"],
            ["good", "callback", "callbacks", "done", "None"],
        ]
    );
    assert!(of(&lines, "member_ended", &["duration_ms"]).iter().all(|it| it[0].parse::<u64>().is_ok()));
    assert_eq!(of(&lines, "data_lost", &["member", "error"]), [["flush", "3 writes"]]);
    let ended = of(&lines, "exit_ended", &["outcome", "exit_code", "reason", "verdict"]);
    assert_eq!(ended, [["incomplete", "103", "asked", report.verdict.as_str()]]);
    assert!(of(&lines, "exit_ended", &["report"])[0][0].contains("Incomplete"));
}

/// Before requests are rejected, and while those in flight are waited for.
#[actix_rt::test]
async fn a_forced_exit_names_the_requests_that_it_cuts_off_in_whatever_phase() {
    tokio::time::pause();
    let lines = Lines::keep();
    for phase in [PhaseKind::ReadyDelay, PhaseKind::Drain] {
        let mut rig = Rig::new();
        if phase == PhaseKind::ReadyDelay {
            rig.delay_for(SECOND);
        }
        let web = rig.server("web", Kind::ServerFirst);
        let connections = [0; 2].map(|shard| web.drain().connections.register(shard));
        for connection in &connections {
            web.drain().gate.admit(0).expect("it is open");
            connection.connection().begin(RequestName::get("/slow"), true, false);
        }
        let exit = rig.start();
        exit.signal("SIGTERM");
        exit.reach(phase).await;
        tokio::time::sleep(100 * MS).await;
        exit.signal("SIGTERM");
        let report = exit.report().await;
        let abandoned: Vec<_> =
            report.servers[0].abandoned.iter().map(|it| (it.method.as_str(), it.path.as_str())).collect();
        assert_eq!(abandoned, [("GET", "/slow"); 2], "{phase:?}");
    }
    let of_one_exit = ["web", "GET", "/slow", "2"].map(str::to_owned).to_vec();
    let named = of(&lines, "request_abandoned", &["server", "method", "path", "count"]);
    assert_eq!(named, [of_one_exit.clone(), of_one_exit]);
}

#[actix_rt::test]
async fn a_line_of_progress_says_in_fields_what_is_waited_for() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    rig.timeouts = rig.timeouts.drain_timeout(SECOND).callback_timeout(2 * SECOND);
    rig.progress_interval = 600 * MS;
    let web = rig.server("web", Kind::ServerFirst);
    let connection = web.drain().connections.register(0);
    web.drain().gate.admit(0).expect("it is open");
    connection.connection().begin(RequestName::get("/slow"), true, false);
    for job in 0..11 {
        let flush = Job::callback(format!("flush {job}"), member(|_| never()).recipient());
        rig.job(flush.label(format!("flushing {job}")));
    }
    let _ = rig.run().await;
    let fields = ["phase", "in_flight", "method", "path", "members", "more"];
    let progress = of(&lines, "progress", &fields);
    assert_eq!(progress[0], ["drain", "1", "GET", "/slow", "None", "None"]);
    assert!(of(&lines, "progress", &["age_ms"])[0][0].parse::<u64>().is_ok());
    let left = of(&lines, "progress", &["left_ms"]);
    let left: Vec<u64> = left.iter().map(|it| it[0].parse().expect("a number")).collect();
    assert!(left[0] <= 400 && left.iter().all(|&left| left <= 2000), "{left:?}");
    let members: Vec<_> = (0..10).map(|job| format!("\"flush {job}\"")).collect();
    let members = format!("Some([{}])", members.join(", "));
    let last = progress.last().expect("the callbacks hang");
    assert_eq!(last[..], ["callbacks", "None", "None", "None", members.as_str(), "1"]);
}

/// Of a job that timed out, that was cut off and that was never asked; not of one that has answered.
#[actix_rt::test]
async fn what_is_kept_with_a_job_that_was_not_done_is_its_error() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    rig.timeouts = rig.timeouts.timeout(2 * SECOND).callback_timeout(SECOND).release_timeout(3 * SECOND);
    let keeps = |job: Job| job.kept(|| Some("in the spool".to_owned()));
    let fails = || member(|_| answer(async { Err(JobError::new("disk full")) })).recipient();
    rig.job(keeps(Job::resource("never asked", member(|_| never()).recipient())));
    rig.job(keeps(Job::resource("cut off", member(|_| never()).recipient())));
    rig.job(keeps(Job::callback("late", member(|_| never()).recipient())).unsaved(|| Some("1 write".into())));
    rig.job(keeps(Job::callback("fails", fails())));
    rig.job(keeps(Job::callback("good", member(|_| answer(async { Ok(()) })).recipient())));
    rig.job(Job::callback("panics", member(|_| never()).recipient()).kept(|| panic!("on purpose")));
    let report = rig.run().await;
    let jobs = report.callbacks.iter().chain(&report.resources);
    let errors: Vec<_> = jobs.map(|job| (job.name.as_str(), job.error.as_deref())).collect();
    assert_eq!(
        errors,
        [
            ("late", Some("1 write; in the spool")),
            ("fails", Some("disk full")),
            ("good", None),
            ("panics", None),
            ("never asked", Some("in the spool")),
            ("cut off", Some("in the spool")),
        ]
    );
    let kept = of(&lines, "data_kept", &["member", "kind", "error"]);
    let mut members: Vec<_> = kept.iter().map(|event| event[0].as_str()).collect();
    members.sort_unstable();
    assert_eq!(members, ["cut off", "late", "never asked"]);
    assert!(kept.iter().all(|event| event[2] == "in the spool"), "{kept:?}");
    assert!(!lines.all().iter().any(|line| line.contains("spool")), "the report has it for people");
}

/// By a second signal and by the deadline: what fields say is the same, and only the deadline has a line for each.
#[actix_rt::test]
async fn a_member_that_a_sudden_end_cuts_off_has_ended() {
    tokio::time::pause();
    for (is_forced, phase) in [
        (true, PhaseKind::Drain),
        (true, PhaseKind::Callbacks),
        (false, PhaseKind::Drain),
        (false, PhaseKind::Callbacks),
    ] {
        let lines = Lines::keep();
        let mut rig = Rig::new();
        rig.timeouts = rig.timeouts.timeout(SECOND).drain_timeout(60 * SECOND).callback_timeout(60 * SECOND);
        let web = rig.server("web", Kind::ServerFirst);
        if phase == PhaseKind::Drain {
            web.drain().gate.admit(0).expect("it is open");
            rig.job(Job::checkpoint("save", member(|_| never()).recipient()).timeout(60 * SECOND));
        } else {
            rig.job(Job::callback("flush", member(|_| never()).recipient()));
        }
        let exit = rig.start();
        exit.signal("SIGTERM");
        exit.reach(phase).await;
        if is_forced {
            tokio::time::sleep(100 * MS).await;
            exit.signal("SIGTERM");
        }
        let report = exit.report().await;
        let ended = of(&lines, "member_ended", &["member", "kind", "phase", "outcome"]);
        let cut_off: Vec<_> = ended.into_iter().filter(|event| event[3] == "cut_off").collect();
        let took = report.duration.as_millis().to_string();
        let durations = of(&lines, "member_ended", &["outcome", "duration_ms"]);
        let expected: &[[&str; 4]] = if phase == PhaseKind::Drain {
            &[["save", "checkpoint", "None", "cut_off"], ["web", "server", "drain", "cut_off"]]
        } else {
            &[["flush", "callback", "callbacks", "cut_off"]]
        };
        assert_eq!(cut_off, expected, "{is_forced}");
        assert!(durations.iter().all(|it| it[0] != "cut_off" || it[1] == took), "{durations:?} {took}");
        let told = lines.all().iter().filter(|line| line.ends_with(": timed out")).count();
        assert_eq!(told, usize::from(!is_forced), "{:#?}", lines.all());
    }
}
