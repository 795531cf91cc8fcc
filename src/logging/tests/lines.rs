//! What a line of the log says.

use std::io::{self, Read};
use std::thread;

use jiff::Timestamp;
use jiff::civil::DateTime;
use log::{Level, LevelFilter, Record};

use super::{AMPLE, Kept, Outcome, Started, hanging};
use crate::logging::handle::is_colored;
use crate::logging::line::{self, Decoration};
use crate::logging::{Color, Format, Options};

#[test]
fn a_line_is_the_local_time_and_the_text() -> Outcome {
    let kept = Kept::default();
    let started = Started::new(&Options::default(), kept.clone(), None)?;
    let before = jiff::Zoned::now().datetime();
    started.info("开始关闭应用，停止接收新请求");
    assert!(started.logging.flush(AMPLE));
    let lines = kept.lines();
    let (time, text) = lines[0].split_at(20);
    assert_eq!(text, "开始关闭应用，停止接收新请求");
    let time = DateTime::strptime("%Y/%m/%d %H:%M:%S ", time)?;
    assert!((before - time).total(jiff::Unit::Second)?.abs() < 60.0, "{time} is not the local {before}");
    assert_eq!(lines.len(), 1);
    Ok(())
}

#[test]
fn an_event_is_one_line_whatever_it_says() -> Outcome {
    let kept = Kept::default();
    let started = Started::new(&Options::default(), kept.clone(), None)?;
    started.info("a\n2026/01/01 00:00:00 forged\u{1b}[31m\ttab");
    assert!(started.logging.flush(AMPLE));
    assert_eq!(kept.lines()[0][20..], *"a\\n2026/01/01 00:00:00 forged\\u{1b}[31m\ttab");
    Ok(())
}

#[test]
fn json_is_one_object_a_line() -> Outcome {
    let kept = Kept::default();
    let options = Options { format: Format::Json, color: Color::Always, ..Options::default() };
    let started = Started::new(&options, kept.clone(), None)?;
    started.say(Level::Warn, "graceful_exit", "say \"no\"\n\u{7f}");
    assert!(started.logging.flush(AMPLE));
    let line = &kept.lines()[0];
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
    assert_eq!(object.len(), 4);
    assert_eq!(object["level"], "warn");
    assert_eq!(object["target"], "graceful_exit");
    assert_eq!(object["message"], "say \"no\"\n\u{7f}");
    let time = object["time"].as_str().unwrap_or_default();
    assert_eq!(
        (time.len(), time.parse::<Timestamp>().is_ok()),
        ("2026-01-01T00:00:00.000Z".len(), true),
        "{time}"
    );
    Ok(())
}

#[test]
fn other_crates_are_logged_from_warn_up_and_ours_at_the_level() -> Outcome {
    let kept = Kept::default();
    let options = Options {
        level: LevelFilter::Debug,
        targets: vec!["mine".to_owned()],
        muted: vec!["sqlx_postgres::options".to_owned()],
        ..Options::default()
    };
    let started = Started::new(&options, kept.clone(), None)?;
    for (level, target) in [
        (Level::Debug, "graceful_exit"),
        (Level::Trace, "graceful_exit"),
        (Level::Debug, "mine::deep"),
        (Level::Info, "sqlx::query"),
        (Level::Warn, "sqlx::query"),
        (Level::Warn, "sqlx_postgres::options::parse"),
    ] {
        started.say(level, target, &format!("{level} {target}"));
    }
    assert!(started.logging.flush(AMPLE));
    let logged_lines: Vec<String> = kept.lines().iter().map(|line| line[20..].to_owned()).collect();
    assert_eq!(logged_lines, ["DEBUG graceful_exit", "DEBUG mine::deep", "WARN sqlx::query"]);

    let silent = Kept::default();
    let off = Started::new(&Options { level: LevelFilter::Off, ..Options::default() }, silent.clone(), None)?;
    off.say(Level::Error, "sqlx::query", "nothing");
    assert!(off.logging.flush(AMPLE) && silent.lines().is_empty());
    Ok(())
}

#[test]
fn only_standard_error_has_colors() -> Outcome {
    let (stderr, file) = (Kept::default(), Kept::default());
    let options = Options { color: Color::Always, ..Options::default() };
    let started = Started::new(&options, stderr.clone(), Some(file.clone()))?;
    started.say(Level::Error, "graceful_exit", "red");
    started.info("plain");
    assert!(started.logging.flush(AMPLE));
    assert!(stderr.lines()[0].starts_with("\u{1b}[31m2") && stderr.lines()[0].ends_with("red\u{1b}[0m"));
    assert_eq!(stderr.lines()[1], file.lines()[1]);
    assert!(!file.lines().concat().contains('\u{1b}'));

    let environment = |set: &'static str| move |name: &str| (name == set).then(|| "1".into());
    let term = if cfg!(windows) { "TERM" } else { "" };
    assert!(is_colored(Color::Auto, true, environment(term)));
    assert!(!is_colored(Color::Auto, true, environment("NO_COLOR")));
    assert!(!is_colored(Color::Auto, false, environment(term)));
    assert!(!is_colored(Color::Auto, true, |name| (name == "TERM" && !cfg!(windows)).then(|| "dumb".into())));
    assert!(is_colored(Color::Always, false, environment("NO_COLOR")));
    assert!(!is_colored(Color::Never, true, environment(term)));
    Ok(())
}

