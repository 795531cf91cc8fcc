//! Outputs that hang, refuse, tear and fill up.

use std::io::{self, BufRead, BufReader, ErrorKind, Write, pipe};
use std::thread;
use std::time::{Duration, Instant};

use log::{Level, Record};

use super::{AMPLE, Kept, Outcome, Started, hanging};
use crate::locale::Language;
use crate::logging::queue::MOST_LINES;
use crate::logging::{Format, Options};

#[test]
fn a_pipe_that_is_not_read_delays_no_caller_and_the_loss_is_told() -> Outcome {
    let (started, reader) = hanging(&Options::default(), None)?;
    let burst = MOST_LINES + 1000;
    for number in 0..burst {
        started.info(&format!("burst {number}"));
    }
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
    started.info("the file still gets this");
    assert!(!started.logging.flush(Duration::from_millis(100)));
    // The timeout was used up by the pipe; the file was written meanwhile.
    assert_eq!(file.lines().len(), 1001);
    assert!(!started.logging.flush(Duration::ZERO));
    Ok(())
}

#[test]
fn a_flush_returns_when_every_output_has_written_what_was_logged_before() -> Outcome {
    let (stderr, file) = (Kept::default(), Kept::default());
    let started = Started::new(&Options::default(), stderr.clone(), Some(file.clone()))?;
    for number in 1..=100 {
        started.info(&number.to_string());
        assert!(started.logging.flush(AMPLE));
        assert_eq!((stderr.lines().len(), file.lines().len()), (number, number));
    }
    Ok(())
}

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
    // Whether the other output complains before this one has written the line is not promised.
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
fn other_crates_lines_leave_room_for_the_programs_own() -> Outcome {
    let options = Options { targets: vec!["mine".to_owned()], ..Options::default() };
    let (started, reader) = hanging(&options, None)?;
    let before = started.logging.dropped();
    for number in 0..MOST_LINES {
        // Each of another module, so that none repeats another.
        started.say(Level::Warn, &format!("noise{number}::deep"), "foreign");
    }
    let lost = started.logging.dropped() - before;
    assert!(lost >= (MOST_LINES / 2) as u64 - 1000, "{lost}");
    started.say(Level::Info, "mine::exit", "own");
    assert_eq!(started.logging.dropped() - before, lost, "the program's own line had no room");
    let is_there = BufReader::new(reader).lines().map_while(Result::ok).any(|line| line.ends_with(" own"));
    assert!(is_there);
    Ok(())
}

#[test]
fn a_warning_that_repeats_is_written_once_with_a_count() -> Outcome {
    let kept = Kept::default();
    let started = Started::new(&Options::default(), kept.clone(), None)?;
    for _ in 0..1000 {
        started.say(Level::Warn, "graceful_exit::server", "no descriptors are left");
        started.say(Level::Error, "actix_http::h1", &format!("malformed {:p}", &kept));
    }
    started.say(Level::Warn, "graceful_exit::server", "something else");
    started.say(Level::Error, "graceful_exit::server", "an error is never left out");
    started.say(Level::Error, "graceful_exit::server", "an error is never left out");
    assert!(started.logging.flush(AMPLE));
    let lines: Vec<String> = kept.lines().iter().map(|line| line[20..].to_owned()).collect();
    assert_eq!(lines[0], "no descriptors are left");
    assert!(lines[1].starts_with("malformed 0x"), "{lines:?}");
    let rest = ["something else", "an error is never left out", "an error is never left out"];
    assert_eq!(lines[2..5], rest);
    // At a flush, the counts of what was left out.
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert!(lines[5..].iter().all(|line| line.ends_with(" (999 more like this were left out)")), "{lines:?}");
    assert_eq!(started.logging.dropped(), 0, "left out is not lost");
    // From then on it is said again.
    started.say(Level::Warn, "graceful_exit::server", "no descriptors are left");
    assert!(started.logging.flush(AMPLE));
    assert_eq!(kept.lines().len(), 8);
    Ok(())
}

#[test]
fn warnings_that_differ_in_a_field_alone_are_not_left_out_and_each_line_is_an_event() -> Outcome {
    let kept = Kept::default();
    let options = Options { format: Format::Json, ..Options::default() };
    let started = Started::new(&options, kept.clone(), None)?;
    for member in ["one", "two", "two"] {
        let fields = [("event", "member_ended"), ("member", member)];
        let mut record = Record::builder();
        record.level(Level::Warn).target("graceful_exit").key_values(&fields);
        started.log.log(&record.args(format_args!("flush: timed out")).build());
    }
    assert!(started.logging.flush(AMPLE));
    let lines = kept.lines();
    let events: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    let events: Vec<_> = events.iter().map(|line| (&line["event"], &line["member"])).collect();
    let (ended, left_out) = ("member_ended".into(), "log_lines_left_out".into());
    let none = serde_json::Value::Null;
    assert_eq!(events, [(&ended, &"one".into()), (&ended, &"two".into()), (&left_out, &none)], "{lines:?}");
    Ok(())
}
