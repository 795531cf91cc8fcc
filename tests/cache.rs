//! No acknowledged write is lost: over restarts, failures of the store, and kills.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use sqlx::{Connection, Executor, SqliteConnection};

use crate::support::{App, Client, stop, wait_until};

/// Puts `keys` entries, and checks that each is acknowledged.
fn put(app: &App, keys: u32) {
    for key in 0..keys {
        let path = format!("/cache/key-{key}");
        assert_eq!(Client::put(app.business, &path, format!("value-{key}").as_bytes()).status, 204);
    }
}

fn has(app: &App, keys: u32) {
    for key in 0..keys {
        let got = Client::get(app.business, &format!("/cache/key-{key}"));
        assert_eq!((got.status, got.text()), (200, format!("value-{key}")), "key-{key}");
    }
}

/// Runs a future on a runtime of its own.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

async fn open(store: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", store.display())).await.expect("the store is opened")
}

/// How many rows the store has.
fn rows(store: &Path) -> i64 {
    block_on(async {
        let query = sqlx::query_scalar("SELECT count(*) FROM cache");
        query.fetch_one(&mut open(store).await).await.expect("a number")
    })
}

/// Holds the store's write lock until it is dropped.
struct Locked(Option<std::sync::mpsc::Sender<()>>, Option<std::thread::JoinHandle<()>>);

impl Locked {
    fn new(store: &Path) -> Self {
        let store = store.to_owned();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (locked, is_locked) = std::sync::mpsc::channel();
        let holder = std::thread::spawn(move || {
            block_on(async {
                let mut connection = open(&store).await;
                connection.execute("BEGIN EXCLUSIVE").await.expect("the lock");
                locked.send(()).expect("the receiver is waiting");
                // An error means that the other end was dropped, which is the signal to unlock.
                let _ = released.recv();
                connection.execute("ROLLBACK").await.expect("the end");
            });
        });
        is_locked.recv().expect("it is locked");
        Self(Some(release), Some(holder))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.take();
        if let Some(holder) = self.1.take() {
            holder.join().expect("no panic");
        }
    }
}

#[test]
fn it_survives_a_restart() {
    let app = App::start(&[]);
    put(&app, 100);
    has(&app, 100);
    assert!(
        !app.path("data/cache.db").exists() || rows(&app.path("data/cache.db")) == 0,
        "write-behind: not stored yet"
    );
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(rows(&ended.folder.path().join("data/cache.db")), 100);
    assert!(!ended.folder.path().join("data/cache.spool").exists(), "what is stored needs no spool");

    let app = App::start_in(ended.folder, &[]);
    has(&app, 100);
    Client::put(app.business, "/cache/key-0", b"newer");
    let app = App::start_in(stop(app).folder, &[]);
    assert_eq!(Client::get(app.business, "/cache/key-0").text(), "newer");
    assert_eq!(Client::get(app.business, "/cache/key-1").text(), "value-1");
}

#[test]
fn a_put_during_the_exit_is_either_rejected_or_kept() {
    let app = App::start(&["shutdown.ready_delay=200ms"]);
    let address = app.business;
    let writer = std::thread::spawn(move || {
        let mut acknowledged = 0;
        loop {
            let Ok(mut client) = Client::try_connect(address) else { return acknowledged };
            let path = format!("/cache/key-{acknowledged}");
            let value = format!("value-{acknowledged}");
            let answer = client.send_body("PUT", &path, &[], value.as_bytes()).and_then(|()| client.read());
            match answer {
                Ok(response) if response.status == 204 => acknowledged += 1,
                Ok(_) | Err(_) => return acknowledged,
            }
        }
    });
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let acknowledged = writer.join().expect("no panic");
    assert!(acknowledged > 0);
    has(&App::start_in(ended.folder, &[]), acknowledged);
}