#[test]
fn the_time_of_a_line_is_when_it_was_logged() -> Outcome {
    let options = Options { format: Format::Json, ..Options::default() };
    let (started, mut reader) = hanging(&options, None)?;
    started.info("the last");
    let after = Timestamp::now();
    let mut read_from = after;
    // A line's time has milliseconds.
    while read_from.duration_since(after) < jiff::SignedDuration::from_millis(2) {
        read_from = Timestamp::now();
    }
    let reading = thread::spawn(move || -> io::Result<String> {
        let mut text = Vec::new();
        let mut buffer = [0; 8192];
        while !text.ends_with(b"\"the last\"}\n") {
            let count = reader.read(&mut buffer)?;
            text.extend_from_slice(&buffer[..count]);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    });
    let text = reading.join().map_err(|_| "the reader panicked")??;
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let logged: Timestamp = last["time"].as_str().unwrap_or_default().parse()?;
    assert!(logged <= after, "{logged} is when it was written, not when it was logged ({after})");
    Ok(())
}

#[test]
fn json_has_the_fields_of_an_event() -> Outcome {
    let kept = Kept::default();
    let options = Options { format: Format::Json, ..Options::default() };
    let started = Started::new(&options, kept.clone(), None)?;
    let report = serde_json::json!({ "outcome": "clean", "phases": [{ "name": "drain" }] });
    let fields: [(&str, log::kv::Value<'_>); 6] = [
        ("error", log::kv::Value::from_serde(&None::<String>)),
        ("event", "exit_ended".into()),
        ("age_ms", 60_000_u64.into()),
        ("path", "/a\"\u{202e}\u{e0041}".into()),
        ("report", log::kv::Value::from_serde(&report)),
        ("message", "not twice".into()),
    ];
    let mut record = Record::builder();
    record.level(Level::Info).target("graceful_exit").key_values(&fields);
    started.log.log(&record.args(format_args!("shut down")).build());
    assert!(started.logging.flush(AMPLE));
    let line = &kept.lines()[0];
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
    assert_eq!(object.len(), 8, "{line}");
    assert_eq!((&object["message"], &object["event"]), (&"shut down".into(), &"exit_ended".into()));
    assert_eq!((&object["age_ms"], &object["report"]), (&60_000.into(), &report));
    assert_eq!(object["path"], "/a\"\u{202e}\u{e0041}");
    assert!(line.contains(r#""path":"/a\"\u202e\udb40\udc41""#), "what is not seen is escaped: {line}");
    Ok(())
}

#[test]
fn journald_is_told_the_priority_of_each_line() -> Outcome {
    let (stderr, file) = (Kept::default(), Kept::default());
    let options = Options { level: LevelFilter::Debug, ..Options::default() };
    let started = Started::decorated(&options, Decoration::Priority, stderr.clone(), Some(file.clone()))?;
    for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
        started.say(level, "graceful_exit", level.as_str());
    }
    assert!(started.logging.flush(AMPLE));
    let priorities: Vec<String> = stderr.lines().iter().map(|line| line[..4].to_owned()).collect();
    assert_eq!(priorities, ["<3>2", "<4>2", "<6>2", "<7>2"]);
    assert!(file.lines().iter().all(|line| line.starts_with('2')), "the file is for people");
    Ok(())
}

#[test]
fn a_line_past_the_log_has_the_logs_form() {
    let unlogged = |format, decoration| {
        line::unlogged(format, decoration, Level::Error, "hard_stop_forced", "forced\nto \"exit\"")
    };
    assert_eq!(unlogged(Format::Text, Decoration::Plain), r#"forced\nto "exit""#);
    assert_eq!(unlogged(Format::Text, Decoration::Color), "\u{1b}[31mforced\\nto \"exit\"\u{1b}[0m");
    assert_eq!(unlogged(Format::Text, Decoration::Priority), r#"<3>forced\nto "exit""#);
    assert_eq!(
        unlogged(Format::Json, Decoration::Priority),
        r#"{"level":"error","target":"graceful_exit","message":"forced\nto \"exit\"","event":"hard_stop_forced"}"#
    );
}

#[test]
fn what_the_log_itself_says_has_the_form_of_its_lines() -> Outcome {
    let line = |format, decoration| {
        let own = line::OwnLines { clock: line::Clock::local(), format, decoration };
        own.line("log_lines_lost", &"3 lines")
    };
    assert!(line(Format::Text, Decoration::Plain).starts_with('2'));
    let priority = line(Format::Text, Decoration::Priority);
    assert!(priority.starts_with("<4>2") && priority.ends_with(" 3 lines"), "{priority}");
    assert!(line(Format::Text, Decoration::Color).starts_with("\u{1b}[33m2"));
    let json: serde_json::Value = serde_json::from_str(&line(Format::Json, Decoration::Priority))?;
    assert_eq!((&json["event"], &json["message"]), (&"log_lines_lost".into(), &"3 lines".into()));
    Ok(())
}
