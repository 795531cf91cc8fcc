//! What is read back, kept and refused as a report file.

use std::{error::Error, fs, path::Path, time::Duration};

use super::*;
use crate::sequence::Outcome;

type Outcomes = Result<(), Box<dyn Error>>;

fn report(reason: &str) -> Report {
    let text = format!(
        r#"{{"outcome":"clean","reason":"{reason}","verdict":"Clean","exit_code":0,"started_at":"2026-03-01T03:00:00.000Z",
        "duration_ms":12,"phases":[],"servers":[],"checkpoints":[],"callbacks":[],"resources":[]}}"#
    );
    serde_json::from_str(&text).expect("a report")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_report_appears_whole_and_nothing_else_is_left() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("deep/er/report.json");
    let (file, previous) = ReportFile::open(&path, 0)?;
    assert_eq!(previous, None);
    assert!(!path.exists(), "nothing is there before the end");
    file.write(&report("SIGTERM"))?;
    assert_eq!(Report::read(&path)?, report("SIGTERM"));
    assert_eq!(names(&folder.path().join("deep/er")), ["report.json"]);
    Ok(())
}

#[test]
fn a_run_that_never_served_leaves_nothing() -> Outcomes {
    let folder = tempfile::tempdir()?;
    drop(ReportFile::open(&folder.path().join("report.json"), 0)?);
    assert!(names(folder.path()).is_empty());
    Ok(())
}

#[test]
fn the_temporary_file_has_another_name_each_time() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    let name = || create_beside(&path).map(|(name, _)| name);
    assert_ne!(name()?, name()?);
    Ok(())
}

#[test]
fn earlier_reports_are_kept_as_many_as_asked_for() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    for reason in ["first", "second", "third", "fourth"] {
        ReportFile::open(&path, 2)?.0.write(&report(reason))?;
    }
    assert_eq!(names(folder.path()), ["report.1.json", "report.2.json", "report.json"]);
    for (name, reason) in [("report.json", "fourth"), ("report.1.json", "third"), ("report.2.json", "second")]
    {
        assert_eq!(Report::read(&folder.path().join(name))?.reason, reason);
    }
    assert_eq!(numbered(Path::new("a/report"), 3), Path::new("a/report.3"));
    Ok(())
}

#[test]
#[cfg_attr(windows, ignore = "on Windows the marker of a running process cannot be read")]
fn the_run_before_is_told_by_its_report_or_by_its_marker() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    ReportFile::open(&path, 0)?.0.write(&report("SIGTERM"))?;
    let (file, previous) = ReportFile::open(&path, 0)?;
    let previous = previous.expect("a report lies there");
    assert_eq!((previous.outcome, previous.exit_code, previous.duration_ms), ("clean", Some(0), Some(12)));
    assert!(previous.reason.as_deref() == Some("SIGTERM") && !previous.was_killed());

    // Another living process holds the marker: nothing is known to be killed, and nothing of it is taken away.
    let (beside_it, while_it_runs) = ReportFile::open(&path, 0)?;
    assert!(!while_it_runs.expect("a report lies there").was_killed());
    drop(beside_it);
    let Target::Replaced { temporary, .. } = &file.target else { panic!("it can be replaced") };
    assert!(temporary.exists());

    // A process that is killed drops nothing.
    let content = fs::read_to_string(folder.path().join("report.json.running"))?;
    fs::write(folder.path().join("report.json.0a.tmp"), "half")?;
    drop(file);
    fs::write(
        folder.path().join("report.json.running"),
        content.replacen("\"temporary\":\"", "\"temporary\":\"report.json.0a.tmp\",\"was\":\"", 1),
    )?;
    let (file, previous) = ReportFile::open(&path, 0)?;
    assert!(previous.expect("the marker lies there").was_killed());
    assert!(!folder.path().join("report.json.0a.tmp").exists(), "what the killed run had begun is gone");
    file.write(&report("SIGINT"))?;
    assert_eq!(names(folder.path()), ["report.json"]);
    Ok(())
}

#[test]
fn a_path_that_cannot_be_written_is_an_error_at_the_start() -> Outcomes {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("file"), "")?;
    for path in ["file/report.json", ".", "/"] {
        assert!(ReportFile::open(&folder.path().join(path), 0).is_err(), "{path}");
    }
    Ok(())
}

#[test]
fn reading_is_bounded_and_an_error_has_its_cause() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("large");
    File::create(&path)?.set_len(64 * 1024 * 1024)?;
    let error = Report::read(&path).expect_err("it is no report");
    assert!(error.to_string().ends_with("it is larger than 8 MiB"), "{error}");
    let error = Report::read(&folder.path().join("missing")).expect_err("it is not there");
    assert!(error.source().is_some());
    Ok(())
}