#[test]
fn it_is_flushed_at_each_interval() {
    let app = App::start(&["cache.flush_interval=50ms"]);
    put(&app, 10);
    let store = app.path("data/cache.db");
    wait_until("it is in the store", || rows(&store) == 10);
    // No further write happens before the kill.
    let folder = app.kill();
    let app = App::start_in(folder, &["cache.flush_interval=50ms"]);
    has(&app, 10);
    Client::put(app.business, "/cache/another", b"x");
    wait_until("it is in the store", || rows(&store) == 11);
    assert_eq!(stop(app).code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_forced_exit_after_the_checkpoint_loses_nothing() {
    let app = App::start(&["shutdown.drain_timeout=60s", "shutdown.coalesce=0s"]);
    put(&app, 7);
    let _request = app.in_flight("/slow?ms=60000");
    app.signal(libc::SIGTERM);
    wait_until("the checkpoint is done", || app.status()["checkpoints"][0]["state"] == "done");
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1));
    let report = ended.report();
    assert_eq!(report["checkpoints"][0]["outcome"], "done", "{report}");
    let callback = &report["callbacks"][0];
    assert_eq!(callback["outcome"], "not_started");
    let error = callback["error"].as_str().expect("where the writes are");
    assert!(error.starts_with("7 writes are safe in data/cache.spool"), "{error}");
    let app = App::start_in(ended.folder, &[]);
    has(&app, 7);
    assert!(app.log_text().contains("7 writes of an earlier run were brought in"), "{}", app.log_text());
}

#[cfg(unix)]
#[test]
fn without_a_checkpoint_a_forced_exit_before_the_flush_reports_what_is_lost() {
    let app = App::start(&["cache.checkpoint=false", "shutdown.drain_timeout=60s", "shutdown.coalesce=0s"]);
    put(&app, 7);
    let _request = app.in_flight("/slow?ms=60000");
    app.signal(libc::SIGTERM);
    app.wait_for_phase("drain");
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1));
    let callback = &ended.report()["callbacks"][0];
    assert_eq!(
        (&callback["outcome"], &callback["error"]),
        (&"not_started".into(), &"7 cached writes were not flushed".into())
    );
    assert!(ended.has("7 cached writes were not flushed"), "{}", ended.text());
    let app = App::start_in(ended.folder, &[]);
    assert_eq!(Client::get(app.business, "/cache/key-0").status, 404, "the log was right");
}

#[cfg(unix)]
#[test]
fn without_a_checkpoint_a_forced_exit_during_the_flush_reports_what_is_not_spooled_as_lost() {
    let app = App::start(&[
        "cache.checkpoint=false",
        "demo.flush_delay=60s",
        "shutdown.callback_timeout=60s",
        "shutdown.timeout=100s",
        "shutdown.coalesce=0s",
    ]);
    put(&app, 1);
    app.signal(libc::SIGTERM);
    app.wait_for_phase("callbacks");
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1));
    let callback = &ended.report()["callbacks"][0];
    assert_eq!(callback["outcome"], "cut_off");
    // The flush goes on beside the report until the process ends: what was at risk then may be safe by now, and what was
    // not reported as lost is safe.
    let at_risk = callback["error"] == "1 cached write was not flushed";
    let app = App::start_in(ended.folder, &[]);
    let found = Client::get(app.business, "/cache/key-0");
    assert!(found.text() == "value-0" || (at_risk && found.status == 404), "{callback}: {found:?}");
}

/// From the checkpoint on, a write is acknowledged by the spool: whatever is acknowledged is there after a kill.
#[test]
fn a_kill_after_the_checkpoint_loses_no_write_that_was_acknowledged_before_or_after_it() {
    let app = App::start(&["shutdown.ready_delay=60s", "shutdown.timeout=100s"]);
    put(&app, 100);
    app.signal_to_stop();
    wait_until("the checkpoint is done", || app.status()["checkpoints"][0]["state"] == "done");
    for key in 0..20 {
        assert_eq!(Client::put(app.business, &format!("/cache/late-{key}"), b"late").status, 204);
    }
    assert_eq!(Client::put(app.business, "/cache/key-0", b"newer").status, 204);
    let app = App::start_in(app.kill(), &[]);
    for key in 0..20 {
        assert_eq!(Client::get(app.business, &format!("/cache/late-{key}")).text(), "late");
    }
    assert_eq!(Client::get(app.business, "/cache/key-0").text(), "newer");
    assert_eq!(Client::get(app.business, "/cache/key-99").text(), "value-99");
}

