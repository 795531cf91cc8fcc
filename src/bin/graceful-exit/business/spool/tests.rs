use bytes::Bytes;

use super::*;

fn writes<const N: usize>(pairs: [(&str, &'static str); N]) -> Writes {
    pairs.map(|(key, value)| (key.to_owned(), Bytes::from_static(value.as_bytes()))).into()
}

#[test]
fn what_was_spooled_is_there_at_the_next_start_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/cache.spool");
    let all = writes([("a", "1"), ("b", "2")]);
    {
        let (mut spool, left) = Spool::open(&path).unwrap();
        assert!(left.is_empty() && !spool.is_occupied());
        spool.write(&writes([("a", "0")])).unwrap();
        spool.write(&all).unwrap();
    }
    for _ in 0..2 {
        let (spool, left) = Spool::open(&path).unwrap();
        assert!(spool.is_occupied());
        assert_eq!(left, all);
    }
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.remove().unwrap();
    spool.remove().unwrap();
    drop(spool);
    assert!(Spool::open(&path).unwrap().1.is_empty());
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
    Spool::open(&path).unwrap().0.write(&writes([("a", "1")])).unwrap();
    let mut damaged = fs::read(&path).unwrap();
    damaged.pop();
    fs::write(&path, &damaged).unwrap();
    fs::write(folder.path().join("cache.spool.tmp"), "half").unwrap();
    for _ in 0..2 {
        let error = Spool::open(&path).unwrap_err();
        assert!(matches!(error, SpoolError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("cache.spool"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), damaged);
    assert!(folder.path().join("cache.spool.tmp").exists());
}

#[test]
fn a_kill_before_the_rename_leaves_no_half_spool_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.spool");
    let temporary = folder.path().join("cache.spool.tmp");
    write_synced(&temporary, &writes([("a", "1")])).unwrap();
    let (spool, left) = Spool::open(&path).unwrap();
    assert!(left.is_empty() && !spool.is_occupied());
    assert!(!temporary.exists());
}

#[test]
fn a_spool_that_cannot_be_written_leaves_the_earlier_one_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.spool");
    let (mut spool, _) = Spool::open(&path).unwrap();
    spool.write(&writes([("a", "1")])).unwrap();
    // A folder where the temporary file would go fails for root too, unlike missing permissions.
    fs::create_dir(folder.path().join("cache.spool.tmp")).unwrap();
    let error = spool.write(&writes([("a", "2")])).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    assert!(spool.is_occupied());
    fs::remove_dir(folder.path().join("cache.spool.tmp")).unwrap();
    drop(spool);
    assert_eq!(Spool::open(&path).unwrap().1, writes([("a", "1")]));
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
