//! The plan for a person.

use std::{fmt::Write, time::Duration};

use graceful_exit::{Language, locale::rounded, sequence::Plan, settings::Loaded};

use super::{
    platform::{self, GracePeriod},
    shutdown::{checkpoints, members},
    timeline::{self, Canvas},
};
use crate::locale::say;

/// A line a phase, the sums, the numbers for the platforms, and the warnings.
pub(super) fn text(plan: &Plan, loaded: &Loaded, grace: GracePeriod) -> String {
    let language = loaded.settings.log.language();
    let mut text = match Canvas::of_stdout() {
        Canvas::None => listed(plan, language),
        canvas => timeline::draw(plan, |phase| members(plan, phase), canvas),
    };
    for name in checkpoints(plan) {
        let timeout = rounded(plan.timeouts().checkpoint_timeout);
        let line = say!(language,
            en: "checkpoint     {timeout:>9} at the most, beside the phases before the callbacks   {name}",
            zh: "checkpoint     {timeout:>9} 以内，与回调之前的各阶段同时进行   {name}",
            zh_hant: "checkpoint     {timeout:>9} 以內，與回呼之前的各階段同時進行   {name}",
        );
        let _ = writeln!(text, "{line}");
    }
    sums(&mut text, plan, language);
    let seconds = platform::grace_period_seconds(plan, grace);
    let _ = writeln!(text, "\nKubernetes: terminationGracePeriodSeconds: {seconds}");
    let _ = writeln!(text, "systemd:    TimeoutStopSec={}", platform::timeout_stop_seconds(plan));
    let _ = writeln!(text, "Compose:    stop_grace_period: {}s", platform::timeout_stop_seconds(plan));
    defaults(&mut text, plan, language);
    for warning in platform::warnings(plan, loaded, grace) {
        let line =
            say!(language, en: "warning: {warning}", zh: "警告：{warning}", zh_hant: "警告：{warning}");
        let _ = writeln!(text, "\n{line}");
    }
    text
}

fn sums(text: &mut String, plan: &Plan, language: Language) {
    let deadline = plan.timeouts().timeout;
    let overrun = plan.overrun();
    let slack = if overrun.is_zero() {
        rounded(deadline.saturating_sub(plan.worst_case()))
    } else {
        format!("-{}", rounded(overrun))
    };
    let (worst, deadline) = (rounded(plan.worst_case()), rounded(deadline));
    // Chinese characters are two columns wide.
    let lines = say!(language,
        en: "worst case     {worst:>9}\ndeadline       {deadline:>9}   (shutdown.timeout)\nslack          {slack:>9}",
        zh: "最坏情况       {worst:>9}\n总时限         {deadline:>9}   (shutdown.timeout)\n余量           {slack:>9}",
        zh_hant: "最壞情況       {worst:>9}\n總時限         {deadline:>9}   (shutdown.timeout)\n餘裕           {slack:>9}",
    );
    let _ = writeln!(text, "\n{lines}");
}

/// How long each platform waits by default, and whether that is enough.
fn defaults(text: &mut String, plan: &Plan, language: Language) {
    let heading = say!(language,
        en: "By default, the platforms wait:",
        zh: "各平台默认等待：",
        zh_hant: "各平台預設等待：",
    );
    let _ = writeln!(text, "\n{heading}");
    for platform in platform::DEFAULTS {
        let verdict = if platform.kills(plan) {
            say!(language,
                en: "kills the exit before its worst case is over",
                zh: "会在最坏情况结束之前强制结束",
                zh_hant: "會在最壞情況結束之前強制結束",
            )
        } else {
            say!(language, en: "enough", zh: "足够", zh_hant: "足夠")
        };
        let _ = writeln!(text, "  {:<12} {:>3} s   {verdict}", platform.name, platform.default.as_secs());
    }
}

fn listed(plan: &Plan, language: Language) -> String {
    let mut text = String::new();
    let mut start = Duration::ZERO;
    for phase in plan.phases() {
        let (name, timeout, from) = (phase.kind.name(), rounded(phase.timeout()), rounded(start));
        let members = members(plan, phase).join(", ");
        let line = say!(language,
            en: "{name:<14} {timeout:>9} at the most, from {from:>9}   {members}",
            zh: "{name:<14} {timeout:>9} 以内，自 {from:>9} 起   {members}",
            zh_hant: "{name:<14} {timeout:>9} 以內，自 {from:>9} 起   {members}",
        );
        let _ = writeln!(text, "{line}");
        start = start.saturating_add(phase.timeout());
    }
    text
}