#[test]
fn a_flush_that_times_out_leaves_its_writes_in_the_spool() {
    let app = App::start(&["demo.flush_delay=60s", "shutdown.callback_timeout=300ms"]);
    put(&app, 5);
    // Large values, so that the exit could be quicker than the spool.
    let large = vec![7; 256 << 10];
    for key in 0..40 {
        assert_eq!(Client::put(app.business, &format!("/cache/large-{key}"), &large).status, 204);
    }
    let ended = stop(app);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    assert_eq!(ended.report()["callbacks"][0]["outcome"], "timed_out");
    let app = App::start_in(ended.folder, &[]);
    has(&app, 5);
    assert!(app.log_text().contains("45 writes of an earlier run were brought in"), "{}", app.log_text());
}

#[test]
fn a_store_that_is_locked_is_3_and_the_next_start_has_the_writes() {
    let app = App::start(&[]);
    put(&app, 5);
    let store = app.path("data/cache.db");
    let lock = Locked::new(&store);
    let ended = stop(app);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let report = ended.report();
    let callback = &report["callbacks"][0];
    assert_eq!((&report["outcome"], &callback["outcome"]), (&"incomplete".into(), &"failed".into()));
    let error = callback["error"].as_str().expect("an error");
    for part in ["5 writes", "safe in", "data/cache.spool", "next start", "locked"] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    assert!(ended.has(error), "the log says the same: {}", ended.text());
    drop(lock);
    assert_eq!(rows(&store), 0);

    let app = App::start_in(ended.folder, &[]);
    has(&app, 5);
    assert_eq!(rows(&store), 5, "before it serves");
    assert!(!app.path("data/cache.spool").exists());
    let again = App::start_in(stop(app).folder, &[]);
    assert!(!again.log_text().contains("brought in"), "once");
}

/// Its folder is gone.
#[cfg(not(windows))]
#[test]
fn without_a_spool_the_writes_go_straight_to_the_store_and_the_log_says_so() {
    let app = App::start(&["cache.spool=spool/cache.spool", "cache.checkpoint=false"]);
    put(&app, 5);
    let store = app.path("data/cache.db");
    fs::remove_dir_all(app.path("spool")).expect("it is there");
    let ended = stop(app);
    assert!(ended.has("5 writes went straight to the store"), "{}", ended.text());
    assert_eq!((ended.code(), rows(&store)), (Some(0), 5), "{}", ended.text());
}

#[test]
fn a_verdict_in_chinese_says_in_chinese_where_the_writes_are() {
    for (language, part) in [
        ("zh", "flush-cache失败：5 个写入已安全存于 data/cache.spool，下次启动时恢复：无法写入 sqlite:"),
        ("zh-Hant", "flush-cache失敗：5 筆寫入已安全存於 data/cache.spool，下次啟動時復原：無法寫入 sqlite:"),
    ] {
        let app = App::start(&[&format!("log.language={language}")]);
        put(&app, 5);
        let lock = Locked::new(&app.path("data/cache.db"));
        let ended = stop(app);
        drop(lock);
        assert_eq!(ended.code(), Some(3), "{}", ended.text());
        let verdict = ended.report()["verdict"].as_str().map(str::to_owned).expect("a verdict");
        assert!(verdict.contains(part), "{verdict}");
        assert!(ended.has(&verdict), "{}", ended.text());
    }
}

#[test]
fn a_store_that_is_locked_briefly_is_waited_for() {
    let app = App::start(&[]);
    put(&app, 5);
    let lock = Locked::new(&app.path("data/cache.db"));
    app.signal_to_stop();
    app.wait_for("flushing the cache");
    std::thread::sleep(Duration::from_millis(200));
    drop(lock);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    has(&App::start_in(ended.folder, &[]), 5);
}

