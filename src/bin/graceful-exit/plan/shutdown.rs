//! The plan that `run` carries out, without starting anything.

use graceful_exit::{
    Stop,
    sequence::{Kind, Member, Phase, Plan, PlanError},
    settings::{self, Settings},
};

use crate::business;

/// The plan of the settings.
pub(super) fn plan(settings: &Settings) -> Result<Plan, PlanError> {
    let server = |name: &str, server: &settings::Server| {
        let kind = match server.stop {
            Stop::First => Kind::ServerFirst,
            Stop::Last => Kind::ServerLast,
        };
        Member::new(kind, name)
    };
    let mut members =
        vec![server("admin", &settings.servers.admin), server("business", &settings.servers.business)];
    members.extend(business::jobs::members(settings));
    Plan::new(settings.shutdown.timeouts, members)
}

/// The names of the members that work in a phase.
pub(super) fn members(plan: &Plan, phase: &Phase) -> Vec<String> {
    phase.tasks.iter().map(|task| plan.members()[task.member.0].name.clone()).collect()
}

/// The names of the checkpoints.
pub(super) fn checkpoints(plan: &Plan) -> Vec<String> {
    let checkpoints = plan.members().iter().filter(|member| member.kind == Kind::Checkpoint);
    checkpoints.map(|member| member.name.clone()).collect()
}
