//! [`verdict`]: how an exit ended and why, in one sentence. Made here alone, for the log, `/status`, the page and all else.

use super::model::{MemberReport, Report, Request};
use crate::{
    locale::{Language, escaped},
    sequence::{EndedBy, Outcome, PhaseKind, TaskStatus},
};

/// How many kinds of requests, and how many jobs, one verdict names.
const NAMED: usize = 5;

/// How an exit ended and why, in one sentence:
///
/// `Incomplete: 8 requests were cut off after 6.0s of draining (GET /slow ×7, GET /stream); 2 answered, 3 rejected;
/// flush-cache failed: the database is locked`
///
/// Characters that could mislead a reader are escaped.
#[must_use]
pub fn verdict(report: &Report, language: Language) -> String {
    let mut clauses = Vec::new();
    clauses.extend(sudden_end(report, language));
    clauses.extend(servers_left_open(report, language));
    let cut = requests_cut(report, language);
    let unfinished: Vec<_> = report
        .jobs()
        .into_iter()
        .flat_map(|(_, jobs)| jobs)
        .filter(|job| job.status != TaskStatus::Done)
        .collect();
    if clauses.is_empty() && cut.is_none() && unfinished.is_empty() && report.outcome == Outcome::Incomplete {
        // A server that failed has no entry of its own: then its failure is what started the exit.
        clauses.push(report.reason.clone());
    }
    clauses.extend(cut);
    clauses.extend(requests_answered(report, language));
    clauses.extend(unfinished.iter().take(NAMED).map(|job| job_ended(job, language)));
    clauses.extend(more(unfinished.len(), language));
    let (outcome, colon) = (language.verdict(report.outcome), language.colon());
    escaped(&format!("{outcome}{colon}{}", clauses.join(language.semicolon()))).into_owned()
}

/// The same requests as one entry, in the order of the first of each: its oldest, and how many there are.
#[must_use]
pub fn grouped(requests: &[Request]) -> Vec<(&Request, usize)> {
    let mut groups: Vec<(&Request, usize)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for request in requests {
        let place = *places.entry(request.name()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((oldest, count)) => {
                *count += 1;
                if request.age > oldest.age {
                    *oldest = request;
                }
            }
            None => groups.push((request, 1)),
        }
    }
    groups
}

/// `GET /slow`, or `GET /slow ×7`.
pub(super) fn group_name((request, count): (&Request, usize)) -> String {
    let times = if count > 1 { format!(" ×{count}") } else { String::new() };
    format!("{}{times}", request.name())
}

fn sudden_end(report: &Report, language: Language) -> Option<String> {
    let phase = report.phases.last()?;
    let name = language.phase_name(phase.kind);
    match phase.ended_by {
        EndedBy::Done | EndedBy::Timeout => None,
        EndedBy::Deadline => Some(language.deadline_passed(report.duration, name)),
        EndedBy::Signal => Some(language.second_signal(report.duration, name)),
    }
}

fn servers_left_open(report: &Report, language: Language) -> Option<String> {
    let phases = report.phases.iter();
    let late = phases.filter(|phase| phase.kind.closes_servers() && phase.ended_by == EndedBy::Timeout);
    late.map(|phase| {
        language.job_ended(language.phase_name(phase.kind), TaskStatus::TimedOut, phase.duration, None)
    })
    .next()
}

fn requests_cut(report: &Report, language: Language) -> Option<String> {
    let cut: Vec<Request> =
        report.servers.iter().flat_map(|server| server.abandoned.iter().cloned()).collect();
    let groups = grouped(&cut);
    let mut names: Vec<_> = groups.iter().take(NAMED).copied().map(group_name).collect();
    names.extend(more(groups.len(), language));
    let drain = report.phases.iter().find(|phase| phase.kind == PhaseKind::Drain);
    let (drained, names) = (drain.map(|drain| drain.duration), names.join(language.comma()));
    (!cut.is_empty()).then(|| language.requests_cut(cut.len(), drained, &names))
}

/// What became of the requests that were not cut off.
fn requests_answered(report: &Report, language: Language) -> Option<String> {
    let answered = report.servers.iter().map(|server| server.completed).sum();
    let rejected = report.servers.iter().map(|server| server.rejected).sum();
    let in_flight: u64 = report.servers.iter().map(|server| server.in_flight_at_start).sum();
    let has_cut = report.servers.iter().any(|server| !server.abandoned.is_empty());
    match (answered, rejected) {
        (0, 0) if has_cut => None,
        // Where there were any, their clients went away.
        (0, 0) => Some(language.unanswered(in_flight)),
        (answered, rejected) => Some(language.answered(answered, rejected)),
    }
}

