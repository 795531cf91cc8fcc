//! The plan as JSON.

use std::time::Duration;

use graceful_exit::{sequence::Plan, settings::Loaded};
use serde_json::json;

use super::{
    platform::{self, GracePeriod},
    shutdown::{checkpoints, members},
};

/// The plan as a JSON object. Its warnings are in the language of the settings.
pub(super) fn json(plan: &Plan, loaded: &Loaded, grace: GracePeriod) -> String {
    let phases = plan.phases().iter().map(|phase| {
        json!({
            "name": phase.kind.name(),
            "bound_ms": millis(phase.timeout()),
            "members": members(plan, phase),
        })
    });
    let checkpoints = checkpoints(plan)
        .into_iter()
        .map(|name| json!({ "name": name, "timeout_ms": millis(plan.timeouts().checkpoint_timeout) }));
    let (worst, deadline) = (millis(plan.worst_case()), millis(plan.timeouts().timeout));
    let platforms = platform::DEFAULTS.iter().map(|platform| {
        json!({
            "name": platform.name,
            "default_ms": millis(platform.default),
            "kills_before_the_worst_case": platform.kills(plan),
        })
    });
    let json = json!({
        "phases": phases.collect::<Vec<_>>(),
        "checkpoints": checkpoints.collect::<Vec<_>>(),
        "worst_case_ms": worst,
        "timeout_ms": deadline,
        "slack_ms": deadline - worst,
        "terminationGracePeriodSeconds": platform::grace_period_seconds(plan, grace),
        "TimeoutStopSec": platform::timeout_stop_seconds(plan),
        "platforms": platforms.collect::<Vec<_>>(),
        "warnings": platform::warnings(plan, loaded, grace),
    });
    format!("{json:#}\n")
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
