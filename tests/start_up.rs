//! A failed start is exit code 4 and names its cause; a start ended by a signal undoes its steps in order.

use std::{fs, net::TcpListener, process::Command};

use crate::support::{App, folder, stop};

#[cfg(target_os = "linux")]
mod blocked;
#[cfg(target_os = "linux")]
mod failing;
#[cfg(unix)]
mod signals;

/// Runs an application that cannot start, and returns its log.
fn cannot_start(prepare: impl FnOnce(&std::path::Path, &mut Command)) -> String {
    let folder = folder();
    let mut command = App::command(folder.path());
    prepare(folder.path(), &mut command);
    let ended = App::run(&folder, command);
    assert_eq!(ended.code(), Some(4), "{}", ended.text());
    assert!(!folder.path().join("report.json").exists(), "there was no exit to report");
    assert!(!ended.has("server started"), "{}", ended.text());
    ended.text()
}

#[test]
fn an_address_in_use_is_4_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for server in ["admin", "business"] {
        let log = cannot_start(|_, command| {
            command.args(["-s", &format!("servers.{server}.bind={address}")]);
        });
        assert!(log.contains(&address.to_string()) && log.contains(server), "{log}");
        let reason = if cfg!(windows) { "os error 10048" } else { "in use" };
        assert!(log.contains(reason), "{log}");
    }
    let log = cannot_start(|_, command| {
        command.args(["-s", "log.level=off", "-s", &format!("servers.admin.bind={address}")]);
    });
    assert!(log.contains(&address.to_string()), "even of a log that is off: {log}");
}

#[test]
fn an_address_that_does_not_exist_is_4_and_is_named() {
    let log = cannot_start(|_, command| {
        command.args(["-s", "servers.business.bind=no-such-host.invalid:80"]);
    });
    assert!(log.contains("no-such-host.invalid:80"), "{log}");
    // An address for documentation only: RFC 5737.
    let log = cannot_start(|_, command| {
        command.args(["-s", "servers.business.bind=192.0.2.1:8080"]);
    });
    assert!(log.contains("192.0.2.1:8080"), "{log}");
}

#[test]
fn a_log_file_that_cannot_be_written_is_4_and_is_named() {
    let log = cannot_start(|folder, command| {
        fs::write(folder.join("file"), "").expect("a file");
        command.args(["-s", "log.file=file/below.log"]);
    });
    assert!(log.contains("file/below.log"), "{log}");
    let log = cannot_start(|folder, command| {
        fs::create_dir(folder.join("a-folder")).expect("a folder");
        command.args(["-s", "log.file=a-folder"]);
    });
    assert!(log.contains("a-folder"), "{log}");
}

#[test]
fn a_store_that_cannot_be_opened_is_4_and_is_named() {
    for (store, named) in [
        ("sqlite://file/cache.db", "file"),
        ("sqlite://a-folder", "a-folder"),
        ("sqlite://no-database", "no-database"),
        ("sqlite::memory:", ":memory:"),
        ("postgres://user:s3cret@127.0.0.1:1/none", "127.0.0.1:1"),
    ] {
        let log = cannot_start(|folder, command| {
            fs::write(folder.join("file"), "").expect("a file");
            fs::create_dir(folder.join("a-folder")).expect("a folder");
            fs::write(folder.join("no-database"), "this is not a database at all ".repeat(99))
                .expect("a file");
            command.args(["-s", &format!("cache.store={store}")]);
        });
        assert!(log.contains(named), "{store}: {log}");
        assert!(!log.contains("s3cret"), "{log}");
    }
}

#[test]
fn a_spool_that_cannot_be_opened_is_4_and_is_named() {
    let log = cannot_start(|folder, command| {
        fs::write(folder.join("file"), "").expect("a file");
        command.args(["-s", "cache.spool=file/cache.spool"]);
    });
    assert!(log.contains("file/cache.spool"), "{log}");
    let log = cannot_start(|folder, command| {
        fs::create_dir(folder.join("a-folder")).expect("a folder");
        command.args(["-s", "cache.spool=a-folder"]);
    });
    assert!(log.contains("a-folder"), "{log}");
}

#[test]
fn a_damaged_spool_is_4_and_is_left_as_it_is() {
    let folder = folder();
    fs::create_dir(folder.path().join("data")).expect("a folder");
    let spool = folder.path().join("data/cache.spool");
    fs::write(&spool, "damaged").expect("a file");
    let ended = App::run(&folder, App::command(folder.path()));
    assert_eq!(ended.code(), Some(4), "{}", ended.text());
    assert!(ended.has("data/cache.spool") && ended.has("damaged"), "{}", ended.text());
    assert_eq!(fs::read(&spool).expect("it is still there"), b"damaged");
}

#[test]
fn a_spool_that_another_process_holds_is_4() {
    let first = App::start(&[]);
    let second = folder();
    let mut command = App::command(second.path());
    command.args(["-s", &format!("cache.spool={}", first.path("data/cache.spool").display())]);
    let ended = App::run(&second, command);
    assert_eq!(ended.code(), Some(4), "{}", ended.text());
    assert!(ended.has("held by another process") && ended.has("cache.spool"), "{}", ended.text());
    assert_eq!(stop(first).code(), Some(0), "the one that holds it does not notice");
}

