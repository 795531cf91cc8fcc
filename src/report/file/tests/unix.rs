//! Permissions, links, pipes and devices.

use std::{
    io::Read,
    os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
    thread,
};

use super::*;
use crate::report::in_place::open_stream;

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

fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

#[test]
fn what_is_created_is_for_this_user_alone() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("deep/er/report.json");
    for kept in [false, true] {
        let (file, _) = ReportFile::open(&path, 1)?;
        for name in names(&folder.path().join("deep/er")) {
            let path = path.with_file_name(&name);
            assert_eq!(mode(&path)?, 0o600, "{name} of a process that runs");
        }
        file.write(&report("x"))?;
        assert_eq!((mode(&path)?, numbered(&path, 1).exists()), (0o600, kept));
    }
    assert_eq!(mode(&numbered(&path, 1))?, 0o600);
    for folder in [folder.path().join("deep"), folder.path().join("deep/er")] {
        assert_eq!(mode(&folder)?, 0o700, "{}", folder.display());
    }
    Ok(())
}

#[test]
fn permissions_that_the_report_before_has_at_the_end_are_kept() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    fs::write(&path, "")?;
    let (file, _) = ReportFile::open(&path, 1)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604))?;
    file.write(&report("x"))?;
    assert_eq!((mode(&path)?, mode(&numbered(&path, 1))?), (0o604, 0o604));
    fs::remove_file(numbered(&path, 1))?;
    let kept = keep_earlier(&path, 1).map_err(|(_, error)| error)?;
    kept.detach(&path).map_err(|(_, error)| error)?;
    assert_eq!(mode(&numbered(&path, 1))?, 0o604, "a copy");
    Ok(())
}

#[test]
fn the_group_of_the_report_before_is_kept() -> Outcomes {
    use std::os::unix::fs::{MetadataExt, chown};

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    fs::write(&path, "")?;
    if chown(&path, None, Some(65_534)).is_err() {
        println!("SKIPPED: a group: only root may give a file to any");
        return Ok(());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
    ReportFile::open(&path, 0)?.0.write(&report("x"))?;
    assert_eq!((fs::metadata(&path)?.gid(), mode(&path)?), (65_534, 0o640));
    Ok(())
}

#[test]
fn a_link_of_another_user_is_not_followed() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("report.json");
    symlink("elsewhere", &link)?;
    if std::os::unix::fs::lchown(&link, Some(65_534), Some(65_534)).is_err() {
        println!("SKIPPED: a link of another user: only root can give one away");
        return Ok(());
    }
    let error = ReportFile::open(&link, 0).expect_err("it is another user's");
    assert!(error.to_string().contains("another user"), "{error}");
    assert_eq!(names(folder.path()), ["report.json"]);
    Ok(())
}

#[test]
fn a_pipe_stays_one_and_gets_the_report() -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
    // No process reads it: the start is not held up, and the end is an error.
    let error = ReportFile::open(&path, 0)?.0.write(&report("x")).expect_err("nothing reads it");
    assert_eq!(error.source.to_string(), "no process reads the pipe");

    let (file, _) = ReportFile::open(&path, 0)?;
    let reading = {
        let path = path.clone();
        thread::spawn(move || {
            let mut text = String::new();
            File::open(path).and_then(|mut pipe| pipe.read_to_string(&mut text)).map(|_| text)
        })
    };
    // The reader opens the pipe as soon as it can: until then there is none.
    let mut target = open_stream(&path)?;
    while target.is_none() {
        thread::yield_now();
        target = open_stream(&path)?;
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
    let mut full = open_stream(&path)?.expect("it has a reader");
    while full.write(&[0; 4096]).is_ok() {}
    let error = file.write(&report("x")).expect_err("it is full");
    assert_eq!(error.source.kind(), io::ErrorKind::WouldBlock);
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
