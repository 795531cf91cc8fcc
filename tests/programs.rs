//! Programs of library users: under every runtime, with an actix `System` of their own, with work after the exit, and
//! with several exits in one process.

mod after_run;
#[cfg(unix)]
mod factory;
mod lifetimes;
mod runtimes;
#[cfg(unix)]
mod signals;
mod system_stop;

use actix_web::{App, web};
use graceful_exit::{ExitHandle, Server};

use crate::support::Client;

/// A server of one line, `/`; the tests' exits give it a free port.
fn hello() -> Server {
    let app = || App::new().route("/", web::get().to(|| async { "hello\n" }));
    Server::new("web", app).bind("127.0.0.1:0").workers(2)
}

/// Waits until the exit serves, asks it something, and stops it: on a thread of its own, as a test of a service would.
fn use_and_stop(exit: ExitHandle) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        assert!(runtime.block_on(exit.ready()), "it serves");
        let address = exit.addrs("web")[0].tcp().expect("a port");
        assert_eq!(Client::get(address, "/").text(), "hello\n");
        exit.stop("the test is over");
    })
}

/// Sends a signal to a child that has not been waited for.
#[cfg(unix)]
fn kill(process: u32, signal: i32) {
    #[expect(unsafe_code, reason = "std sends no signals")]
    // SAFETY: it only sends.
    let sent = unsafe { libc::kill(i32::try_from(process).expect("a process id"), signal) };
    assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
}
