//! The spool on disk: written whole, locked, and removed.

use bytes::Bytes;

use super::*;

fn writes<const N: usize>(pairs: [(&str, &'static str); N]) -> Writes {
    pairs.map(|(key, value)| (key.to_owned(), Bytes::from_static(value.as_bytes()))).into()
}

/// Reopens a spool as the next start does.
fn left_at(path: &Path) -> Writes {
    Spool::open(path).unwrap().1
}

#[test]
#[cfg_attr(windows, ignore = "wine replaces no file that is open, as Windows does since version 10")]
fn what_was_spooled_is_there_at_the_next_start_until_it_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/cache.spool");
    let all = writes([("a", "2"), ("b", "2")]);
    {
        let (mut spool, left) = Spool::open(&path).unwrap();
        assert!(left.is_empty() && !spool.is_occupied());
        spool.append(&writes([("a", "0"), ("c", "0")])).unwrap();
        spool.replace(&writes([("a", "1")])).unwrap();
        spool.append(&all).unwrap();
        spool.append(&writes([])).unwrap();
    }
    for _ in 0..2 {
        let (spool, left) = Spool::open(&path).unwrap();
        assert!(spool.is_occupied());
        assert_eq!(left, all);
    }
    let (mut spool, _) = Spool::open(&path).unwrap();
    // What an earlier run left is appended to like any other spool.
    spool.append(&writes([("c", "3")])).unwrap();
    drop(spool);
    assert_eq!(left_at(&path), writes([("a", "2"), ("b", "2"), ("c", "3")]));
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.clear().unwrap();
    spool.clear().unwrap();
    assert!(!path.exists());
    drop(spool);
    assert!(left_at(&path).is_empty());
}

#[test]
fn a_cleared_spool_is_used_again_without_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.spool");
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.prepare().unwrap();
    for round in ["1", "2", "3"] {
        spool.append(&writes([("a", round), ("only here", round)])).unwrap();
        spool.clear().unwrap();
        assert_eq!(fs::metadata(folder.path().join("cache.spool.tmp")).unwrap().len(), 0);
    }
    spool.append(&writes([("b", "4")])).unwrap();
    drop(spool);
    assert_eq!(left_at(&path), writes([("b", "4")]));
}

#[test]
fn a_spool_that_is_held_is_refused_until_its_holder_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.spool");
    let held = Spool::open(&path).unwrap();
    let error = Spool::open(&path).unwrap_err();
    assert!(matches!(error, SpoolError::Held { .. }), "{error}");
    assert!(error.to_string().contains("cache.spool"), "{error}");
    drop(held);
    Spool::open(&path).unwrap();
}

#[test]
fn a_damaged_spool_is_refused_and_left_as_it_is_with_all_that_lies_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.spool");
    Spool::open(&path).unwrap().0.append(&writes([("a", "1")])).unwrap();
    let mut damaged = fs::read(&path).unwrap();
    damaged.pop();
    fs::write(&path, &damaged).unwrap();
    fs::write(folder.path().join("cache.spool.tmp"), "half").unwrap();
    for _ in 0..2 {
        let error = Spool::open(&path).unwrap_err();
        assert!(matches!(error, SpoolError::Damaged { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("cache.spool is damaged") && error.ends_with("its end is missing"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), damaged);
    assert!(folder.path().join("cache.spool.tmp").exists());
}

#[test]
fn a_kill_before_the_rename_leaves_no_half_spool_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.spool");
    let temporary = folder.path().join("cache.spool.tmp");
    fs::write(&temporary, "graceful-exit spool 2\nhalf").unwrap();
    let (mut spool, left) = Spool::open(&path).unwrap();
    assert!(left.is_empty() && !spool.is_occupied());
    spool.prepare().unwrap();
    assert_eq!(fs::metadata(&temporary).unwrap().len(), 0);
    drop(spool);
    assert!(!temporary.exists());
}

/// What a kill cuts off was not acknowledged, and what is appended later must not lie behind it.
#[test]
fn a_group_that_a_kill_cut_off_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.spool");
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.append(&writes([("a", "1")])).unwrap();
    spool.append(&writes([("b", "a long value, most of which is cut off")])).unwrap();
    drop(spool);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let (mut spool, left) = Spool::open(&path).unwrap();
    assert_eq!(left, writes([("a", "1")]));
    spool.append(&writes([("c", "1")])).unwrap();
    drop(spool);
    assert_eq!(left_at(&path), writes([("a", "1"), ("c", "1")]));
}

