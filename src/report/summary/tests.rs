//! The summary's lines and the verdict of every outcome.

use std::time::Duration;

use super::*;
use crate::report::Request;

const REPORT: &str = r#"{
    "outcome": "incomplete", "reason": "SIGTERM", "exit_code": 3,
    "started_at": "2026-03-01T03:00:00.000Z", "duration_ms": 8000,
    "phases": [
        {"name": "drain", "start_ms": 0, "duration_ms": 5000, "ended_by": "timeout"},
        {"name": "close_servers", "start_ms": 5000, "duration_ms": 3, "ended_by": "done"},
        {"name": "callbacks", "start_ms": 5003, "duration_ms": 2500, "ended_by": "done"},
        {"name": "release", "start_ms": 7503, "duration_ms": 400, "ended_by": "done"},
        {"name": "release", "start_ms": 7903, "duration_ms": 97, "ended_by": "done"}
    ],
    "servers": [{
        "name": "business", "in_flight_at_start": 4, "completed": 2, "rejected": 17,
        "abandoned": [
            {"method": "GET", "path": "/slow", "age_ms": 6400},
            {"method": "GET", "path": "/stream", "age_ms": 900},
            {"method": "GET", "path": "/slow", "age_ms": 5100}
        ]
    }],
    "callbacks": [
        {"name": "flush-cache", "outcome": "failed", "duration_ms": 2500, "error": "disk full"},
        {"name": "goodbye", "outcome": "done", "duration_ms": 10, "error": null}
    ],
    "resources": [
        {"name": "store", "outcome": "done", "duration_ms": 97, "error": null},
        {"name": "queue", "outcome": "timed_out", "duration_ms": 400, "error": null}
    ]
}"#;

fn report() -> Report {
    serde_json::from_str(REPORT).unwrap()
}

#[test]
fn a_summary_names_what_went_wrong_and_how_long_each_job_took() {
    let expected = "\
the exit was incomplete: exit code 3, 8.0s, asked for by SIGTERM
  Incomplete: 3 requests were cut off after 5.0s of draining (GET /slow ×2, GET /stream); 2 answered, 17 rejected; flush-cache failed: disk full; queue timed out after 400ms
  drain          ████████████████████                5.0s  timed out
  close servers                      ▏                3ms
  callbacks                          ██████████      2.5s
  release queue                                █▌   400ms
  release store                                 ▌    97ms
  server business: 4 in flight, 2 answered, 17 rejected
  server business: cut off GET /slow ×2 after 6.4s
  server business: cut off GET /stream after 900ms
  callback flush-cache: failed after 2.5s: disk full
  resource queue: timed out after 400ms
  callback goodbye: done after 10ms
  resource store: done after 97ms";
    let text = lines(&report(), Language::En).join("\n");
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn a_chinese_summary_is_aligned_too() {
    let simplified = lines(&report(), Language::Zh);
    assert_eq!(simplified[0], "退出结果：未全部完成，退出码 3，用时 8.0s，由 SIGTERM 发起");
    let ends = simplified[2..7]
        .iter()
        .map(|line| width(&line[..line.find("ms").or(line.find(".0s")).or(line.find(".5s")).unwrap()]));
    let aligned = ends.collect::<Vec<_>>().windows(2).all(|pair| pair[0].abs_diff(pair[1]) <= 1);
    assert!(aligned, "{simplified:#?}");
    assert_eq!(simplified[10], "  回调flush-cache：失败（2.5s）：disk full");
    let traditional = lines(&report(), Language::ZhHant);
    assert_eq!(traditional[10], "  回呼flush-cache：失敗（2.5s）：disk full");
    assert_eq!(
        traditional[1],
        "  未全部完成：3 個請求被中斷（已等待 5.0s）（GET /slow ×2、GET /stream）；2 個已回應，17 個被拒絕；flush-cache失敗：disk full；queue超時（400ms）"
    );
}

#[test]
fn a_bar_is_seen_however_short_and_stays_within_its_columns() {
    let ms = Duration::from_millis;
    assert_eq!(bar(ms(0), ms(10), ms(10), 4), "████");
    assert_eq!(bar(ms(5), ms(0), ms(10), 4), "  ▏ ");
    assert_eq!(bar(ms(10), ms(0), ms(10), 4), "   ▏", "at the very end");
    for (start, duration, span) in [(0, 0, 0), (u64::MAX, u64::MAX, 1), (7, 3, 10), (9, 1, 10_000)] {
        let drawn = bar(ms(start), ms(duration), ms(span), 9);
        assert_eq!(drawn.chars().count(), 9, "{start} {duration} {span}");
    }
}

#[test]
fn a_line_stays_one_line_and_shows_what_is_there() {
    let mut report = report();
    report.servers[0].abandoned[0].path = "/\u{1b}[2J\nforged\u{202e}".into();
    report.reason = "a\r\nb".into();
    let misleading = crate::locale::is_misleading;
    assert!(lines(&report, Language::En).iter().all(|line| !line.contains(misleading)));
}

#[test]
fn of_a_great_many_some_are_named_and_the_rest_counted() {
    let mut report = report();
    let request = |number| Request::new("GET", format!("/{number}"), Duration::from_secs(1));
    report.servers[0].abandoned = (0..1_000).map(request).collect();
    let lines = lines(&report, Language::En);
    assert!(lines.contains(&"  and 990 more".to_owned()), "{lines:#?}");
    assert!(lines[1].contains("GET /4, and 995 more)"), "{}", lines[1]);
    assert!(lines.len() < 30);
}
