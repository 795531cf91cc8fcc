//! Report and log on what is no plain file: a device, a symbolic link, a file that is mounted into a read-only folder.
//! Each stays what it is. FIFOs are in `report::file::tests`, `logging::tests` and `start_up::blocked`.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, symlink},
    path::Path,
    process::Command,
    sync::Arc,
};

use tempfile::TempDir;

use super::stage::{self, run_by, works};
use crate::support::{App, Ended, folder, stop};

const NAMES: [&str; 2] = ["report.json", "log.txt"];

/// Runs it once, with its report and its log in `place`.
fn run(folder: &Arc<TempDir>, place: &str, wrap: impl FnOnce(&Command) -> Command) -> Ended {
    let mut command = App::command(folder.path());
    command.args(["-s", &format!("report.path={place}/report.json")]);
    command.args(["-s", &format!("log.file={place}/log.txt")]);
    let ended = stop(App::start_command(Arc::clone(folder), wrap(&command)));
    assert_eq!(ended.code(), Some(0), "{place}: {}", ended.text());
    assert!(!ended.has("cannot be written"), "{place}: {}", ended.text());
    ended
}

fn plain(command: &Command) -> Command {
    run_by("env", &[], command)
}

fn is_written(place: &Path) {
    let read = |name: &str| fs::read_to_string(place.join(name)).expect("a file");
    assert!(read("report.json").contains("\"outcome\": \"clean\""), "{}", read("report.json"));
    assert!(read("log.txt").contains("shut down"), "{}", read("log.txt"));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn a_device_stays_one() {
    let folder = folder();
    let devices = folder.path().join("devices");
    fs::create_dir(&devices).expect("a folder");
    for name in NAMES {
        let device = devices.join(name);
        let path = device.to_str().expect("a path that is text");
        // Of its own: where this fails, the machine's would be gone.
        if !works("mknod", &[path, "c", "1", "3"]) || fs::write(&device, "").is_err() {
            return stage::skip("a device", "only root may make one");
        }
    }
    run(&folder, "devices", plain);
    for name in NAMES {
        let found = fs::symlink_metadata(devices.join(name)).expect("it is there");
        assert!(found.file_type().is_char_device(), "{name}");
    }
    assert_eq!(names(&devices), ["log.txt", "report.json"]);
}

#[test]
fn a_symbolic_link_is_followed_and_stays_one() {
    let folder = folder();
    let (links, files) = (folder.path().join("links"), folder.path().join("files"));
    for place in [&links, &files] {
        fs::create_dir(place).expect("a folder");
    }
    for name in NAMES {
        symlink(Path::new("../files").join(name), links.join(name)).expect("a link");
    }
    run(&folder, "links", plain);
    for name in NAMES {
        assert!(fs::symlink_metadata(links.join(name)).expect("it is there").is_symlink(), "{name}");
    }
    is_written(&files);
    assert_eq!(names(&links), ["log.txt", "report.json"]);
}

#[test]
fn a_file_that_is_mounted_into_a_read_only_folder_is_written_in_place() {
    if !works("unshare", &["--mount", "--map-root-user", "true"]) {
        return stage::skip("a read-only folder", "no mount namespace may be made here");
    }
    let folder = folder();
    for place in ["files", "read-only"] {
        fs::create_dir(folder.path().join(place)).expect("a folder");
        for name in NAMES {
            fs::write(folder.path().join(place).join(name), "before\n").expect("a file");
        }
    }
    let script = "mount --bind read-only read-only && mount -o remount,bind,ro read-only \
         && mount --bind files/report.json read-only/report.json && mount --bind files/log.txt read-only/log.txt \
         && ! touch read-only/new 2>/dev/null && exec \"$0\" \"$@\"";
    run(&folder, "read-only", |command| {
        run_by("unshare", &["--mount", "--map-root-user", "sh", "-c", script], command)
    });
    is_written(&folder.path().join("files"));
    for name in NAMES {
        let below = fs::read_to_string(folder.path().join("read-only").join(name)).expect("a file");
        assert_eq!(below, "before\n", "{name}, below the mount");
    }
}
