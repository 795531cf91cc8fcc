//! The four scenarios of `config/scenarios/`: each line of the log and its time.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use jiff::{Timestamp, civil::DateTime, tz::Offset};

use crate::support::{App, Client, Ended, Line, Watch, folder, side_by_side};

/// A time zone that is unlikely to be the machine's own and needs no database: 5 h 45 min east.
const ZONE: &str = "<+0545>-5:45";
const OFFSET_SECONDS: i32 = (5 * 60 + 45) * 60;

/// How early a line may be: the clocks are read at different moments.
const EARLY: Duration = Duration::from_millis(50);
/// How late a line may be.
const LATE: Duration = Duration::from_millis(900);

const BEGUN: &str = "开始关闭应用，停止接收新请求";

struct Scenario {
    name: &'static str,
    code: i32,
    outcome: &'static str,
    /// Seconds after the first signal, and the text.
    lines: &'static [(u64, &'static str)],
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "forced",
        code: 1,
        outcome: "forced",
        lines: &[(0, BEGUN), (0, "等待正在执行请求完结"), (1, "強制退出")],
    },
    Scenario {
        name: "timed-out-flushed",
        code: 1,
        outcome: "timed_out",
        lines: &[
            (0, BEGUN),
            (0, "等待正在执行请求完结"),
            (5, "开始关闭服务器"),
            (5, "服务器admin关闭中"),
            (5, "服务器admin已关闭"),
            (5, "服务器business关闭中"),
            (5, "服务器business已关闭"),
            (5, "开始执行自定义回调"),
            (5, "刷新缓存中……"),
            (6, "缓存被刷新到了 DB"),
            (6, "开始释放资源"),
            (8, "释放资源超时"),
            (8, "超時強制退出"),
        ],
    },
    Scenario {
        name: "timed-out-lost",
        code: 1,
        outcome: "timed_out",
        lines: &[
            (0, BEGUN),
            (0, "等待正在执行请求完结"),
            (5, "开始关闭服务器"),
            (5, "服务器admin关闭中"),
            (5, "服务器business关闭中"),
            (5, "服务器admin已关闭"),
            (5, "服务器business已关闭"),
            (5, "开始执行自定义回调"),
            (5, "刷新缓存中……"),
            (8, "刷新缓存超时"),
            (8, "超時強制退出"),
        ],
    },
];

const CLEAN: [&str; 12] = [
    BEGUN,
    "等待正在执行请求完结",
    "开始关闭服务器",
    "服务器admin关闭中",
    "服务器admin已关闭",
    "服务器business关闭中",
    "服务器business已关闭",
    "开始执行自定义回调",
    "刷新缓存中……",
    "缓存被刷新到了 DB",
    "开始释放资源",
    "应用关闭",
];

/// All four run at the same time, since they mostly wait.
#[test]
fn the_four_transcripts_are_as_promised() {
    let scenarios: Vec<_> = SCENARIOS.iter().map(Some).chain([None]).collect();
    side_by_side(&scenarios, |scenario| scenario.map_or_else(the_clean_one, the_one_that_is_not_clean));
}

fn the_one_that_is_not_clean(scenario: &Scenario) {
    let app = start(scenario.name);
    let _request = app.in_flight("/slow?ms=60000");
    let watch = Watch::start();
    let signalled = app.signal_to_stop();
    if scenario.name == "forced" {
        std::thread::sleep((signalled + Duration::from_secs(1)).saturating_duration_since(Instant::now()));
        app.signal_to_stop();
    }
    let ended = app.wait();

    assert_eq!(ended.code(), Some(scenario.code), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], scenario.outcome);
    assert_eq!(ended.report()["exit_code"], scenario.code);
    check_format(&ended, &watch);
    let lines = ended.lines_from(BEGUN);
    check_order(&lines, scenario.lines.iter().map(|(_, text)| *text).collect());
    for line in &lines {
        let (seconds, _) = scenario.lines.iter().find(|(_, text)| *text == line.text).expect("checked above");
        let at = line.at.saturating_duration_since(signalled);
        let expected = Duration::from_secs(*seconds);
        assert!(at + EARLY >= expected, "{}: {} at {at:?}", scenario.name, line.text);
        watch.check(&line.text, at, expected + LATE);
    }
    let last = scenario.lines.last().map_or(0, |(seconds, _)| *seconds);
    watch.check("the end", ended.at - signalled, Duration::from_secs(last) + LATE);
}

