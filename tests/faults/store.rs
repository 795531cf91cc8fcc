//! A failing store, and SIGKILL at any instant of the flush. Each fault of store and spool by itself is tested in the
//! application's `business::cache::tests`.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    stage::{self, BROUGHT_IN, Disk, GRACE, Lock, Random, put, stored, times},
    system::kill,
};
use crate::support::{App, Client, Watch, folder};

#[test]
fn it_is_locked_for_longer_than_the_callbacks_timeout() {
    let app = App::start(&["shutdown.callback_timeout=400ms"]);
    put(app.business, "key", "value");
    let lock = Lock::of(&app.path("data/cache.db"));
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    // The callback's timeout and the release's: the store's connection still waits for the lock.
    watch.check("the exit", ended.at - signalled, Duration::from_millis(1400) + GRACE);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    assert_eq!(ended.report()["callbacks"][0]["outcome"], "timed_out");
    assert!(ended.folder.path().join("data/cache.spool").exists(), "spooled before the store is tried");
    drop(lock);
    let values = [("key".to_owned(), "value".to_owned())].into();
    assert!(stage::has_all(&ended.folder, &[], &values), "brought in");
    assert!(!stage::has_all(&ended.folder, &[], &values), "once");
}

/// A line each 10 s, and at the end a count of those that were left out.
#[test]
fn reads_that_fail_fill_no_log() {
    const READS: usize = 50;
    let app = App::start(&[]);
    stage::drop_table(&app.path("data/cache.db"));
    for key in 0..READS {
        assert_eq!(Client::get(app.business, &format!("/cache/{key}")).status, 503);
    }
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "nothing was to be stored: {}", ended.text());
    let lines = ended.log.iter().filter(|line| line.text.contains("the store cannot be read")).count();
    assert!((1..READS).contains(&lines), "{}", ended.text());
}

#[test]
fn its_file_is_deleted() {
    let app = App::start(&[]);
    put(app.business, "key", "value");
    fs::remove_file(app.path("data/cache.db")).expect("it is there");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, Duration::from_secs(2));
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let error = ended.report()["callbacks"][0]["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("1 write is safe in data/cache.spool"), "{error}");
    let values = [("key".to_owned(), "value".to_owned())].into();
    assert!(stage::has_all(&ended.folder, &[], &values), "brought in");
    assert_eq!(stored(&ended.folder.path().join("data/cache.db")), values);
}

#[test]
fn its_disk_is_full_in_the_middle_of_the_transaction() {
    let folder = folder();
    let row = "the store's disk is full";
    let Some(disk) = Disk::mount(row, folder.path().join("disk"), "1m") else { return };
    let store = format!("cache.store=sqlite://{}", disk.path("cache.db"));
    let app = App::start_in(folder.clone(), &[&store]);
    let mut values = BTreeMap::new();
    for key in 0..8 {
        let value = key.to_string().repeat(100_000);
        put(app.business, &format!("key-{key}"), &value);
        values.insert(format!("key-{key}"), value);
    }
    // Space for some of the writes.
    disk.fill_but(300_000);
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, Duration::from_secs(5));
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let error = ended.report()["callbacks"][0]["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("8 writes are safe in data/cache.spool"), "{error}");
    disk.empty();
    assert!(stored(Path::new(&disk.path("cache.db"))).is_empty(), "all or none");
    assert!(stage::has_all(&folder, &[&store], &values), "brought in");
    assert_eq!(stored(Path::new(&disk.path("cache.db"))), values);
    assert!(!stage::has_all(&folder, &[&store], &values), "once");
}

/// The number of processes that run at the same time.
const AT_A_TIME: usize = 4;

#[test]
fn killed_at_random_instants_of_the_flush() {
    let rounds = times(10, 200);
    let random = Random::of("kills");
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let mut chain = Chain::default();
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= rounds {
                        break;
                    }
                    chain.round(round, random.part(round), &tally);
                }
            });
        }
    });
    let tally = tally.into_inner().expect("no panic");
    stage::say(format_args!("{rounds} kills: {tally:?}"));
    assert!(rounds < 100 || tally.spooled > rounds / 10, "hardly any kill met a spool: {tally:?}");
}