#[test]
fn a_kill_between_spool_and_store_loses_nothing() {
    let app = App::start(&["cache.flush_interval=20ms"]);
    let store = app.path("data/cache.db");
    let lock = Locked::new(&store);
    put(&app, 5);
    let spool = app.path("data/cache.spool");
    // A periodic flush may have taken only the first entries: all five are spooled after the next one.
    wait_until("all are spooled", || {
        fs::read(&spool).is_ok_and(|spool| spool.windows(7).any(|bytes| bytes == b"value-4"))
    });
    let folder = app.kill();
    drop(lock);
    assert_eq!(rows(&store), 0);
    let app = App::start_in(folder, &[]);
    has(&app, 5);
    assert_eq!(rows(&store), 5);
}

#[test]
fn no_put_is_acknowledged_once_the_flush_has_begun() {
    // The business server closes after the callbacks, so that it still answers during the flush.
    let app = App::start(&[
        "demo.flush_delay=1500ms",
        "servers.business.stop=last",
        "shutdown.drain_timeout=100ms",
    ]);
    put(&app, 1);
    let mut slow = Client::connect(app.business);
    slow.send("PUT", "/cache/slow", &[("Content-Length", "1")]).expect("the head is sent");
    wait_until("it is in flight", || app.status()["servers"][1]["oldest"][0]["path"] == "/cache/slow");
    app.signal_to_stop();
    app.wait_for("flushing the cache");
    // The next steps are the snapshot and the delay, which is long.
    std::thread::sleep(Duration::from_millis(300));
    let late = Client::put(app.business, "/cache/late", b"x");
    assert_eq!(late.status, 503);
    // This request was admitted before the exit, and its body comes after the flush's snapshot.
    slow.write(b"x").expect("it is sent");
    assert_eq!(slow.read().expect("an answer").status, 503);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(3), "the one whose body was late was cut off: {}", ended.text());
    let app = App::start_in(ended.folder, &[]);
    assert_eq!(Client::get(app.business, "/cache/late").status, 404);
    assert_eq!(Client::get(app.business, "/cache/slow").status, 404);
    has(&app, 1);
}

#[test]
fn a_kill_loses_what_was_not_flushed_and_nothing_else() {
    let app = App::start(&[]);
    put(&app, 3);
    let app = App::start_in(stop(app).folder, &[]);
    Client::put(app.business, "/cache/unflushed", b"x");
    let app = App::start_in(app.kill(), &[]);
    has(&app, 3);
    assert_eq!(Client::get(app.business, "/cache/unflushed").status, 404);
    assert_eq!(app.status()["callbacks"][0]["state"], Value::from("not_started"));
}

#[test]
fn above_its_limit_the_cache_is_flushed_and_above_twice_of_it_a_write_is_refused() {
    let app = App::start(&["cache.max_dirty=10"]);
    let store = app.path("data/cache.db");
    put(&app, 11);
    wait_until("it is in the store", || rows(&store) == 11);
    let lock = Locked::new(&store);
    let refused = (0..30).find_map(|key| {
        let answer = Client::put(app.business, &format!("/cache/more-{key}"), b"x");
        (answer.status != 204).then_some((key, answer))
    });
    let (accepted, answer) = refused.expect("a write is refused");
    assert_eq!(
        (accepted, answer.status, answer.header("retry-after")),
        (20, 503, Some("1")),
        "{}",
        answer.text()
    );
    drop(lock);
    wait_until("there is room again", || Client::put(app.business, "/cache/later", b"x").status == 204);
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(rows(&store), 32);
}

