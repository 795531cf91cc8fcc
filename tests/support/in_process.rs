//! A service within the test's own process.

use std::{net::SocketAddr, thread};

use graceful_exit::{ExitHandle, GracefulExit, Report, StartError};

use super::wait::wait_until;

/// A service that runs on a thread of its own.
pub(crate) struct InProcess {
    pub(crate) handle: ExitHandle,
    pub(crate) address: SocketAddr,
    thread: thread::JoinHandle<Result<Report, StartError>>,
}

impl InProcess {
    /// Starts it; ready when it serves. Its server is called `web`.
    pub(crate) fn start(exit: GracefulExit) -> Self {
        let handle = exit.handle();
        let thread = thread::spawn(move || exit.run_blocking());
        let address = || handle.addrs("web").first()?.tcp();
        wait_until("it serves", || address().is_some() && handle.is_ready());
        Self { address: address().expect("it is bound"), handle, thread }
    }

    /// How many requests are in flight.
    pub(crate) fn in_flight(&self) -> u64 {
        self.handle.status().map_or(0, |status| status.servers[0].in_flight)
    }

    /// Waits until so many requests are in flight.
    pub(crate) fn wait_in_flight(&self, requests: u64) {
        wait_until("the requests are in flight", || self.in_flight() == requests);
    }

    /// Asks it to stop.
    pub(crate) fn ask_to_stop(&self) {
        self.handle.stop("the test asks for it");
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Report {
        self.thread.join().expect("no panic").expect("it runs")
    }
}