/// What state each kill found.
#[derive(Debug, Default)]
struct Tally {
    /// Killed before the spool existed: dirty entries are lost, as documented.
    before: usize,
    /// Killed while the spool existed.
    spooled: usize,
    /// Killed after everything was stored.
    stored: usize,
    /// Ended by itself before the kill.
    too_late: usize,
}

/// Runs one after another in one directory, so that each start finds what the last run left.
#[derive(Debug)]
struct Chain {
    folder: Arc<TempDir>,
    /// The entries that must be stored.
    values: BTreeMap<String, String>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { folder: folder(), values: BTreeMap::new() }
    }
}

impl Chain {
    fn round(&mut self, round: usize, mut random: Random, tally: &Mutex<Tally>) {
        let app = App::start_in(Arc::clone(&self.folder), &["shutdown.drain_timeout=100ms"]);
        assert!(!app.log_text().contains(BROUGHT_IN), "round {round}: a spool came back a second time");
        let mut fresh = BTreeMap::new();
        for key in 0..8 {
            // Some keys are new, and some replace those of an earlier round.
            let key = if key < 4 { format!("key-{key}") } else { format!("key-{round}-{key}") };
            let value = format!("{round}-{}", "x".repeat(random.below(5_000)));
            put(app.business, &key, &value);
            fresh.insert(key, value);
        }
        let spool = app.path("data/cache.spool");
        let from_the_signal = random.below(5) == 0;
        let signalled = app.signal(libc::SIGTERM);
        let mut renamed = false;
        if !from_the_signal {
            let limit = Duration::from_secs(5);
            // A renamed file is seen within microseconds; a flush with its syncs takes milliseconds.
            while !renamed && signalled.elapsed() < limit {
                renamed = spool.exists();
            }
        }
        let window = if from_the_signal { Duration::from_millis(60) } else { Duration::from_millis(12) };
        let until = Instant::now() + random.time_below(window);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        kill(app.id(), libc::SIGKILL);
        let ended = app.wait();
        let is_spooled = spool.exists();
        let too_late = ended.code() == Some(0);

        let next = App::start_in(Arc::clone(&self.folder), &[]);
        let brought_in = next.log_text().contains(BROUGHT_IN);
        assert_eq!(brought_in, is_spooled, "round {round}: {}", next.log_text());
        let has = |(key, value): (&String, &String)| {
            let got = Client::get(next.business, &format!("/cache/{key}"));
            got.status == 200 && got.text() == *value
        };
        let found = fresh.iter().filter(|&entry| has(entry)).count();
        assert!(
            [0, fresh.len()].contains(&found),
            "round {round}: {found} of {}, neither all nor none",
            fresh.len()
        );
        let is_flushed = found > 0;
        assert!(
            is_flushed || !(renamed || is_spooled || too_late),
            "round {round}: writes that were spooled are lost"
        );
        if is_flushed {
            self.values.append(&mut fresh);
        }
        let missing: Vec<_> = self.values.iter().filter(|&entry| !has(entry)).map(|(key, _)| key).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?} are lost");
        next.signal(libc::SIGTERM);
        let ended = next.wait();
        assert_eq!(ended.code(), Some(0), "round {round}: {}", ended.text());
        assert_eq!(stored(&self.folder.path().join("data/cache.db")), self.values, "round {round}");
        self.nothing_left(round);

        let mut tally = tally.lock().expect("no panic");
        match (too_late, is_spooled, is_flushed) {
            (true, ..) => tally.too_late += 1,
            (false, true, _) => tally.spooled += 1,
            (false, false, true) => tally.stored += 1,
            (false, false, false) => tally.before += 1,
        }
    }

    /// Checks that neither a partial spool nor a journal is left.
    fn nothing_left(&self, round: usize) {
        for entry in fs::read_dir(self.folder.path().join("data")).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            assert!(
                ["cache.db", "cache.spool.lock"].contains(&name.as_str()),
                "round {round}: {name} is left"
            );
        }
    }
}
