//! What an exit waits for, in sentences and in fields.

use std::time::Duration;

use super::recorder::Recorder;
use crate::{
    locale::Language,
    report::Request,
    sequence::{Plan, TaskId},
};

/// How many members a line names at most.
const NAMED: usize = 10;

/// What is waited for, as one line of the log.
pub(super) struct Waiting<'a> {
    pub(super) sentence: String,
    pub(super) awaited: Awaited<'a>,
}

/// The same for machines.
pub(super) enum Awaited<'a> {
    /// The requests in flight of all servers, and the oldest of them.
    Requests { in_flight: u64, oldest: Option<Request> },
    /// The other members, of which so many more are not named.
    Members { named: Vec<&'a str>, more: usize },
}

/// What is waited for, and for how long still: the requests in a line, the other members in another.
pub(super) fn progress<'l>(
    plan: &'l Plan,
    recorder: &Recorder,
    language: Language,
    left: Duration,
    label: impl Fn(TaskId) -> &'l str,
) -> Vec<Waiting<'l>> {
    let mut lines = Vec::new();
    let (servers, others): (Vec<_>, Vec<_>) =
        recorder.state().pending().partition(|&id| plan.drains_a_server(id));
    if !servers.is_empty() {
        let in_flight = recorder.servers().map(|server| server.drain().gate.in_flight()).sum();
        let oldest = recorder.oldest_request();
        let what = oldest.as_ref().map(|request| (request.name(), request.age));
        let sentence = language.still_waiting(&language.waited_requests(in_flight, what), left);
        lines.push(Waiting { sentence, awaited: Awaited::Requests { in_flight, oldest } });
    }
    if !others.is_empty() {
        let named: Vec<_> = others.iter().copied().take(NAMED).collect();
        let more = others.len() - named.len();
        let labels: Vec<_> = named.iter().map(|&id| label(id).to_owned()).collect();
        let named = named.iter().map(|&id| plan.member_of(id).name.as_str()).collect();
        let sentence = language.still_waiting(&language.waited_members(&labels, more), left);
        lines.push(Waiting { sentence, awaited: Awaited::Members { named, more } });
    }
    lines
}
