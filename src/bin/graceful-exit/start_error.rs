//! Why the start failed, in the language of the log; for an address in use, with the process that has it.

use std::io;

#[cfg(unix)]
use graceful_exit::os::systemd::InheritError;
use graceful_exit::{Language, StartError, logging::LoggingError, os::signals::InstallError};

use crate::{holder, inherited, locale::say};

/// One message that names the address, the path or the thread.
pub(crate) fn message(error: &StartError, language: Language) -> String {
    match error {
        StartError::Bind(error) => {
            let (server, address, kind) = (&error.server, &error.address, error.source.kind());
            let cause = language.cause(&error.source);
            let what = say!(language,
                en: "server {server} cannot listen on {address}: {cause}",
                zh: "服务器{server}无法监听 {address}：{cause}",
                zh_hant: "伺服器{server}無法監聽 {address}：{cause}",
            );
            match kind {
                io::ErrorKind::AddrInUse => format!("{what}; {}", in_use(server, address, language)),
                _ => what,
            }
        }
        StartError::Serve { server, source, .. } => {
            let cause = language.cause(source);
            say!(language,
                en: "server {server} cannot be started: {cause}",
                zh: "服务器{server}无法启动：{cause}",
                zh_hant: "伺服器{server}無法啟動：{cause}",
            )
        }
        StartError::Report { path, source, .. } => {
            language.report_failed(&path.display(), &language.cause(source))
        }
        StartError::Signals(error) => of_signals(error, language),
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
        // Mistakes of a program that uses the library.
        error => error.to_string(),
    }
}

fn of_signals(error: &InstallError, language: Language) -> String {
    match error {
        InstallError::Pipe(error) => say!(language,
            en: "the pipe for signals cannot be made: {error}",
            zh: "无法建立信号管道：{error}",
            zh_hant: "無法建立訊號管道：{error}",
        ),
        InstallError::Thread(error) => say!(language,
            en: "the thread for signals cannot be started: {error}",
            zh: "无法启动信号线程：{error}",
            zh_hant: "無法啟動訊號執行緒：{error}",
        ),
        InstallError::Handler { of, source, .. } => say!(language,
            en: "no handler can be installed for {of}: {source}",
            zh: "无法为 {of} 安装处理函数：{source}",
            zh_hant: "無法為 {of} 安裝處理函式：{source}",
        ),
        error => error.to_string(),
    }
}

/// The same for sockets that were passed in.
pub(crate) fn of_inherited(error: &inherited::Error, language: Language) -> String {
    match error {
        #[cfg(unix)]
        inherited::Error::Socket(InheritError::Names { sockets, names }) => say!(language,
            en: "LISTEN_FDS passes in {sockets} sockets, and LISTEN_FDNAMES gives {names} names: each needs its own (FileDescriptorName=)",
            zh: "LISTEN_FDS 传入 {sockets} 个套接字，而 LISTEN_FDNAMES 给出 {names} 个名称：每个都须有自己的名称（FileDescriptorName=）",
            zh_hant: "LISTEN_FDS 傳入 {sockets} 個通訊端，而 LISTEN_FDNAMES 給出 {names} 個名稱：每個都須有自己的名稱（FileDescriptorName=）",
        ),
        #[cfg(unix)]
        inherited::Error::Socket(InheritError::NotAListener { name, source }) => say!(language,
            en: "the socket `{name}` from LISTEN_FDS: {source}",
            zh: "来自 LISTEN_FDS 的套接字 `{name}`：{source}",
            zh_hant: "來自 LISTEN_FDS 的通訊端 `{name}`：{source}",
        ),
        inherited::Error::Name(name) => say!(language,
            en: "LISTEN_FDNAMES names a socket `{name}`, and no server is called so: use admin or business (FileDescriptorName=)",
            zh: "LISTEN_FDNAMES 中有名为 `{name}` 的套接字，但没有这个名称的服务器：请用 admin 或 business（FileDescriptorName=）",
            zh_hant: "LISTEN_FDNAMES 中有名為 `{name}` 的通訊端，但沒有這個名稱的伺服器：請用 admin 或 business（FileDescriptorName=）",
        ),
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
