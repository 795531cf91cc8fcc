//! The phases of an exit, as the application's settings reach them.

use std::net::SocketAddr;

use graceful_exit::sequence::PhaseKind;

use super::{client::Client, process::App};

/// The settings that give each delay this length: an exit of the application then has every phase.
pub(crate) fn delays_of(length: &str) -> Vec<String> {
    PhaseKind::delays().map(|phase| format!("{}={length}", phase.setting())).collect()
}

/// An application whose exit stays in a phase, and what it waits for there.
pub(crate) struct Held {
    pub(crate) app: App,
    _client: Option<Client>,
}

impl Held {
    /// Starts the application. Its exit begins with the caller's request to stop, and stays in the phase for a minute, the
    /// limits of the exit being two.
    pub(crate) fn in_phase(phase: PhaseKind) -> Self {
        let limit = format!("{}=60s", phase.setting());
        let cause: &[&str] = match phase {
            PhaseKind::CloseServers | PhaseKind::CloseLast => &["shutdown.keep_alive_grace=60s"],
            PhaseKind::Callbacks => &["demo.flush_delay=60s"],
            PhaseKind::Release => &["demo.release_delay=60s"],
            _ => &[],
        };
        let app = App::start(&[cause, &[&limit, "shutdown.timeout=120s"]].concat());
        let client = match phase {
            PhaseKind::Drain => Some(app.in_flight("/slow?ms=60000")),
            // A recently used connection stays open for the keep-alive grace.
            PhaseKind::CloseServers => Some(used(app.business, "/")),
            PhaseKind::CloseLast => Some(used(app.admin, "/healthz")),
            _ => None,
        };
        Self { app, _client: client }
    }

    /// Waits until the exit has reached the phase.
    pub(crate) fn reach(&self, phase: PhaseKind) {
        match phase {
            // The server that tells the phase is closing itself then.
            PhaseKind::CloseLast => drop(self.app.wait_for("closing the last servers")),
            phase => self.app.wait_for_phase(phase.name()),
        }
    }
}

/// A kept-alive connection whose request has been answered.
fn used(address: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect(address);
    client.send("GET", path, &[]).expect("the request is sent");
    client.read().expect("the request is answered");
    client
}
