//! Why the start failed, in the language of the log; for an address in use, with the process that has it.

use std::io;

use graceful_exit::{Language, StartError, logging::LoggingError};

use crate::{holder, locale::say};

/// One message that names the address, the path or the thread.
pub(crate) fn message(error: &StartError, language: Language) -> String {
    match error {
        StartError::Bind(error) => {
            let (server, address, cause) = (&error.server, &error.address, &error.source);
            let what = say!(language,
                en: "server {server} cannot listen on {address}: {cause}",
                zh: "服务器{server}无法监听 {address}：{cause}",
                zh_hant: "伺服器{server}無法監聽 {address}：{cause}",
            );
            match cause.kind() {
                io::ErrorKind::AddrInUse => format!("{what}; {}", in_use(server, address, language)),
                _ => what,
            }
        }
        StartError::Serve { server, source, .. } => say!(language,
            en: "server {server} cannot be started: {source}",
            zh: "服务器{server}无法启动：{source}",
            zh_hant: "伺服器{server}無法啟動：{source}",
        ),
        StartError::Thread(error) => say!(language,
            en: "a thread cannot be started: {error}",
            zh: "无法启动线程：{error}",
            zh_hant: "無法啟動執行緒：{error}",
        ),
        StartError::HardStop(error) => say!(language,
            en: "the thread of the hard stop cannot be started: {error}",
            zh: "无法启动强制结束线程：{error}",
            zh_hant: "無法啟動強制結束執行緒：{error}",
        ),
        error => error.to_string(),
    }
}

/// The same for an address space with fewer bytes left than are needed.
#[cfg(unix)]
pub(crate) fn of_the_address_space(bytes: usize, error: &io::Error, language: Language) -> String {
    let mib = bytes >> 20;
    say!(language,
        en: "the address space (ulimit -v) is too small to start in, which takes {mib} MiB more: {error}",
        zh: "地址空间（ulimit -v）过小，启动还需要 {mib} MiB：{error}",
        zh_hant: "位址空間（ulimit -v）過小，啟動還需要 {mib} MiB：{error}",
    )
}

/// The same for the thread that reports to systemd.
#[cfg(unix)]
pub(crate) fn of_systemd(error: &io::Error, language: Language) -> String {
    say!(language,
        en: "the thread for systemd cannot be started: {error}",
        zh: "无法启动 systemd 线程：{error}",
        zh_hant: "無法啟動 systemd 執行緒：{error}",
    )
}

/// The same for a runtime without descriptors.
#[cfg(unix)]
pub(crate) fn of_the_runtime(error: &io::Error, language: Language) -> String {
    say!(language,
        en: "no descriptors are left for the runtime: {error}",
        zh: "没有可供运行时使用的文件描述符：{error}",
        zh_hant: "沒有可供執行階段使用的檔案描述元：{error}",
    )
}

/// The same for the log's start.
pub(crate) fn of_the_log(error: &LoggingError, language: Language) -> String {
    match error {
        LoggingError::File { path, error } => language.log_unwritable(Some(path), error),
        LoggingError::Thread { error } => say!(language,
            en: "a thread for the log cannot be started: {error}",
            zh: "无法启动日志线程：{error}",
            zh_hant: "無法啟動日誌執行緒：{error}",
        ),
        error => error.to_string(),
    }
}

/// Which process has the address, where the system tells, and what to do.
fn in_use(server: &str, address: &str, language: Language) -> String {
    let holder = holder::of(address);
    match holder {
        Some((pid, command)) => say!(language,
            en: "pid {pid} ({command}) listens there: stop it, or set servers.{server}.bind to another address",
            zh: "pid {pid}（{command}）正在监听：请停止它，或将 servers.{server}.bind 设为其他地址",
            zh_hant: "pid {pid}（{command}）正在監聽：請停止它，或將 servers.{server}.bind 設為其他位址",
        ),
        None => say!(language,
            en: "stop the process that listens there, or set servers.{server}.bind to another address",
            zh: "请停止正在监听的进程，或将 servers.{server}.bind 设为其他地址",
            zh_hant: "請停止正在監聽的行程，或將 servers.{server}.bind 設為其他位址",
        ),
    }
}
