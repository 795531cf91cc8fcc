//! `graceful-exit plan`: the shutdown that the settings lead to.

mod platform;
mod timeline;

use std::{fmt::Write, time::Duration};

use clap::ValueEnum;
use graceful_exit::{
    Stop,
    locale::rounded,
    sequence::{Kind, Member, Phase, Plan, PlanError},
    settings::{self, Loaded, Settings},
};
use serde_json::{Value, json};

pub(crate) use self::platform::GracePeriod;
use self::timeline::Canvas;
use crate::business;

/// How the plan is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Kubernetes,
    Systemd,
}

/// The plan that `run` carries out, without starting anything.
pub(crate) fn plan(settings: &Settings) -> Result<Plan, PlanError> {
    let server = |name: &str, server: &settings::Server| {
        let kind = match server.stop {
            Stop::First => Kind::ServerFirst,
            Stop::Last => Kind::ServerLast,
        };
        Member::new(kind, name)
    };
    let mut members = vec![
        server("admin", &settings.servers.admin),
        server("business", &settings.servers.business),
        Member::new(Kind::Callback, business::jobs::FLUSH),
        Member::new(Kind::Resource, business::jobs::STORE),
    ];
    if settings.cache.checkpoint {
        members.push(Member::new(Kind::Checkpoint, business::jobs::CHECKPOINT));
    }
    Plan::new(settings.shutdown.timeouts, members)
}

pub(crate) fn print(loaded: &Loaded, format: Format, grace_period: GracePeriod) -> String {
    let settings = &loaded.settings;
    match plan(settings) {
        Ok(plan) => match format {
            Format::Text => text(&plan, settings, grace_period),
            Format::Json => format!("{:#}\n", as_json(&plan, settings, grace_period)),
            Format::Kubernetes => platform::kubernetes(&plan, settings, grace_period),
            Format::Systemd => platform::systemd(&plan, settings, grace_period),
        },
        // The settings allow no such plan: their bounds are checked, the members are ours.
        Err(error) => format!("{error}\n"),
    }
}

fn text(plan: &Plan, settings: &Settings, grace_period: GracePeriod) -> String {
    let mut text = match Canvas::of_stdout() {
        Canvas::None => listed(plan),
        canvas => timeline::draw(plan, |phase| members(plan, phase), canvas),
    };
    let deadline = plan.timeouts().timeout;
    let _ = writeln!(text, "\nworst case     {:>9}", rounded(plan.worst_case()));
    let _ = writeln!(text, "deadline       {:>9}   (shutdown.timeout)", rounded(deadline));
    let overrun = plan.overrun();
    let slack = if overrun.is_zero() {
        rounded(deadline.saturating_sub(plan.worst_case()))
    } else {
        format!("-{}", rounded(overrun))
    };
    let _ = writeln!(text, "slack          {slack:>9}");
    let grace = platform::grace_period_seconds(plan, grace_period);
    let _ = writeln!(text, "\nKubernetes: terminationGracePeriodSeconds: {grace}");
    let _ = writeln!(text, "systemd:    TimeoutStopSec={}", platform::timeout_stop_seconds(plan));
    for warning in platform::warnings(plan, settings, grace_period) {
        let _ = writeln!(text, "\nwarning: {warning}");
    }
    text
}

fn listed(plan: &Plan) -> String {
    let mut text = String::new();
    let mut start = Duration::ZERO;
    for phase in plan.phases() {
        let _ = writeln!(
            text,
            "{:<14} {:>9} at the most, from {:>9}   {}",
            phase.kind.name(),
            rounded(phase.timeout()),
            rounded(start),
            members(plan, phase).join(", ")
        );
        start = start.saturating_add(phase.timeout());
    }
    text
}

fn as_json(plan: &Plan, settings: &Settings, grace_period: GracePeriod) -> Value {
    let phases = plan.phases().iter().map(|phase| {
        json!({
            "name": phase.kind.name(),
            "bound_ms": millis(phase.timeout()),
            "members": members(plan, phase),
        })
    });
    let (worst, deadline) = (millis(plan.worst_case()), millis(plan.timeouts().timeout));
    json!({
        "phases": phases.collect::<Vec<_>>(),
        "worst_case_ms": worst,
        "timeout_ms": deadline,
        "slack_ms": deadline - worst,
        "terminationGracePeriodSeconds": platform::grace_period_seconds(plan, grace_period),
        "TimeoutStopSec": platform::timeout_stop_seconds(plan),
        "warnings": platform::warnings(plan, settings, grace_period),
    })
}

fn members(plan: &Plan, phase: &Phase) -> Vec<String> {
    phase.tasks.iter().map(|task| plan.members()[task.member.0].name.clone()).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
