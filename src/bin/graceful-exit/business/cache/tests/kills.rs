//! The process is killed, or racing with its own exit.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;

use super::*;

/// Every instant at which a kill leaves something else on the disk, in the order of a flush.
#[tokio::test]
async fn whatever_step_a_kill_comes_after_the_next_start_has_each_write_once() {
    let old = [("a", "old"), ("b", "old")];
    let new = [("a", "new"), ("c", "new")];
    let merged = pairs([("a", "new"), ("b", "old"), ("c", "new")]);
    for (step, expected) in [
        ("temporary file", pairs(old)),
        ("rename", merged.clone()),
        ("half appended", merged.clone()),
        ("half stored", merged.clone()),
        ("stored", merged),
    ] {
        let place = Place::new();
        let store = Store::open(&place.url()).await.unwrap();
        store.turn().await.write_all(&writes(old)).await.unwrap();
        let (mut spool, _) = Spool::open(&place.path("cache.spool")).unwrap();
        spool.append(&writes(new)).unwrap();
        match step {
            "temporary file" => {
                fs::rename(place.path("cache.spool"), place.path("cache.spool.tmp")).unwrap();
            }
            "half appended" => {
                spool.append(&writes([("c", "later")])).unwrap();
                let file = fs::OpenOptions::new().write(true).open(place.path("cache.spool")).unwrap();
                file.set_len(file.metadata().unwrap().len() - 1).unwrap();
            }
            "half stored" => {
                let mut other = place.another_connection().await;
                let mut transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
                let half = sqlx::query("UPDATE cache SET value = 'new' WHERE key = 'a'");
                half.execute(&mut *transaction).await.unwrap();
            }
            "stored" => store.turn().await.write_all(&writes(new)).await.unwrap(),
            _ => {}
        }
        store.close().await;
        drop((store, spool));
        // Twice: a kill may also come after the start has stored and before it removed the spool.
        for start in 0..2 {
            let left = fs::read(place.path("cache.spool"));
            let (cache, _) = place.open().await;
            cache.close().await;
            drop(cache);
            assert_eq!(place.stored().await, expected, "killed after: {step}, start {start}");
            assert!(!place.is_spooled() && !place.path("cache.spool.tmp").exists(), "{step}");
            if let (0, Ok(left)) = (start, left) {
                fs::write(place.path("cache.spool"), left).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn every_put_that_races_the_exits_flush_is_stored_or_refused() {
    const THREADS: usize = 4;
    const MOST: usize = 3_000;
    let mut refused = 0;
    for round in 0..25 {
        let place = Place::new();
        let (cache, _) = place.open().await;
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let threads = [(); THREADS].map(|()| {
            let (cache, barrier) = (cache.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let id = thread::current().id();
                barrier.wait();
                let keys = (0..MOST).map(|n| format!("{id:?}-{n}"));
                keys.take_while(|key| runtime.block_on(cache.put(key.clone(), b"x")).is_ok())
                    .collect::<Vec<_>>()
            })
        });
        barrier.wait();
        // A periodic flush is under way as the exit begins.
        let periodic = tokio::spawn({
            let cache = cache.clone();
            async move { cache.flush().await }
        });
        tokio::task::yield_now().await;
        if round % 2 == 0 {
            cache.checkpoint().await.unwrap();
        }
        cache.flush_for_exit(never()).await.unwrap();
        let _ = soon(periodic).await.unwrap();
        assert_eq!(cache.unsaved(), 0);
        let stored = place.stored().await;
        let mut acknowledged = 0;
        for thread in threads {
            let keys = thread.join().unwrap();
            assert!(keys.iter().all(|key| stored.contains_key(key)), "round {round}: a put is lost");
            acknowledged += keys.len();
            refused += usize::from(keys.len() < MOST);
        }
        assert_eq!(stored.len(), acknowledged, "round {round}: what was refused is stored");
    }
    assert!(refused > 0, "no put raced a flush");
}

const CHILD: &str = "GRACEFUL_EXIT_TEST_KILLED_CHILD";

/// Not a test of its own: what [`a_kill_at_any_instant_loses_no_flushed_write`] kills.
#[tokio::test]
async fn killed_child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let url = format!("sqlite://{folder}/cache.db");
    let spool = Path::new(&folder).join("cache.spool");
    let options = Options { store: &url, spool: &spool, limits: NO_LIMITS, flush_delay: Duration::ZERO };
    let (cache, _) = Cache::open(options).await.unwrap();
    for n in 0.. {
        put(&cache, "newest", &n.to_string()).await;
        put(&cache, &format!("key-{n}"), &n.to_string()).await;
        cache.flush().await.unwrap();
        println!("\nflushed {n}");
    }
}

#[tokio::test]
async fn a_kill_at_any_instant_loses_no_flushed_write() {
    for round in 0..8u64 {
        let place = Place::new();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "business::cache::tests::kills::killed_child", "--nocapture"])
            .env(CHILD, place.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("flushed ")?.parse::<usize>().ok());
        let first = lines.next().expect("the child flushes");
        // From here on some step or other of a flush is under way; which one is left to chance.
        thread::sleep(Duration::from_micros(round * 1_370));
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines.last().unwrap_or(first);

        let (cache, recovered) = place.open().await;
        let stored = place.stored().await;
        let newest: usize = stored["newest"].parse().unwrap();
        eprintln!("killed after {last} flushes, {recovered} writes recovered");
        assert!(newest == last || newest == last + 1, "{newest} after {last}");
        assert_eq!(stored.len(), newest + 2);
        drop(cache);
    }
}