/// Prepares the folder and the command of an application that cannot start.
type Prepare<'a> = &'a dyn Fn(&std::path::Path, &mut Command);

#[test]
fn a_store_and_a_spool_that_cannot_be_used_are_told_in_each_language() {
    let damaged = |folder: &std::path::Path, _: &mut Command| {
        fs::create_dir(folder.join("data")).expect("a folder");
        fs::write(folder.join("data/cache.spool"), "damaged").expect("a file");
    };
    let no_store = |folder: &std::path::Path, command: &mut Command| {
        fs::write(folder.join("text"), "no folder").expect("a file");
        command.args(["-s", "cache.store=sqlite:text/cache.db"]);
    };
    let unknown_parameter = |_: &std::path::Path, command: &mut Command| {
        command.args(["-s", "cache.store=sqlite:x.db?elephant=secret"]);
    };
    let unknown_value = |_: &std::path::Path, command: &mut Command| {
        command.args(["-s", "cache.store=sqlite:x.db?mode=secret"]);
    };
    let rows: [(Prepare<'_>, [&str; 2]); 4] = [
        (
            &damaged,
            [
                "暂存文件 data/cache.spool 已损坏，未作改动：开头不是暂存文件的格式",
                "暫存檔 data/cache.spool 已損壞，未作更動：開頭不是暫存檔的格式",
            ],
        ),
        (
            &no_store,
            ["无法创建 sqlite:text/cache.db 所在的文件夹：", "無法建立 sqlite:text/cache.db 所在的資料夾："],
        ),
        (
            &unknown_value,
            [
                "无法使用 sqlite:x.db?***：URL 中参数 `mode` 的值不可用",
                "無法使用 sqlite:x.db?***：URL 中參數 `mode` 的值不可用",
            ],
        ),
        (
            &unknown_parameter,
            [
                "无法使用 sqlite:x.db?***：URL 中有未知的参数 `elephant`",
                "無法使用 sqlite:x.db?***：URL 中有未知的參數 `elephant`",
            ],
        ),
    ];
    for (prepare, sentences) in rows {
        for (language, sentence) in ["zh", "zh-Hant"].into_iter().zip(sentences) {
            let log = cannot_start(|folder, command| {
                command.args(["-s", &format!("log.language={language}")]);
                prepare(folder, command);
            });
            assert!(log.contains(sentence) && !log.contains("secret"), "{sentence}: {log}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_or_a_folder_that_stands_in_the_way_is_told_in_each_language() {
    for (setting, sentences) in [
        (
            "servers.admin.bind=unix:file",
            [
                "server admin cannot listen on unix:file: there is a file that is no socket",
                "服务器admin无法监听 unix:file：那里已有文件，但不是套接字",
                "伺服器admin無法監聽 unix:file：那裡已有檔案，但不是通訊端",
            ],
        ),
        (
            "report.path=folder",
            [
                "the report cannot be written to folder: it is the path of a folder",
                "报告无法写入 folder：这是一个文件夹的路径",
                "報告無法寫入 folder：這是一個資料夾的路徑",
            ],
        ),
        (
            "cache.spool=folder",
            [
                "the spool folder cannot be read: it is not a regular file",
                "暂存文件 folder 无法读取：它不是普通文件",
                "暫存檔 folder 無法讀取：它不是一般檔案",
            ],
        ),
    ] {
        for (language, sentence) in ["en", "zh", "zh-Hant"].into_iter().zip(sentences) {
            let folder = folder();
            fs::create_dir(folder.path().join("folder")).expect("a folder");
            fs::write(folder.path().join("file"), "").expect("a file");
            let mut command = App::command(folder.path());
            command.args(["-s", setting, "-s", &format!("log.language={language}")]);
            let ended = App::run(&folder, command);
            assert_eq!(ended.code(), Some(4), "{}", ended.text());
            assert!(ended.has(sentence), "{sentence}: {}", ended.text());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_a_start_is_4_with_a_message_in_the_language_of_the_environment() {
    // From as many as the dynamic linker needs to fewer than the servers need.
    let limits: Vec<_> = (4..=16).collect();
    crate::support::side_by_side(&limits, |limit| {
        let folder = folder();
        let ours = App::command(folder.path());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
        command.arg(ours.get_program()).args(ours.get_args());
        command.current_dir(folder.path()).env("LC_ALL", "zh_TW.UTF-8");
        let ended = App::run(&folder, command);
        assert_eq!(ended.code(), Some(4), "{limit}: {}", ended.text());
        let is_chinese = |line: &crate::support::Line| line.text.chars().any(|c| c > '\u{3000}');
        assert!(ended.log.iter().all(is_chinese), "{limit}: {}", ended.text());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_in_use_is_reported_with_the_process_that_has_it_and_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for (language, part) in
        [("en", "listens there: stop it, or set servers.business.bind"), ("zh-Hant", "正在監聽：請停止它")]
    {
        let folder = folder();
        let mut command = App::command(folder.path());
        command.args([
            "-s",
            &format!("servers.business.bind={address}"),
            "-s",
            &format!("log.language={language}"),
        ]);
        let ended = App::run(&folder, command);
        assert_eq!(ended.code(), Some(4), "{}", ended.text());
        for part in [part, &format!("pid {}", std::process::id()), &address.to_string()] {
            assert!(ended.has(part), "{part} is missing in:\n{}", ended.text());
        }
    }
}