#[test]
fn the_limit_in_bytes_counts_keys_and_values() {
    let app = App::start(&["cache.max_dirty_bytes=100KiB"]);
    let _lock = Locked::new(&app.path("data/cache.db"));
    let large = vec![7; 90 << 10];
    assert_eq!(Client::put(app.business, "/cache/a", &large).status, 204);
    assert_eq!(Client::put(app.business, "/cache/b", &large).status, 204);
    assert_eq!(Client::put(app.business, "/cache/c", &large).status, 503, "three are more than 200 KiB");
    assert_eq!(Client::put(app.business, "/cache/d", b"small").status, 204);
}

#[cfg(unix)]
mod files {
    //! Who may read what the cache writes, and what it refuses to write to.

    use std::os::unix::fs::{PermissionsExt, lchown, symlink};
    use std::process::Command;

    use super::*;
    use crate::support::{Ended, folder, tools::skipped};

    fn start_fails(folder: &std::sync::Arc<tempfile::TempDir>, settings: &[&str]) -> Ended {
        let mut command = App::command(folder.path());
        for setting in settings {
            command.args(["-s", setting]);
        }
        let ended = App::run(folder, command);
        assert_eq!(ended.code(), Some(4), "{}", ended.text());
        ended
    }

    #[test]
    fn what_it_writes_is_for_its_owner_alone() {
        let app = App::start(&["cache.store=sqlite://data/deep/cache.db", "cache.spool=other/cache.spool"]);
        put(&app, 1);
        let _lock = Locked::new(&app.path("data/deep/cache.db"));
        let folder = stop(app).folder;
        for (name, mode) in [
            ("data", 0o700),
            ("data/deep", 0o700),
            ("data/deep/cache.db", 0o600),
            ("other", 0o700),
            ("other/cache.spool", 0o600),
            ("other/cache.spool.lock", 0o600),
        ] {
            let found = fs::metadata(folder.path().join(name)).expect("it is there").permissions().mode();
            assert_eq!(found & 0o777, mode, "{name}: {:o}", found & 0o777);
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_blocks_nothing() {
        for name in ["cache.db", "cache.spool", "cache.spool.lock"] {
            for make in ["mkfifo", "mkdir"] {
                let folder = folder();
                fs::create_dir(folder.path().join("data")).expect("a folder");
                let made = Command::new(make).arg(folder.path().join("data").join(name)).status();
                assert!(made.expect("it runs").success());
                let ended = start_fails(&folder, &[]);
                assert!(ended.has("not a regular file"), "{name}, {make}: {}", ended.text());
                assert!(ended.has(name.trim_end_matches(".lock")), "{name}, {make}: {}", ended.text());
            }
        }
    }

    #[test]
    fn a_link_of_another_user_is_not_followed_and_one_of_our_own_is() {
        for name in ["cache.db", "cache.spool", "cache.spool.lock"] {
            let folder = folder();
            fs::create_dir(folder.path().join("data")).expect("a folder");
            let link = folder.path().join("data").join(name);
            symlink(folder.path().join("elsewhere"), &link).expect("a link");
            if lchown(&link, Some(65_534), Some(65_534)).is_err() {
                return skipped("a link of another user", "only root can give a link away");
            }
            let ended = start_fails(&folder, &[]);
            assert!(ended.has("another user"), "{name}: {}", ended.text());
            assert!(!folder.path().join("elsewhere").exists(), "{name}: it was followed");
            lchown(&link, Some(0), Some(0)).expect("the link is ours again");
            let app = App::start_in(folder, &[]);
            put(&app, 1);
            assert_eq!(stop(app).code(), Some(0), "{name}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_the_temporary_file_is_replaced_and_not_written_through() {
        let folder = folder();
        fs::create_dir(folder.path().join("data")).expect("a folder");
        let precious = folder.path().join("precious");
        fs::write(&precious, "precious").expect("a file");
        symlink(&precious, folder.path().join("data/cache.spool.tmp")).expect("a link");
        let app = App::start_in(std::sync::Arc::clone(&folder), &[]);
        put(&app, 3);
        assert_eq!(stop(app).code(), Some(0));
        assert_eq!(fs::read_to_string(precious).expect("it is there"), "precious");
    }
}
