//! [`ServerRun`]: one server's part in the record of an exit.

use crate::{
    drain::InFlight,
    report::{Request, ServerReport, ServerStatus},
    server::Handle,
};

/// How many requests in flight, and how many that were cut off, a status names.
const NAMED: usize = 5;

/// A server, and its counts when the exit was asked for.
#[derive(Debug)]
pub(super) struct ServerRun {
    pub(super) server: Handle,
    completed: u64,
    rejected: u64,
    /// When rejecting began.
    in_flight: u64,
    abandoned: Option<Vec<Request>>,
}

impl ServerRun {
    pub(super) fn new(server: &Handle) -> Self {
        Self { server: server.clone(), completed: 0, rejected: 0, in_flight: 0, abandoned: None }
    }

    /// The exit begins: counts run from here.
    pub(super) fn begin(&mut self) {
        let gate = &self.server.drain().gate;
        self.completed = gate.completed();
        self.rejected = gate.rejected();
    }

    /// From now on requests are rejected; those in flight are counted in the same step.
    pub(super) fn reject_requests(&mut self) {
        self.server.reject_requests();
        let connections = &self.server.drain().connections;
        self.in_flight = if connections.has_cut_off() {
            connections.unanswered().len() as u64
        } else {
            self.server.in_flight_at_reject()
        };
    }

    /// Names the requests that are cut off; `None` if they were named before.
    pub(super) fn abandon(&mut self) -> Option<&[Request]> {
        if self.abandoned.is_some() {
            return None;
        }
        let requests = self.server.drain().connections.unanswered();
        // An exit that is cut short before rejecting began has counted none so far.
        self.in_flight = self.in_flight.max(requests.len() as u64);
        Some(self.abandoned.insert(requests.into_iter().map(request).collect()))
    }

    /// The requests in flight, so many of them at the most, the oldest first.
    pub(super) fn oldest(&self, most: usize) -> Vec<Request> {
        let requests = self.server.drain().connections.in_flight().into_iter().take(most);
        requests.map(request).collect()
    }

    pub(super) fn report(&self) -> ServerReport {
        let gate = &self.server.drain().gate;
        ServerReport {
            name: self.server.name().to_string(),
            in_flight_at_start: self.in_flight,
            completed: gate.completed().saturating_sub(self.completed),
            rejected: gate.rejected().saturating_sub(self.rejected),
            abandoned: self.abandoned.clone().unwrap_or_default(),
        }
    }

    pub(super) fn status(&self) -> ServerStatus {
        let abandoned = self.abandoned.as_deref().unwrap_or_default();
        let gate = &self.server.drain().gate;
        ServerStatus {
            name: self.server.name().to_string(),
            in_flight: gate.in_flight(),
            completed: gate.completed(),
            rejected: gate.rejected(),
            abandoned: abandoned.len() as u64,
            oldest: self.oldest(NAMED),
            cut_off: abandoned.iter().take(NAMED).cloned().collect(),
        }
    }
}

fn request(it: InFlight) -> Request {
    Request::new(it.method, it.path, it.age)
}
