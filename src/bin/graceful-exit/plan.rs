//! `graceful-exit plan`: the shutdown that the settings lead to.

use std::{fmt::Write, time::Duration};

use graceful_exit::{
    Language,
    os::signals::cut_short,
    sequence::{Kind, Member, Phase, Plan, PlanError},
    settings::{self, Settings, StopOrder},
    words::rounded,
};
use serde_json::{Value, json};

use crate::{business, cli::Format, run};

/// How much longer than the deadline the platform should wait before it kills.
const PATIENCE: Duration = Duration::from_secs(5);

/// The plan that `run` carries out, without starting anything.
pub(crate) fn plan(settings: &Settings) -> Result<Plan, PlanError> {
    let server = |name: &str, server: &settings::Server| Member {
        kind: match server.stop {
            StopOrder::First => Kind::ServerFirst,
            StopOrder::Last => Kind::ServerLast,
        },
        name: name.to_owned(),
        bound: None,
    };
    let job = |kind, name: &str| Member { kind, name: name.to_owned(), bound: None };
    let members = vec![
        server("admin", &settings.servers.admin),
        server("business", &settings.servers.business),
        job(Kind::Callback, business::FLUSH),
        job(Kind::Resource, business::STORE),
    ];
    Plan::new(run::bounds(settings), members)
}

pub(crate) fn print(settings: &Settings, format: Format) -> String {
    match plan(settings) {
        Ok(plan) => match format {
            Format::Text => text(settings, &plan),
            Format::Json => format!("{:#}\n", as_json(settings, &plan)),
        },
        // The settings allow no such plan: their bounds are checked, the members are ours.
        Err(error) => format!("{error}\n"),
    }
}

fn text(settings: &Settings, plan: &Plan) -> String {
    let mut text = String::new();
    let mut start = Duration::ZERO;
    for phase in plan.phases() {
        let _ = writeln!(
            text,
            "{:<14} {:>9} at the most, from {:>9}   {}",
            phase.kind.name(),
            rounded(phase.bound()),
            rounded(start),
            members(plan, phase).join(", ")
        );
        start = start.saturating_add(phase.bound());
    }
    let deadline = plan.bounds().deadline;
    let _ = writeln!(text, "\nworst case     {:>9}", rounded(plan.worst_case()));
    let _ = writeln!(text, "deadline       {:>9}   (shutdown.timeout)", rounded(deadline));
    let _ = writeln!(text, "slack          {:>9}", rounded(deadline.saturating_sub(plan.worst_case())));
    let _ = writeln!(text, "\nKubernetes: terminationGracePeriodSeconds: {}", patience(plan));
    let _ = writeln!(text, "systemd:    TimeoutStopSec={}", patience(plan));
    for warning in warnings(settings, plan) {
        let _ = writeln!(text, "\nwarning: {warning}");
    }
    text
}

fn as_json(settings: &Settings, plan: &Plan) -> Value {
    let phases = plan.phases().iter().map(|phase| {
        json!({
            "name": phase.kind.name(),
            "bound_ms": millis(phase.bound()),
            "members": members(plan, phase),
        })
    });
    let (worst, deadline) = (millis(plan.worst_case()), millis(plan.bounds().deadline));
    json!({
        "phases": phases.collect::<Vec<_>>(),
        "worst_case_ms": worst,
        "timeout_ms": deadline,
        "slack_ms": deadline - worst,
        "terminationGracePeriodSeconds": patience(plan),
        "TimeoutStopSec": patience(plan),
        "warnings": warnings(settings, plan),
    })
}

fn members(plan: &Plan, phase: &Phase) -> Vec<String> {
    phase.tasks.iter().map(|task| plan.members()[task.member.0].name.clone()).collect()
}

/// What to give the platform, in whole seconds.
fn patience(plan: &Plan) -> u64 {
    let patience = plan.bounds().deadline.saturating_add(PATIENCE);
    patience.as_secs() + u64::from(patience.subsec_nanos() > 0)
}

fn warnings(settings: &Settings, plan: &Plan) -> Vec<String> {
    let overrun = plan.overrun();
    let overrun = (!overrun.is_zero()).then(|| {
        format!(
            "the phases' bounds add up to {}, {} more than shutdown.timeout: an exit that uses them up is forced",
            rounded(plan.worst_case()),
            rounded(overrun)
        )
    });
    let deadline = plan.bounds().deadline;
    let cut_short = cut_short(&settings.shutdown.signals, deadline);
    let cut_short = cut_short.map(|(names, wait)| Language::En.cut_short(&names, wait, deadline));
    overrun.into_iter().chain(cut_short).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
