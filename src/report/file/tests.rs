//! What is read back, kept and refused as a report file.

#[cfg(unix)]
mod unix;

use std::{error::Error, fs, path::Path, time::Duration};

use super::*;
use crate::{
    report::{
        earlier::{keep_earlier, numbered},
        in_place::{open_regular, overwrite},
    },
    sequence::Outcome,
};

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
    assert_eq!(previous?, None);
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
fn what_the_run_before_has_left_may_be_no_report_and_an_empty_file_is_none() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    ReportFile::open(&path, 0)?.0.write(&report("SIGTERM"))?;
    let whole = fs::read(&path)?;
    for (left, is_none) in [(&whole[..whole.len() / 2], false), (b"{}", false), (b"", true)] {
        fs::write(&path, left)?;
        let previous = ReportFile::open(&path, 0)?.1;
        assert_eq!(matches!(previous, Ok(None)), is_none, "{previous:?}");
        assert_eq!(previous.is_err(), !is_none);
    }
    Ok(())
}

#[test]
#[cfg_attr(windows, ignore = "on Windows the marker of a running process cannot be read")]
fn the_run_before_is_told_by_its_report_or_by_its_marker() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    ReportFile::open(&path, 0)?.0.write(&report("SIGTERM"))?;
    let (file, previous) = ReportFile::open(&path, 0)?;
    let previous = previous?.expect("a report lies there");
    assert_eq!((previous.outcome, previous.exit_code, previous.duration_ms), ("clean", Some(0), Some(12)));
    assert!(previous.reason.as_deref() == Some("SIGTERM") && !previous.was_killed());

    // Another living process holds the marker: nothing is known to be killed, and nothing of it is taken away.
    let (beside_it, while_it_runs) = ReportFile::open(&path, 0)?;
    assert!(!while_it_runs?.expect("a report lies there").was_killed());
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
    assert!(previous?.expect("the marker lies there").was_killed());
    assert!(!folder.path().join("report.json.0a.tmp").exists(), "what the killed run had begun is gone");
    file.write(&report("SIGINT"))?;
    assert_eq!(names(folder.path()), ["report.json"]);
    Ok(())
}

#[test]
fn a_path_that_cannot_be_written_is_an_error_at_the_start() -> Outcomes {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("file"), "")?;
    for path in [".", "/", "new/..", ""] {
        assert!(ReportFile::open(&folder.path().join(path), 0).is_err(), "{path}");
    }
    for path in ["file/report.json", "file/new/report.json"] {
        let error = ReportFile::open(&folder.path().join(path), 0).expect_err(path);
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{path}: {error}");
    }
    Ok(())
}

#[test]
fn a_path_that_names_a_folder_is_an_error_at_the_start_whether_it_is_there_or_not() -> Outcomes {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("file"), "")?;
    fs::create_dir(folder.path().join("folder"))?;
    for path in ["folder", "folder/", "folder/.", "new/", "new/sub//", "new/.", "file/", "file/."] {
        let error = ReportFile::open(&folder.path().join(path), 0).expect_err(path);
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory, "{path}");
    }
    assert_eq!(names(folder.path()), ["file", "folder"]);
    Ok(())
}

#[test]
fn an_earlier_report_that_cannot_be_kept_is_told_and_the_report_is_there() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    ReportFile::open(&path, 0)?.0.write(&report("first"))?;
    fs::create_dir(folder.path().join("report.1.json"))?;
    let error = ReportFile::open(&path, 1)?.0.write(&report("second")).expect_err("a folder is in the way");
    let expected = format!("the earlier report cannot be kept as {}: ", numbered(&path, 1).display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(Report::read(&path)?.reason, "second");
    assert_eq!(names(folder.path()), ["report.1.json", "report.json"]);
    Ok(())
}

/// Folders for temporary files are tidied up while a service runs.
#[test]
#[cfg_attr(windows, ignore = "on Windows a file that is open is not removed")]
fn a_temporary_file_that_was_removed_meanwhile_is_made_again() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    let (file, _) = ReportFile::open(&path, 0)?;
    let Target::Replaced { temporary, .. } = &file.target else { panic!("it can be replaced") };
    fs::remove_file(temporary)?;
    file.write(&report("x"))?;
    assert_eq!(Report::read(&path)?.reason, "x");
    assert_eq!(names(folder.path()), ["report.json"]);
    Ok(())
}

#[test]
fn the_earlier_report_stays_as_it_was_where_the_last_one_is_overwritten() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    fs::write(&path, "the last one")?;
    let kept = keep_earlier(&path, 1).map_err(|(_, error)| error)?;
    kept.detach(&path).map_err(|(_, error)| error)?;
    overwrite(&mut open_regular(&path)?, b"new")?;
    assert_eq!(fs::read_to_string(numbered(&path, 1))?, "the last one");
    assert_eq!(fs::read_to_string(&path)?, "new");
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

#[test]
fn a_file_that_cannot_be_replaced_is_written_in_place() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    fs::write(&path, "a long text that was there before".repeat(100))?;
    for before in ["a long text that was there before".repeat(100), "short".into(), String::new()] {
        fs::write(&path, before)?;
        let target = Target::Overwritten(open_regular(&path)?);
        ReportFile::new(path.clone(), 0, target).write(&report("x"))?;
        assert_eq!(fs::read_to_string(&path)?, report("x").to_json());
    }
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
