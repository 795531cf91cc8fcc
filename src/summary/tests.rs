use super::*;
use crate::report_file::{AbandonedEntry, PhaseEntry, ServerEntry};

fn phase(name: &str, start_ms: u64, duration_ms: u64, ended_by: &str) -> PhaseEntry {
    PhaseEntry { name: name.into(), start_ms, duration_ms, ended_by: ended_by.into() }
}

fn job(name: &str, outcome: &str, duration_ms: u64, error: Option<&str>) -> JobEntry {
    JobEntry { name: name.into(), outcome: outcome.into(), duration_ms, error: error.map(Into::into) }
}

fn report() -> ReportFile {
    let abandoned = AbandonedEntry { method: "GET".into(), path: "/slow".into(), age_ms: 6_400 };
    ReportFile {
        outcome: "incomplete".into(),
        reason: "SIGTERM".into(),
        exit_code: 3,
        started_at: "2026-03-01T03:00:00.000Z".into(),
        duration_ms: 8_000,
        phases: vec![
            phase("drain", 0, 5_000, "timeout"),
            phase("close_servers", 5_000, 3, "done"),
            phase("callbacks", 5_003, 2_500, "done"),
            phase("release", 7_503, 400, "done"),
            phase("release", 7_903, 97, "done"),
        ],
        servers: vec![ServerEntry {
            name: "business".into(),
            in_flight_at_start: 4,
            completed: 3,
            rejected: 17,
            abandoned: vec![abandoned],
        }],
        checkpoints: Vec::new(),
        callbacks: vec![
            job("flush-cache", "failed", 2_500, Some("disk full")),
            job("goodbye", "done", 10, None),
        ],
        resources: vec![job("store", "done", 97, None), job("queue", "timed_out", 400, None)],
        workers: Vec::new(),
    }
}

#[test]
fn a_summary_names_the_culprits() {
    let expected = "\
the exit was incomplete: exit code 3, 8.0s, asked for by SIGTERM
  drain          ████████████████████                5.0s  timed out
  close servers                      ▏                3ms
  callbacks                          ██████████      2.5s
  release queue                                █▌   400ms
  release store                                 ▌    97ms
  server business: cut off GET /slow after 6.4s
  callback flush-cache: failed after 2.5s: disk full
  resource queue: timed out after 400ms";
    let text = lines(&report(), Language::En).join("\n");
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn a_chinese_summary_is_aligned_too() {
    let lines = lines(&report(), Language::Zh);
    assert_eq!(lines[0], "退出结果：未全部完成，退出码 3，用时 8.0s，由 SIGTERM 发起");
    let ends = lines[1..6]
        .iter()
        .map(|line| width(&line[..line.find("ms").or(line.find(".0s")).or(line.find(".5s")).unwrap()]));
    assert!(ends.collect::<Vec<_>>().windows(2).all(|pair| pair[0].abs_diff(pair[1]) <= 1), "{lines:#?}");
    assert_eq!(lines[7], "  回调flush-cache：失败（2.5s）：disk full");
}

#[test]
fn a_bar_is_seen_however_short_and_stays_within_its_columns() {
    assert_eq!(bar(0, 10, 10, 4), "████");
    assert_eq!(bar(5, 0, 10, 4), "  ▏ ");
    assert_eq!(bar(10, 0, 10, 4), "   ▏", "at the very end");
    for (start, duration, span) in [(0, 0, 0), (u64::MAX, u64::MAX, 1), (7, 3, 10), (9, 1, 10_000)] {
        assert_eq!(bar(start, duration, span, 9).chars().count(), 9, "{start} {duration} {span}");
    }
}

#[test]
fn a_line_stays_one_line_and_no_terminal_obeys_it() {
    let mut report = report();
    report.servers[0].abandoned[0].path = "/\u{1b}[2J\nforged".into();
    report.reason = "a\r\nb".into();
    assert!(lines(&report, Language::En).iter().all(|line| !line.contains(char::is_control)));
}

#[test]
fn of_a_great_many_some_are_named_and_the_rest_counted() {
    let mut report = report();
    report.servers[0].abandoned = vec![report.servers[0].abandoned[0].clone(); 1_000];
    let lines = lines(&report, Language::En);
    assert!(lines.contains(&"  and 990 more".to_owned()), "{lines:#?}");
    assert!(lines.len() < 25);
}
