//! The log with outputs that hang, fail and tear.

use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, PipeReader, Read, Write, pipe};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::DateTime;
use log::{Level, LevelFilter, Log, Record};

use super::handle::{Dress, build, is_colored};
use super::queue::MOST_LINES;
use super::{Color, Format, Logging, LoggingError, Options, start};
use crate::locale::Language;
use crate::os::process::{self, Process};

type Outcome = Result<(), Box<dyn Error>>;

/// Longer than any healthy output needs.
const AMPLE: Duration = Duration::from_secs(10);

/// An output that keeps what is written, and refuses while `broken`.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<(Vec<u8>, bool)>>);

impl Kept {
    fn lines(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.0).lines().map(str::to_owned).collect()
    }

    fn set_broken(&self, broken: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = broken;
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.1 {
            return Err(ErrorKind::StorageFull.into());
        }
        kept.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Started {
    log: Box<dyn Log>,
    logging: Logging,
}

impl Started {
    fn new(
        options: &Options,
        stderr: impl Write + Send + 'static,
        file: Option<Kept>,
    ) -> Result<Self, LoggingError> {
        let (_, log, logging) = build(
            options,
            if options.color == Color::Always { Dress::Color } else { Dress::Plain },
            stderr,
            file,
        )?;
        Ok(Self { log, logging })
    }

    fn say(&self, level: Level, target: &str, text: &str) {
        self.log.log(&Record::builder().level(level).target(target).args(format_args!("{text}")).build());
    }

    fn info(&self, text: &str) {
        self.say(Level::Info, "graceful_exit::sequence", text);
    }
}

/// A log whose standard error is a pipe that is full, and the pipe's other end.
fn hanging(options: &Options, file: Option<Kept>) -> Result<(Started, PipeReader), Box<dyn Error>> {
    let (reader, writer) = pipe()?;
    let started = Started::new(options, writer, file)?;
    // More than a pipe holds anywhere, in lines fewer than the queue does.
    let line = "x".repeat(2000);
    for _ in 0..1000 {
        started.info(&line);
    }
    assert!(!started.logging.flush(Duration::from_millis(50)), "the pipe is not full");
    Ok((started, reader))
}

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
fn other_crates_are_heard_from_warn_up_and_ours_at_the_level() -> Outcome {
    let kept = Kept::default();
    let options =
        Options { level: LevelFilter::Debug, targets: vec!["mine".to_owned()], ..Options::default() };
    let started = Started::new(&options, kept.clone(), None)?;
    for (level, target) in [
        (Level::Debug, "graceful_exit"),
        (Level::Trace, "graceful_exit"),
        (Level::Debug, "mine::deep"),
        (Level::Info, "sqlx::query"),
        (Level::Warn, "sqlx::query"),
    ] {
        started.say(level, target, &format!("{level} {target}"));
    }
    assert!(started.logging.flush(AMPLE));
    let heard: Vec<String> = kept.lines().iter().map(|line| line[20..].to_owned()).collect();
    assert_eq!(heard, ["DEBUG graceful_exit", "DEBUG mine::deep", "WARN sqlx::query"]);

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
fn a_pipe_that_nobody_reads_holds_nobody_back_and_the_loss_is_told() -> Outcome {
    let (started, reader) = hanging(&Options::default(), None)?;
    let start = Instant::now();
    let burst = MOST_LINES + 1000;
    for number in 0..burst {
        started.info(&format!("burst {number}"));
    }
    assert!(start.elapsed() < Duration::from_secs(2), "logging took {:?}", start.elapsed());
    let dropped = started.logging.dropped();
    assert!(dropped >= 1000, "{dropped}");

    // Read on, the pipe gives every line that had room, and then says how many had none.
    let mut lines = BufReader::new(reader).lines();
    let mut next = || lines.next().unwrap_or_else(|| Err(ErrorKind::UnexpectedEof.into()));
    let mut told = 0;
    while told < u64::try_from(burst)? - dropped {
        told += u64::from(next()?[20..].starts_with("burst "));
    }
    started.info("after");
    let message = format!("{dropped} lines of the log were lost: they could not be written");
    assert_eq!(next()?[20..], message);
    assert_eq!(next()?[20..], *"after");
    assert!(started.logging.flush(AMPLE));
    Ok(())
}

#[test]
fn a_flush_returns_within_its_bound_also_from_an_output_that_hangs() -> Outcome {
    let file = Kept::default();
    let (started, _reader) = hanging(&Options::default(), Some(file.clone()))?;
    started.info("the file still hears this");
    let start = Instant::now();
    assert!(!started.logging.flush(Duration::from_millis(100)));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(2), "{took:?}");
    // The bound was used up by the pipe; the file was written meanwhile.
    assert_eq!(file.lines().len(), 1001);
    let start = Instant::now();
    assert!(!started.logging.flush(Duration::ZERO));
    assert!(start.elapsed() < Duration::from_secs(1));
    Ok(())
}

#[test]
fn a_flush_of_a_healthy_log_takes_well_under_a_millisecond() -> Outcome {
    let kept = Kept::default();
    let started = Started::new(&Options::default(), kept.clone(), Some(Kept::default()))?;
    let mut times: Vec<Duration> = (0..101)
        .map(|number| {
            started.info(&number.to_string());
            let start = Instant::now();
            assert!(started.logging.flush(AMPLE));
            assert_eq!(kept.lines().len(), number + 1, "the flush returned before the line was written");
            start.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[50] < Duration::from_millis(1), "the median is {:?}", times[50]);
    Ok(())
}

/// Nobody flushes while a service runs: a line that comes while the writer rests from the one before is written too.
#[test]
fn a_line_needs_no_flush() -> Outcome {
    let kept = Kept::default();
    let started = Started::new(&Options::default(), kept.clone(), None)?;
    for number in 1..=100 {
        started.info("a line");
        let begun = Instant::now();
        while kept.lines().len() < number {
            assert!(begun.elapsed() < AMPLE, "line {number} is not written");
            thread::yield_now();
        }
    }
    Ok(())
}

#[test]
fn what_an_output_refuses_is_counted_and_told_by_both() -> Outcome {
    let (stderr, file) = (Kept::default(), Kept::default());
    let options = Options { file: Some("some.log".into()), language: Language::Zh, ..Options::default() };
    let started = Started::new(&options, stderr.clone(), Some(file.clone()))?;
    file.set_broken(true);
    for _ in 0..3 {
        started.info("gone");
    }
    assert!(started.logging.flush(AMPLE));
    // The file's writer tells the other one after it has failed: that line is flushed by itself.
    assert!(started.logging.flush(AMPLE));
    assert_eq!(started.logging.dropped(), 3);
    let told =
        stderr.lines().iter().filter(|line| line[20..].starts_with("日志文件 some.log 无法写入：")).count();
    assert_eq!((told, stderr.lines().len()), (1, 4));
    file.set_broken(false);
    started.info("back");
    assert!(started.logging.flush(AMPLE));
    let lines: Vec<String> = file.lines().iter().map(|line| line[20..].to_owned()).collect();
    assert_eq!(lines, ["有 3 行日志无法写出，已丢失", "back"]);
    assert_eq!(started.logging.dropped(), 3);
    Ok(())
}

#[test]
fn a_pipe_whose_reader_left_loses_lines_and_nothing_else() -> Outcome {
    let (reader, writer) = pipe()?;
    drop(reader);
    let file = Kept::default();
    let started = Started::new(&Options::default(), writer, Some(file.clone()))?;
    started.info("to the file alone");
    assert!(started.logging.flush(AMPLE) && started.logging.flush(AMPLE));
    assert_eq!(started.logging.dropped(), 1);
    // Whether the other output complains before this one has written the line is a race that nobody promised.
    let lines = file.lines();
    for text in ["to the file alone", "the log cannot be written to standard error: "] {
        assert_eq!(lines.iter().filter(|line| line.contains(text)).count(), 1, "{lines:?}");
    }
    assert_eq!(lines.len(), 2, "{lines:?}");
    Ok(())
}

#[test]
fn a_line_that_broke_off_does_not_swallow_the_next() -> Outcome {
    /// Takes 30 bytes, refuses once, and takes everything from then on.
    struct Tearing(Kept, usize);

    impl Write for Tearing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.1 {
                1 => self.0.write(&bytes[..30]),
                2 => Err(ErrorKind::StorageFull.into()),
                3 => Err(ErrorKind::Interrupted.into()),
                4 => Err(ErrorKind::WouldBlock.into()),
                _ => self.0.write(bytes),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let kept = Kept::default();
    let started = Started::new(&Options::default(), Tearing(kept.clone(), 0), None)?;
    started.info("0123456789abcdef");
    started.info("whole");
    assert!(started.logging.flush(AMPLE));
    let lines: Vec<String> = kept.lines().iter().map(|line| line[20..].to_owned()).collect();
    assert_eq!(lines, ["0123456789", "1 line of the log was lost: it could not be written", "whole"]);
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_loses_lines_and_nothing_else() -> Outcome {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
    let started = Started::new(&Options::default(), full, None)?;
    started.info("lost");
    assert!(started.logging.flush(AMPLE));
    assert_eq!(started.logging.dropped(), 1);
    Ok(())
}

#[test]
fn the_time_of_a_line_is_when_it_was_logged() -> Outcome {
    let options = Options { format: Format::Json, ..Options::default() };
    let (started, mut reader) = hanging(&options, None)?;
    started.info("the last");
    thread::sleep(Duration::from_millis(20));
    let read_from = Timestamp::now();
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
    assert!(read_from.duration_since(logged) >= jiff::SignedDuration::from_millis(19));
    Ok(())
}

#[test]
fn a_log_file_that_cannot_be_written_is_an_error_that_names_it() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file");
    std::fs::write(&path, "")?;
    let inside_a_file = path.join("app.log");
    let refused = start(&Options { file: Some(inside_a_file.clone()), ..Options::default() });
    let message = refused.map(|_| "started").map_err(|error| error.to_string());
    let expected = format!("the log file {} cannot be written: ", inside_a_file.display());
    assert!(message.as_ref().is_err_and(|message| message.starts_with(&expected)), "{message:?}");
    Ok(())
}

/// In a process of its own: a process has one logger, and one panic hook.
#[test]
fn the_installed_log_appends_to_its_file_in_folders_it_makes_and_hears_panics() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("new/folder/app.log");
    let mut child = Process::start("logging::tests::child", &path.to_string_lossy(), |_| ())?;
    assert_eq!(child.line()?, "second start refused, panicked, flushed");
    let text = std::fs::read_to_string(&path)?;
    assert!(text.lines().next().is_some_and(|line| line.ends_with(" to the file")), "{text}");
    assert!(text.contains(" thread 'doomed' panicked at ") && text.contains(": with\\nlines\n"), "{text}");
    Ok(())
}

/// The part of the process that installs the log.
#[test]
fn child() -> Outcome {
    let Some(path) = process::part() else { return Ok(()) };
    let options = Options { file: Some(path.into()), ..Options::default() };
    let logging = start(&options)?;
    log::info!("to the file");
    let refused = matches!(start(&options), Err(LoggingError::AlreadyStarted));
    super::log_panics();
    let doomed = thread::Builder::new().name("doomed".to_owned()).spawn(|| panic!("with\nlines"))?;
    let panicked = doomed.join().is_err();
    let told = [(refused, "second start refused"), (panicked, "panicked"), (logging.flush(AMPLE), "flushed")];
    process::say(
        told.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)).collect::<Vec<_>>().join(", "),
    );
    Ok(())
}