#[test]
fn a_spool_that_cannot_be_replaced_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (path, temporary) = (folder.path().join("cache.spool"), folder.path().join("cache.spool.tmp"));
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.append(&writes([("a", "1")])).unwrap();
    // A folder where the temporary file would go fails for root too, unlike missing permissions.
    fs::create_dir(&temporary).unwrap();
    let error = spool.replace(&writes([("a", "2")])).unwrap_err();
    assert!(error.to_string().contains("cannot be created"), "{error}");
    assert!(spool.is_occupied());
    drop(spool);
    fs::remove_dir(&temporary).unwrap();
    assert_eq!(left_at(&path), writes([("a", "1")]));
}

#[cfg(unix)]
#[test]
fn what_stands_in_the_way_of_a_removal_is_told_and_a_spool_that_is_gone_needs_none() {
    let folder = tempfile::tempdir().unwrap();
    let (path, temporary) = (folder.path().join("cache.spool"), folder.path().join("cache.spool.tmp"));
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.append(&writes([("a", "1")])).unwrap();
    // Neither can the spool be renamed to a folder, nor a folder be removed as a file.
    fs::create_dir(&temporary).unwrap();
    let error = spool.clear().unwrap_err();
    assert!(error.to_string().contains("cannot be removed"), "{error}");
    assert!(spool.is_occupied());
    let error = spool.prepare().unwrap_err();
    let SpoolError::Io { source, .. } = error else { panic!("{error}") };
    assert_ne!(source.kind(), ErrorKind::AlreadyExists, "the removal's error: {source}");
    fs::remove_dir(&temporary).unwrap();
    fs::remove_file(&path).unwrap();
    spool.clear().unwrap();
    assert!(!spool.is_occupied());
}

/// As a cleaner of temporary files does.
#[cfg(unix)]
#[test]
fn a_temporary_file_that_is_removed_or_replaced_is_created_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, temporary) = (folder.path().join("cache.spool"), folder.path().join("cache.spool.tmp"));
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.prepare().unwrap();
    fs::remove_file(&temporary).unwrap();
    spool.append(&writes([("a", "1")])).unwrap();
    spool.clear().unwrap();
    fs::remove_file(&temporary).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &temporary).unwrap();
    spool.append(&writes([("a", "2")])).unwrap();
    drop(spool);
    assert_eq!(left_at(&path), writes([("a", "2")]));
}

#[test]
fn a_spool_that_is_not_in_its_place_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.spool");
    let (mut spool, _) = Spool::open(&path).unwrap();
    assert!(!spool.is_lost());
    spool.append(&writes([("a", "1")])).unwrap();
    assert!(!spool.is_lost());
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    assert!(spool.is_lost());
    spool.replace(&writes([("a", "1")])).unwrap();
    assert!(!spool.is_lost());
}

#[test]
fn a_spool_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let a_folder = folder.path().join("folder.spool");
    fs::create_dir(&a_folder).unwrap();
    let error = Spool::open(&a_folder).unwrap_err();
    assert!(error.to_string().contains("folder.spool cannot be read"), "{error}");

    let a_file = folder.path().join("file");
    fs::write(&a_file, "").unwrap();
    let error = Spool::open(&a_file.join("cache.spool")).unwrap_err();
    assert!(error.to_string().contains("cache.spool cannot have its folder created"), "{error}");
}

#[cfg(unix)]
#[test]
fn spool_lock_and_folder_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/deep/cache.spool");
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.append(&writes([("a", "1")])).unwrap();
    for (name, mode) in [
        ("data", 0o700),
        ("data/deep", 0o700),
        ("data/deep/cache.spool", 0o600),
        ("data/deep/cache.spool.lock", 0o600),
    ] {
        let found = fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}: {found:o}");
    }
}

/// Opening a pipe waits for its other end.
#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_any_of_its_files_is_refused_or_removed_and_blocks_nothing() {
    for (name, is_refused) in [("cache.spool", true), ("cache.spool.lock", true), ("cache.spool.tmp", false)]
    {
        let folder = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap();
        assert!(made.success());
        let opened = Spool::open(&folder.path().join("cache.spool"));
        let opened = opened.and_then(|(mut spool, _)| spool.prepare());
        assert_eq!(opened.is_err(), is_refused, "{name}");
        if let Err(error) = opened {
            assert!(error.to_string().contains("not a regular file"), "{error}");
        }
    }
}