fn the_clean_one() {
    let app = start("clean");
    let mut request = app.in_flight("/slow?ms=1500");
    let watch = Watch::start();
    let signalled = app.signal_to_stop();
    let response = request.read().expect("the request in flight is answered");
    let answered = Instant::now();
    let ended = app.wait();

    assert_eq!((response.status, response.text().as_str()), (200, "done"));
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "clean");
    check_format(&ended, &watch);
    let lines = ended.lines_from(BEGUN);
    check_order(&lines, CLEAN.to_vec());
    for line in &lines {
        let after = if line.text == BEGUN || line.text == "等待正在执行请求完结" {
            signalled
        } else {
            answered
        };
        assert!(line.at + EARLY >= after, "{} is too early", line.text);
        watch.check(&line.text, line.at.saturating_duration_since(after), LATE);
    }
    let drain = &ended.report()["phases"][0];
    assert_eq!((&drain["name"], &drain["ended_by"]), (&"drain".into(), &"done".into()), "not by its 5 s");
}

fn start(name: &str) -> App {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/scenarios/{name}.toml"));
    let folder = folder();
    let mut command = App::command(folder.path());
    command.env("TZ", ZONE).env("LC_ALL", "C").arg("-c").arg(file);
    let app = App::start_command(folder, command);
    assert_eq!(Client::get(app.admin, "/healthz").status, 200);
    app
}

/// Each line is `YYYY/MM/DD HH:MM:SS text`, in local time.
fn check_format(ended: &Ended, watch: &Watch) {
    assert!(ended.log.iter().any(|line| line.text == "Server 啟動"), "{}", ended.text());
    let offset = Offset::from_seconds(OFFSET_SECONDS).expect("an offset");
    for line in &ended.log {
        let (time, text) = line.raw.split_at_checked(20).expect("a line begins with its time");
        assert!(!text.is_empty() && !text.starts_with(' '), "{:?}", line.raw);
        let time = DateTime::strptime("%Y/%m/%d %H:%M:%S ", time)
            .unwrap_or_else(|error| panic!("{:?}: {error}", line.raw));
        let written = offset.to_timestamp(time).expect("a time");
        let read = SystemTime::now() - line.at.elapsed();
        let read = Timestamp::try_from(read).expect("a time");
        let lag = (read - written).total(jiff::Unit::Second).expect("seconds");
        assert!(lag >= -0.1, "{:?} was read {lag} s later", line.raw);
        watch.check(&line.raw, Duration::from_secs_f64(lag.max(0.0)), Duration::from_secs(1) + LATE);
    }
}

/// Checks the lines and their order, except for the two servers, which close at the same time.
fn check_order<'a>(lines: &'a [Line], mut expected: Vec<&'a str>) {
    let mut found: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    let position = |text: &str| lines.iter().position(|line| line.text == text);
    for server in ["admin", "business"] {
        let (closing, closed) = (format!("服务器{server}关闭中"), format!("服务器{server}已关闭"));
        assert!(position(&closing) <= position(&closed), "{found:?}");
    }
    let is_of_a_server = |text: &&str| text.starts_with("服务器");
    for lines in [&mut found, &mut expected] {
        let first = lines.iter().position(is_of_a_server);
        let last = lines.iter().rposition(is_of_a_server);
        if let (Some(first), Some(last)) = (first, last) {
            lines[first..=last].sort_unstable();
        }
    }
    assert_eq!(found, expected);
}
