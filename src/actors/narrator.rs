//! [`Narrator`]: what the log says of an exit, as sentences and as events with fields.
//!
//! Every event has the field `event`. Records with the target [`EVENTS`] are for machines: formats for people leave
//! them out, since the sentences beside them say the same.

use std::time::Duration;

use log::Level;

use super::progress::{Awaited, Waiting};
use crate::{
    locale::{Language, escaped},
    report::{self, Report, Request},
    sequence::{EndedBy, Kind, Outcome, Phase, PhaseKind, PhaseKind::Release, TaskResult, TaskStatus},
};

/// The target of records that only machines need.
pub const EVENTS: &str = "graceful_exit::events";

/// Writes the log's lines of one exit.
pub(super) struct Narrator {
    language: Language,
    /// True if the log ends with a summary.
    summary: bool,
    /// True once the release has been logged: each resource has a phase of its own, and all of them share one line.
    has_released: bool,
}

/// A job or a server, as the log calls it.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) label: &'a str,
}

impl Narrator {
    pub(super) fn new(language: Language, summary: bool) -> Self {
        Self { language, summary, has_released: false }
    }

    pub(super) fn begun(&self, reason: &str) {
        log::info!(event = "exit_started", reason = reason; "{}", self.language.begun());
    }

    pub(super) fn phase_started(&mut self, phase: &Phase) {
        let has_sentence = phase.kind != Release || !std::mem::replace(&mut self.has_released, true);
        log::info!(
            target: if has_sentence { module_path!() } else { EVENTS },
            event = "phase_started", phase = phase.kind.name();
            "{}", self.language.phase(phase.kind, phase.delay)
        );
    }

    pub(super) fn phase_ended(&self, kind: PhaseKind, took: Duration, by: EndedBy) {
        let name = self.language.phase_name(kind);
        let how = match by {
            EndedBy::Done => self.language.status(TaskStatus::Done),
            EndedBy::Timeout | EndedBy::Deadline | EndedBy::Signal => self.language.ended_by(by),
        };
        let (colon, by) = (self.language.colon(), by.name());
        let (phase, duration_ms) = (kind.name(), report::millis_of(took));
        log::info!(
            target: EVENTS,
            event = "phase_ended", phase = phase, duration_ms = duration_ms, ended_by = by;
            "{name}{colon}{how}"
        );
    }

    /// What is waited for, and for how long still.
    pub(super) fn waiting(phase: Option<PhaseKind>, left: Duration, waiting: &Waiting<'_>) {
        let (mut in_flight, mut oldest, mut members, mut more) = (None, None, None, None);
        match &waiting.awaited {
            Awaited::Requests { in_flight: count, oldest: request } => {
                (in_flight, oldest) = (Some(*count), request.as_ref());
            }
            Awaited::Members { named, more: count } => (members, more) = (Some(named), Some(*count)),
        }
        log::info!(
            event = "progress", phase = phase.map(PhaseKind::name), left_ms = report::millis_of(left),
            in_flight = in_flight, method = oldest.map(|request| request.method.as_str()),
            path = oldest.map(|request| request.path.as_str()),
            age_ms = oldest.map(|request| report::millis_of(request.age)),
            members:serde = members, more = more;
            "{}", waiting.sentence
        );
    }

    pub(super) fn server_closing(&self, server: &str) {
        log::info!(event = "server_closing", server = server; "{}", self.language.closing(server));
    }

    pub(super) fn server_failed(&self, server: &str) {
        log::error!(event = "server_failed", server = server; "{}", self.language.server_failed(server));
    }

    /// A member has answered.
    pub(super) fn member_answered(
        &self,
        member: Named<'_>,
        phase: Option<PhaseKind>,
        result: TaskResult,
        took: Duration,
        error: Option<&str>,
    ) {
        let (language, error_text) = (self.language, error.unwrap_or_default());
        let sentence = match result {
            TaskResult::Done if phase.is_some_and(PhaseKind::closes_servers) => {
                Some((Level::Info, language.closed(member.name)))
            }
            TaskResult::Done => None,
            TaskResult::Failed => Some((Level::Error, language.failed(member.label, error_text))),
            TaskResult::Panicked => Some((Level::Error, language.panicked(member.label, error_text))),
            TaskResult::Unreachable => {
                let more = error.map(|error| format!("{}{error}", language.colon())).unwrap_or_default();
                Some((Level::Error, language.unreachable(member.label) + &more))
            }
        };
        self.member_ended(member, phase, result.into(), took, error, sentence);
    }

