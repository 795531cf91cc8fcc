//! A report as a person reads it: a few lines of text, with a bar for each phase.

use std::time::Duration;

use super::{
    model::{MemberReport, Report},
    verdict::{group_name, grouped, verdict},
};
use crate::{
    locale::{Language, escaped, rounded},
    sequence::{Kind, PhaseKind, TaskStatus},
};

/// How many are named of each sort of thing.
const NAMED: usize = 10;
/// The length of a bar, in columns.
const COLUMNS: usize = 32;
/// The widest that a phase's name is padded to, in columns.
const WIDEST: usize = 40;

/// The summary: the outcome, the verdict, a line a phase, each server's requests, and each job.
///
/// Characters that could mislead a reader are escaped in names, paths and errors: a line stays one line.
#[must_use]
pub fn lines(report: &Report, language: Language) -> Vec<String> {
    let outcome = language.outcome(report.outcome);
    let mut lines = vec![language.summary(outcome, report.exit_code, report.duration, &report.reason)];
    lines.push(format!("  {}", verdict(report, language)));

    let names = phase_names(report, language);
    let widest = names.iter().map(|name| width(name)).max().unwrap_or(0).min(WIDEST);
    let span = span(report);
    for (name, phase) in names.iter().zip(&report.phases) {
        let name = format!("{name}{}", " ".repeat(widest.saturating_sub(width(name))));
        let bar = bar(phase.start, phase.duration, span, COLUMNS);
        let duration = rounded(phase.duration);
        let ended = language.ended_by(phase.ended_by);
        lines.push(format!("  {name}  {bar}  {duration:>6}  {ended}").trim_end().to_owned());
    }
    for server in &report.servers {
        let counts = language.server_counts(
            &server.name,
            server.in_flight_at_start,
            server.completed,
            server.rejected,
        );
        lines.push(format!("  {counts}"));
    }
    lines.extend(failures(report, language).into_iter().map(|line| format!("  {line}")));
    lines.extend(successes(report, language).into_iter().map(|line| format!("  {line}")));
    lines.into_iter().map(|line| escaped(&line).into_owned()).collect()
}

/// The length of the time axis. A file may claim phases that lie outside of the exit; they are drawn inside.
#[must_use]
pub fn span(report: &Report) -> Duration {
    let ends = report.phases.iter().map(|phase| phase.start.saturating_add(phase.duration));
    ends.max().unwrap_or_default().max(report.duration)
}

/// A bar from `start` to its end on an axis of `span`, padded to `columns`. However short, it is seen.
#[must_use]
pub fn bar(start: Duration, duration: Duration, span: Duration, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let place = |at: Duration| {
        let share = at.min(span).as_millis() * 8 * columns as u128 / span.as_millis().max(1);
        usize::try_from(share).unwrap_or(0)
    };
    // A bar begins at a whole column: blocks are filled from the left.
    let begin = (place(start) / 8).min(columns.saturating_sub(1));
    let end = place(start.saturating_add(duration));
    let own = end.saturating_sub(place(start)).max(1);
    let eighths = if own < 8 { own } else { end - begin * 8 };
    let (full, rest) = (eighths / 8, EIGHTHS[eighths % 8]);
    let drawn = full + usize::from(!rest.is_empty());
    format!(
        "{}{}{rest}{}",
        " ".repeat(begin),
        "█".repeat(full),
        " ".repeat(columns.saturating_sub(begin + drawn))
    )
}

/// The words for each phase of a report; of several releases, each with its resource.
#[must_use]
pub fn phase_names(report: &Report, language: Language) -> Vec<String> {
    // Resources are released in the reverse of their order, one a phase.
    let mut released = report.resources.iter().rev();
    let name = |kind: PhaseKind| {
        let words = language.phase_name(kind);
        let resource = if kind == PhaseKind::Release { released.next() } else { None };
        match resource {
            Some(resource) => escaped(&format!("{words} {}", resource.name)).into_owned(),
            None => words.to_owned(),
        }
    };
    report.phases.iter().map(|phase| phase.kind).map(name).collect()
}

/// By name: what was abandoned, failed or late. Characters that could mislead a reader are escaped.
#[must_use]
pub fn failures(report: &Report, language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    for server in &report.servers {
        let groups = grouped(&server.abandoned);
        for &group in groups.iter().take(NAMED) {
            lines.push(language.abandoned(&server.name, &group_name(group), group.0.age));
        }
        lines.extend(more(groups.len(), language));
    }
    for (kind, jobs) in report.jobs() {
        let unfinished: Vec<_> = jobs.iter().filter(|job| job.status != TaskStatus::Done).collect();
        lines.extend(unfinished.iter().take(NAMED).map(|job| ended(kind, job, language)));
        lines.extend(more(unfinished.len(), language));
    }
    lines.into_iter().map(|line| escaped(&line).into_owned()).collect()
}

/// By name: what was done, and how long it took.
fn successes(report: &Report, language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, jobs) in report.jobs() {
        let done: Vec<_> = jobs.iter().filter(|job| job.status == TaskStatus::Done).collect();
        lines.extend(done.iter().take(NAMED).map(|job| ended(kind, job, language)));
        lines.extend(more(done.len(), language));
    }
    lines
}

fn ended(kind: Kind, job: &MemberReport, language: Language) -> String {
    let after = Some(job.duration).filter(|_| job.status != TaskStatus::NotStarted);
    language.ended(&language.member(kind, &job.name), job.status, after, job.error.as_deref())
}

fn more(all: usize, language: Language) -> Option<String> {
    all.checked_sub(NAMED).filter(|&more| more > 0).map(|more| language.more(more))
}

/// How many columns of a terminal it takes: Chinese characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests;
