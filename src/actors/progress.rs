//! What an exit waits for, in sentences.

use std::time::Duration;

use crate::{
    locale::Language,
    sequence::{Plan, TaskId},
};

use super::recorder::Recorder;

/// How many members a line names at most.
const NAMED: usize = 10;

/// What is waited for, and for how long still: the requests in a line, the other members in another.
pub(super) fn progress<'l>(
    plan: &Plan,
    recorder: &Recorder,
    language: Language,
    left: Duration,
    label: impl Fn(TaskId) -> &'l str,
) -> Vec<String> {
    let mut lines = Vec::new();
    let (servers, others): (Vec<_>, Vec<_>) =
        recorder.state().pending().partition(|&id| plan.drains_a_server(id));
    if !servers.is_empty() {
        let count = recorder.servers().map(|server| server.drain().gate.in_flight()).sum();
        let oldest = recorder.oldest_request().map(|request| (request.name(), request.age));
        lines.push(language.still_waiting(&language.waited_requests(count, oldest), left));
    }
    if !others.is_empty() {
        let named: Vec<_> = others.iter().take(NAMED).map(|&id| label(id).to_owned()).collect();
        let members = language.waited_members(&named, others.len() - named.len());
        lines.push(language.still_waiting(&members, left));
    }
    lines
}
