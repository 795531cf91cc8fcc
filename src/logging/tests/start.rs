//! The log as a process installs it, and its file.

use std::thread;

use super::{AMPLE, Outcome};
use crate::logging::{LoggingError, Options, log_panics, start};
use crate::os::process::{self, Process};

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

#[test]
fn the_installed_log_appends_to_its_file_in_folders_it_makes_and_has_the_messages_of_panics() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("new/folder/app.log");
    let mut child = Process::start("logging::tests::start::child", &path.to_string_lossy(), |_| ())?;
    assert_eq!(child.line()?, "second start refused, panicked, flushed");
    let text = std::fs::read_to_string(&path)?;
    assert!(text.lines().next().is_some_and(|line| line.ends_with(" to the file")), "{text}");
    assert!(text.contains(" thread 'doomed' panicked at ") && text.contains(": with\\nlines\n"), "{text}");
    Ok(())
}

#[test]
fn child() -> Outcome {
    let Some(path) = process::part() else { return Ok(()) };
    let options = Options { file: Some(path.into()), ..Options::default() };
    let logging = start(&options)?;
    log::info!("to the file");
    let refused = matches!(start(&options), Err(LoggingError::AlreadyStarted));
    log_panics();
    let doomed = thread::Builder::new().name("doomed".to_owned()).spawn(|| panic!("with\nlines"))?;
    let panicked = doomed.join().is_err();
    let told = [(refused, "second start refused"), (panicked, "panicked"), (logging.flush(AMPLE), "flushed")];
    process::say(
        told.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)).collect::<Vec<_>>().join(", "),
    );
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_log_file_and_its_folder_are_created_for_this_user_alone() -> Outcome {
    use std::{os::unix::fs::PermissionsExt, path::Path};

    use crate::logging::file;

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("logs/app.log");
    file::open(&path)?;
    let mode = |path: &Path| -> std::io::Result<u32> { Ok(path.metadata()?.permissions().mode() & 0o777) };
    assert_eq!((mode(&path)?, mode(&folder.path().join("logs"))?), (0o600, 0o700));
    // A file that is there keeps its permissions: it may be for a collector of logs.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640))?;
    file::open(&path)?;
    assert_eq!(mode(&path)?, 0o640);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link)?;
    file::open(&link)?;
    if std::os::unix::fs::lchown(&link, Some(65_534), Some(65_534)).is_ok() {
        let refused = file::open(&link).expect_err("another user has made the link");
        assert!(refused.to_string().contains("another user"), "{refused}");
    } else {
        println!("SKIPPED: a link of another user: only root can give one away");
    }
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn a_fifo_without_a_reader_does_not_delay_the_start_and_keeps_the_lines_for_one() -> Outcome {
    use std::io::{BufRead, BufReader};

    use super::Started;
    use crate::logging::file;

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log.fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
    let started = Started::new(&Options::default(), file::open(&path)?, None)?;
    started.info("before there is a reader");
    let mut lines = BufReader::new(std::fs::File::open(&path)?).lines();
    let line = lines.next().ok_or("the FIFO is closed")??;
    assert_eq!(line[20..], *"before there is a reader");
    Ok(())
}