#[test]
fn characters_that_mislead_are_escaped_and_read_back() {
    let mut report = report("x");
    report.reason = "a\u{202e}b\u{7f}\u{9b}\u{2028}\u{200b}\u{e0041}\nc".into();
    let text = report.to_json();
    assert!(text.contains(r"a\u202eb\u007f\u009b\u2028\u200b\udb40\udc41\nc"), "{text}");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("a report"), report);
    assert_eq!(report.outcome, Outcome::Clean);
}

#[cfg(unix)]
mod unix {
    use std::{
        io::Read,
        os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
    };

    use super::*;

    #[test]
    fn a_symbolic_link_is_followed_and_stays() -> Outcomes {
        let folder = tempfile::tempdir()?;
        let link = folder.path().join("report.json");
        symlink("real/there.json", &link)?;
        for reason in ["first", "second"] {
            ReportFile::open(&link, 0)?.0.write(&report(reason))?;
            assert!(fs::symlink_metadata(&link)?.is_symlink());
            assert_eq!(Report::read(&folder.path().join("real/there.json"))?.reason, reason);
        }
        symlink("b", folder.path().join("a"))?;
        symlink("a", folder.path().join("b"))?;
        assert!(ReportFile::open(&folder.path().join("a"), 0).is_err(), "a circle of links");
        Ok(())
    }

    #[test]
    fn permissions_of_the_report_before_are_kept() -> Outcomes {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("report.json");
        fs::write(&path, "")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604))?;
        ReportFile::open(&path, 0)?.0.write(&report("x"))?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o604);
        Ok(())
    }

    #[test]
    fn a_pipe_stays_one_and_gets_the_report() -> Outcomes {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
        // No process reads it: the start is not held up, and the end is an error.
        let error = ReportFile::open(&path, 0)?.0.write(&report("x")).expect_err("nothing reads it");
        assert_eq!(error.to_string(), "no process reads the pipe");

        let (file, _) = ReportFile::open(&path, 0)?;
        let reading = {
            let path = path.clone();
            thread::spawn(move || {
                let mut text = String::new();
                File::open(path).and_then(|mut pipe| pipe.read_to_string(&mut text)).map(|_| text)
            })
        };
        // The reader opens the pipe as soon as it can: until then there is none.
        let mut target = open_in_place(&path, true)?;
        while target.is_none() {
            thread::yield_now();
            target = open_in_place(&path, true)?;
        }
        file.write(&report("piped"))?;
        drop(target);
        let text = reading.join().expect("no panic")?;
        assert_eq!(serde_json::from_str::<Report>(&text)?.reason, "piped");
        assert!(fs::metadata(&path)?.file_type().is_fifo());
        Ok(())
    }

    #[test]
    fn a_pipe_that_is_full_is_waited_for_and_not_for_ever() -> Outcomes {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
        let reader = File::options().read(true).write(true).open(&path)?;
        let (file, _) = ReportFile::open(&path, 0)?;
        let mut full = open_in_place(&path, true)?.expect("it has a reader");
        while full.write(&[0; 4096]).is_ok() {}
        let error = file.write(&report("x")).expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(reader);
        Ok(())
    }

    /// One of its own: where this fails, the machine's would be gone.
    #[test]
    fn a_device_stays_one() -> Outcomes {
        let folder = tempfile::tempdir()?;
        let null = folder.path().join("null");
        let made = std::process::Command::new("mknod").arg(&null).args(["c", "1", "3"]).output()?;
        if !made.status.success() || File::options().write(true).open(&null).is_err() {
            println!("SKIPPED: a device: only root may make one");
            return Ok(());
        }
        ReportFile::open(&null, 3)?.0.write(&report("x"))?;
        assert!(fs::metadata(&null)?.file_type().is_char_device());
        assert_eq!(names(folder.path()), ["null"]);
        Ok(())
    }

    #[test]
    fn a_marker_that_is_a_link_is_not_followed() -> Outcomes {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("report.json");
        fs::write(folder.path().join("precious"), "precious")?;
        symlink("precious", folder.path().join("report.json.running"))?;
        ReportFile::open(&path, 0)?.0.write(&report("x"))?;
        assert_eq!(fs::read_to_string(folder.path().join("precious"))?, "precious");
        assert_eq!(Report::read(&path)?.reason, "x");
        Ok(())
    }
}

#[test]
fn a_file_that_cannot_be_replaced_is_written_in_place() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    fs::write(&path, "a long text that was there before".repeat(100))?;
    let target = Target::InPlace { file: open_in_place(&path, false)?, truncate: true };
    ReportFile::new(path.clone(), 0, target).write(&report("x"))?;
    assert_eq!(Report::read(&path)?.reason, "x");
    assert_eq!(report("x").duration, Duration::from_millis(12));
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_regular_file_below_dev_alone_is_a_termination_log() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("termination-log");
    fs::write(&path, "")?;
    assert!(!is_termination_log(&path) && !is_termination_log(Path::new("/dev/null")));
    assert!(!is_termination_log(Path::new("/dev/stdout")));
    Ok(())
}