fn more(all: usize, language: Language) -> Option<String> {
    all.checked_sub(NAMED).filter(|&more| more > 0).map(|more| language.more(more))
}

fn job_ended(job: &MemberReport, language: Language) -> String {
    language.job_ended(&job.name, job.status, job.duration, job.error.as_deref())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::model::ServerReport;

    fn report(outcome: Outcome, ended_by: EndedBy) -> Report {
        let text = format!(
            r#"{{"outcome":"{}","reason":"x","exit_code":1,"started_at":"2026-03-01T03:00:00Z","duration_ms":2100,
            "phases":[{{"name":"callbacks","start_ms":0,"duration_ms":2100,"ended_by":"{}"}}],
            "servers":[],"callbacks":[{{"name":"flush","outcome":"done","duration_ms":5,"error":null}}],"resources":[]}}"#,
            outcome.name(),
            ended_by.name()
        );
        serde_json::from_str(&text).expect("a report")
    }

    #[test]
    fn a_verdict_says_how_it_ended_and_why() {
        let clean = report(Outcome::Clean, EndedBy::Done);
        assert_eq!(verdict(&clean, Language::En), "Clean: no request was in flight");

        let mut forced = report(Outcome::Forced, EndedBy::Signal);
        forced.callbacks[0].status = TaskStatus::CutOff;
        forced.callbacks[0].error = Some("1 write is safe in data/cache.spool".into());
        assert_eq!(
            verdict(&forced, Language::En),
            "Forced: a second signal came after 2.1s (callbacks); no request was in flight; \
             flush was cut off after 5ms: 1 write is safe in data/cache.spool"
        );
        let mut failed = report(Outcome::Incomplete, EndedBy::Done);
        failed.reason = "server web failed".into();
        assert_eq!(verdict(&failed, Language::En), "Incomplete: server web failed; no request was in flight");
        failed.phases[0].kind = PhaseKind::CloseServers;
        failed.phases[0].ended_by = EndedBy::Timeout;
        assert_eq!(
            verdict(&failed, Language::En),
            "Incomplete: close servers timed out after 2.1s; no request was in flight"
        );
        let late = report(Outcome::TimedOut, EndedBy::Deadline);
        assert_eq!(verdict(&late, Language::ZhHant), "超時：總時限 2.1s 已到（執行回呼）；沒有執行中的請求");
    }

    #[test]
    fn requests_that_ended_unanswered_are_not_denied() {
        let mut clean = report(Outcome::Clean, EndedBy::Done);
        let server = |in_flight_at_start| ServerReport { in_flight_at_start, ..ServerReport::default() };
        clean.servers = vec![server(1), server(0)];
        assert_eq!(verdict(&clean, Language::En), "Clean: 1 request ended without a full answer");
        clean.servers = vec![server(2), server(1)];
        assert_eq!(verdict(&clean, Language::En), "Clean: 3 requests ended without a full answer");
        assert_eq!(verdict(&clean, Language::Zh), "正常结束：3 个请求未得到完整应答即结束");
        assert_eq!(verdict(&clean, Language::ZhHant), "正常結束：3 個請求未得到完整回應即結束");
        clean.servers[0].completed = 3;
        assert_eq!(verdict(&clean, Language::En), "Clean: 3 answered, 0 rejected");
        clean.servers[0].completed = 0;
        clean.servers[0].abandoned = vec![Request::new("GET", "/slow", Duration::ZERO)];
        assert_eq!(verdict(&clean, Language::En), "Clean: 1 request was cut off (GET /slow)");
    }

    #[test]
    fn every_outcome_and_every_status_has_words_in_every_language() {
        for language in Language::ALL {
            for &outcome in Outcome::ALL {
                assert!(!verdict(&report(outcome, EndedBy::Done), language).is_empty());
            }
            for &status in TaskStatus::ALL {
                let clause = language.job_ended("flush", status, Duration::from_secs(1), Some("why"));
                assert!(clause.contains("flush") && clause.ends_with("why"), "{clause}");
            }
        }
    }

    #[test]
    fn like_requests_are_one_entry_with_the_age_of_the_oldest() {
        let request = |path: &str, age| Request::new("GET", path, Duration::from_secs(age));
        let requests = [request("/a", 1), request("/b", 5), request("/a", 3)];
        let groups: Vec<_> =
            grouped(&requests).into_iter().map(|(request, count)| (request.age.as_secs(), count)).collect();
        assert_eq!(groups, [(3, 2), (5, 1)]);
    }
}
