//! A report as a person reads it: a few lines of text, with a bar for each phase.

use std::time::Duration;

use crate::{
    locale::{Language, rounded},
    report_file::{JobEntry, ReportFile},
    sequence::{Kind, PhaseKind, TaskStatus},
};

/// How many are named of each sort of thing that went wrong.
const NAMED: usize = 10;
/// How long a bar may be, in columns.
const COLUMNS: usize = 32;

/// The summary: the outcome, a line a phase, and by name what was abandoned, failed or late.
///
/// Control characters in names, paths and errors are escaped: a line stays one line, and no terminal obeys it.
#[must_use]
pub fn lines(report: &ReportFile, language: Language) -> Vec<String> {
    let total = Duration::from_millis(report.duration_ms);
    let outcome = language.outcome(&report.outcome);
    let mut lines = vec![plain(&language.summary(outcome, report.exit_code, total, &report.reason))];

    let names = phase_names(report, language);
    let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    // A file may claim phases that lie outside of the exit; they are drawn inside.
    let span = report.phases.iter().map(|phase| phase.start_ms.saturating_add(phase.duration_ms));
    let span = span.max().unwrap_or(0).max(report.duration_ms);
    for (name, phase) in names.iter().zip(&report.phases) {
        let name = format!("{name}{}", " ".repeat(widest - width(name)));
        let bar = bar(phase.start_ms, phase.duration_ms, span, COLUMNS);
        let duration = rounded(Duration::from_millis(phase.duration_ms));
        let ended = language.ended_by(&phase.ended_by);
        lines.push(format!("  {name}  {bar}  {duration:>6}  {ended}").trim_end().to_owned());
    }
    lines.extend(failures(report, language).iter().map(|line| plain(&format!("  {line}"))));
    lines
}

/// A bar from `start` to its end on an axis of `span`, padded to `columns`. However short, it is seen.
#[must_use]
pub fn bar(start: u64, duration: u64, span: u64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let place = |at: u64| {
        let share = u128::from(at.min(span)) * 8 * columns as u128 / u128::from(span.max(1));
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

/// What a person calls each phase of a report; of several releases, each with its resource.
#[must_use]
pub fn phase_names(report: &ReportFile, language: Language) -> Vec<String> {
    // Resources are released in the reverse of their order, one a phase.
    let mut released = report.resources.iter().rev();
    let name = |name: &str| {
        let words = language.phase_name(name);
        let resource = if name == PhaseKind::Release.name() { released.next() } else { None };
        match resource {
            Some(resource) => plain(&format!("{words} {}", resource.name)),
            None => words.to_owned(),
        }
    };
    report.phases.iter().map(|phase| phase.name.as_str()).map(name).collect()
}

/// By name: what was abandoned, failed or late.
#[must_use]
pub fn failures(report: &ReportFile, language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    for server in &report.servers {
        for request in server.abandoned.iter().take(NAMED) {
            let age = Duration::from_millis(request.age_ms);
            lines.push(language.abandoned(&server.name, &request.method, &request.path, age));
        }
        if let Some(more) = more(server.abandoned.len()) {
            lines.push(language.more(more));
        }
    }
    for (kind, jobs) in [
        (Kind::Checkpoint, &report.checkpoints),
        (Kind::Worker, &report.workers),
        (Kind::Callback, &report.callbacks),
        (Kind::Resource, &report.resources),
    ] {
        let late: Vec<_> = jobs.iter().filter(|job| job.outcome != TaskStatus::Done.name()).collect();
        lines.extend(late.iter().take(NAMED).map(|job| failure(kind, job, language)));
        if let Some(more) = more(late.len()) {
            lines.push(language.more(more));
        }
    }
    lines
}

fn failure(kind: Kind, job: &JobEntry, language: Language) -> String {
    let label = language.member(kind, &job.name);
    let fate = language.fate(&job.outcome);
    let after =
        Some(Duration::from_millis(job.duration_ms)).filter(|_| job.outcome != TaskStatus::NotStarted.name());
    language.failure(&label, fate, after, job.error.as_deref())
}

fn more(all: usize) -> Option<usize> {
    all.checked_sub(NAMED).filter(|&more| more > 0)
}

/// How many columns of a terminal it takes: Chinese characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum()
}

/// Without control characters.
fn plain(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests;