    /// A member is no longer waited for: its own timeout is over, or the exit ends before its time.
    pub(super) fn member_cancelled(
        &self,
        member: Named<'_>,
        phase: Option<PhaseKind>,
        by: EndedBy,
        took: Duration,
    ) {
        let status = if by == EndedBy::Timeout { TaskStatus::TimedOut } else { TaskStatus::CutOff };
        // Of a server that drains, each request that is cut off is named instead. After a second signal, the end
        // is the only line.
        let drains = phase == Some(PhaseKind::Drain) && member.kind.is_server();
        let has_sentence = !drains && by != EndedBy::Signal;
        let sentence = has_sentence.then(|| (Level::Warn, self.language.timed_out(member.label)));
        self.member_ended(member, phase, status, took, None, sentence);
    }

    /// The event alone, where there is no sentence for people.
    fn member_ended(
        &self,
        member: Named<'_>,
        phase: Option<PhaseKind>,
        status: TaskStatus,
        took: Duration,
        error: Option<&str>,
        sentence: Option<(Level, String)>,
    ) {
        let language = self.language;
        let target = if sentence.is_some() { module_path!() } else { EVENTS };
        let (level, sentence) = sentence.unwrap_or_else(|| {
            let level = if status == TaskStatus::Done { Level::Info } else { Level::Warn };
            (level, format!("{}{}{}", member.label, language.colon(), language.status(status)))
        });
        log::log!(
            target: target,
            level,
            event = "member_ended", member = member.name, kind = member.kind.noun(), outcome = status.name(),
            phase = phase.map(PhaseKind::name), duration_ms = report::millis_of(took), error = error;
            "{sentence}"
        );
    }

    /// Requests are cut off. Those with the same method and path are one event. The verdict and the summary have them
    /// for people.
    pub(super) fn requests_abandoned(&self, server: &str, requests: &[Request]) {
        for (request, count) in report::grouped(requests) {
            let sentence = self.language.abandoned(server, &request.name(), request.age);
            log::warn!(
                target: EVENTS,
                event = "request_abandoned", server = server,
                method = request.method.as_str(), path = request.path.as_str(),
                age_ms = report::millis_of(request.age), count = count;
                "{}", escaped(&sentence)
            );
        }
    }

    /// What is lost because a job was not done.
    pub(super) fn lost(&self, member: Named<'_>, what: &str) {
        log::error!(
            event = "data_lost", member = member.name, kind = member.kind.noun(), error = what;
            "{}", self.language.lost(member.label, what)
        );
    }

    /// What is kept for the next start although a job was not done. The verdict and the summary have it for people.
    pub(super) fn kept(&self, member: Named<'_>, what: &str) {
        log::info!(
            target: EVENTS,
            event = "data_kept", member = member.name, kind = member.kind.noun(), error = what;
            "{}{}{what}", member.label, self.language.colon()
        );
    }

    pub(super) fn ended(&self, report: &Report) {
        let language = self.language;
        let (level, sentence) = match report.outcome {
            Outcome::Clean => (Level::Info, language.clean()),
            Outcome::Incomplete => (Level::Warn, language.incomplete()),
            Outcome::TimedOut => (Level::Error, language.deadline()),
            Outcome::Forced => (Level::Error, language.forced()),
        };
        log::log!(
            level,
            event = "exit_ended", outcome = report.outcome.name(), exit_code = report.exit_code,
            reason = report.reason.as_str(), verdict = report.verdict.as_str(),
            duration_ms = report::millis_of(report.duration), report:serde = report;
            "{sentence}"
        );
        if self.summary {
            for line in report::lines(report, language) {
                log::info!(event = "summary"; "{line}");
            }
        }
    }
}
