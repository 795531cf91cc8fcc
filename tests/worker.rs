//! A background worker takes part in the drain: runs the example `background_worker` as a process.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::support::{Client, STUCK_AFTER, tools::skipped, wait_until};

#[test]
fn the_worker_finishes_its_job_and_takes_no_other() {
    let folder = Path::new(env!("CARGO_BIN_EXE_graceful-exit")).parent().expect("a folder");
    let example = folder.join("examples/background_worker");
    if !example.is_file() {
        return skipped(
            "the background worker",
            "the example is not built (`cargo test` builds it, `--test main` alone does not)",
        );
    }
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = SocketAddr::from(([127, 110, high, low.max(1)], 8080));
    let mut child =
        Command::new(example).arg(address.to_string()).stdout(Stdio::piped()).spawn().expect("it starts");
    let (lines, said) = mpsc::channel();
    let stdout = child.stdout.take().expect("a pipe");
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // The process may have ended already, or the test may have failed.
            let _ = lines.send(line);
        }
    });
    let hears = || said.recv_timeout(STUCK_AFTER).expect("a line");

    wait_until("it listens", || std::net::TcpStream::connect(address).is_ok());
    for job in 1..=3 {
        let answer = Client::request(address, "POST", "/jobs", &[("Content-Length", "0")], b"");
        assert_eq!((answer.status, answer.text()), (202, format!("job {job}\n")));
    }
    assert_eq!(hears(), "job 1 is begun");
    #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
    // SAFETY: the child has not been waited for, so its id is its own.
    unsafe {
        libc::kill(libc::pid_t::try_from(child.id()).expect("a process id"), libc::SIGTERM);
    }
    assert_eq!(hears(), "taking no more work, 2 jobs stay in the queue");
    assert_eq!(hears(), "job 1 is done");
    let mut status = None;
    wait_until("it ends", || {
        status = child.try_wait().expect("a child");
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    assert_eq!(said.recv_timeout(Duration::from_secs(1)).ok(), None, "no other job is begun");
}
