//! How long each platform waits before it kills, and where the plan does not fit.

use std::time::Duration;

use clap::Args;
use graceful_exit::{
    Language,
    locale::rounded,
    os::signals::cut_short,
    sequence::{PhaseKind, Plan},
    settings::{Loaded, Settings},
};

use crate::{locale::say, servers};

/// How long the platform waits between the first signal and the kill.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct GracePeriod {
    /// Kubernetes' terminationGracePeriodSeconds.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    grace_period: Duration,
    /// How long a preStop hook takes of it, before the first signal is sent.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    pre_stop: Duration,
}

/// How long a platform waits by default.
pub(super) struct Platform {
    pub(super) name: &'static str,
    pub(super) default: Duration,
}

pub(super) const DEFAULTS: &[Platform] = &[
    Platform { name: "docker stop", default: Duration::from_secs(10) },
    Platform { name: "supervisord", default: Duration::from_secs(10) },
    Platform { name: "Kubernetes", default: Duration::from_secs(30) },
    Platform { name: "systemd", default: Duration::from_secs(90) },
];

impl Platform {
    /// True if it kills before the longest exit is over. No exit is longer than the deadline.
    pub(super) fn kills(&self, plan: &Plan) -> bool {
        plan.worst_case().min(plan.timeouts().timeout) >= self.default
    }
}

/// How much longer than the deadline the platform should wait before it kills.
const RESERVE: Duration = Duration::from_secs(5);

/// systemd's `TimeoutStopSec` and Compose's `stop_grace_period`, in whole seconds.
pub(super) fn timeout_stop_seconds(plan: &Plan) -> u64 {
    whole_seconds(plan.timeouts().timeout.saturating_add(RESERVE))
}

/// Kubernetes' `terminationGracePeriodSeconds`: a preStop hook runs within it.
pub(super) fn grace_period_seconds(plan: &Plan, grace: GracePeriod) -> u64 {
    whole_seconds(plan.timeouts().timeout.saturating_add(RESERVE).saturating_add(grace.pre_stop))
}

/// Everything that is wrong: with the plan, with the platform's grace period, and with the settings around them.
pub(super) fn warnings(plan: &Plan, loaded: &Loaded, grace: GracePeriod) -> Vec<String> {
    let Loaded { settings, unused, .. } = loaded;
    let language = settings.log.language();
    let mut warnings = misfits(plan, language);
    warnings.extend(kills_early(plan, grace, language));
    let deadline = plan.timeouts().timeout;
    let cut_short = cut_short(&settings.shutdown.signals, deadline);
    warnings.extend(cut_short.map(|(names, wait)| language.cut_short(&names, wait, deadline)));
    warnings.extend(servers::exposed(settings));
    warnings.extend(unused.iter().map(|unused| unused.message(language)));
    warnings
}

/// Where the plan does not fit into its deadline. The same on every system.
pub(super) fn misfits(plan: &Plan, language: Language) -> Vec<String> {
    let mut warnings = Vec::new();
    if !plan.overrun().is_zero() {
        let (worst, overrun) = (rounded(plan.worst_case()), rounded(plan.overrun()));
        warnings.push(say!(language,
            en: "the phases' timeouts add up to {worst}, {overrun} more than shutdown.timeout: an exit that uses them up is forced",
            zh: "各阶段时限合计 {worst}，比 shutdown.timeout 多 {overrun}：用满时限的退出会被强制结束",
            zh_hant: "各階段時限合計 {worst}，比 shutdown.timeout 多 {overrun}：用滿時限的關閉會被強制結束",
        ));
    }
    warnings.extend(never_used_up(plan, language));
    warnings
}

/// Callbacks and resources whose timeout is longer than what is left of the deadline even if everything before them
/// takes no time at all.
fn never_used_up(plan: &Plan, language: Language) -> Vec<String> {
    let mut left = plan.timeouts().timeout;
    let mut warnings = Vec::new();
    for phase in plan.phases() {
        let has_own_timeouts = matches!(phase.kind, PhaseKind::Callbacks | PhaseKind::Release);
        for task in phase.tasks.iter().filter(|task| has_own_timeouts && task.timeout > left) {
            let name = &plan.members()[task.member.0].name;
            let (timeout, left) = (rounded(task.timeout), rounded(left));
            warnings.push(say!(language,
                en: "{name}: a timeout of {timeout} can never be used up, shutdown.timeout leaves {left} at the most",
                zh: "{name}：{timeout} 的时限不可能用满，shutdown.timeout 最多留下 {left}",
                zh_hant: "{name}：{timeout} 的時限不可能用滿，shutdown.timeout 最多留下 {left}",
            ));
        }
        // A delay is always spent; the other phases may end at once.
        left = left.saturating_sub(phase.delay);
    }
    warnings
}

/// The platform kills before the deadline.
fn kills_early(plan: &Plan, grace: GracePeriod, language: Language) -> Option<String> {
    let left = grace.grace_period.saturating_sub(grace.pre_stop);
    let deadline = plan.timeouts().timeout;
    if deadline < left {
        return None;
    }
    let (deadline, seconds) = (rounded(deadline), grace_period_seconds(plan, grace));
    let (whole, hook) = (rounded(grace.grace_period), rounded(grace.pre_stop));
    let period = if grace.pre_stop.is_zero() {
        whole
    } else {
        say!(language,
            en: "{whole} less {hook} for preStop",
            zh: "{whole} 减去 preStop 的 {hook}",
            zh_hant: "{whole} 減去 preStop 的 {hook}",
        )
    };
    Some(say!(language,
        en: "shutdown.timeout ({deadline}) reaches past the platform's grace period of {period}: it kills before the exit is over. In Kubernetes set terminationGracePeriodSeconds: {seconds}; another platform's is given by --grace-period",
        zh: "shutdown.timeout（{deadline}）超过平台的宽限期 {period}：平台会在退出结束之前强制结束。在 Kubernetes 中请设置 terminationGracePeriodSeconds: {seconds}；其他平台的宽限期用 --grace-period 指定",
        zh_hant: "shutdown.timeout（{deadline}）超過平台的寬限期 {period}：平台會在關閉完成之前強制結束。在 Kubernetes 中請設定 terminationGracePeriodSeconds: {seconds}；其他平台的寬限期用 --grace-period 指定",
    ))
}

/// The names of the signals that are Unix's.
pub(super) fn unix_signals(settings: &Settings) -> Vec<&str> {
    let names = settings.shutdown.signals.iter().map(|signal| signal.as_str());
    names.filter(|name| name.starts_with("SIG")).collect()
}

/// The signal that the platform should send first: SIGTERM, unless it is not caught.
pub(super) fn stop_signal(settings: &Settings) -> &str {
    let names = unix_signals(settings);
    if names.contains(&"SIGTERM") { "SIGTERM" } else { names.first().copied().unwrap_or("SIGTERM") }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::{super::shutdown::plan, *};

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(set: &[&str]) -> Settings {
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        let layers = graceful_exit::settings::Layers { set, ..Default::default() };
        Settings::load(&layers).unwrap()
    }

    fn warned(set: &[&str], grace_period: u32, pre_stop: u32) -> Vec<String> {
        let plan = plan(&settings(set)).unwrap();
        let grace = GracePeriod { grace_period: SECOND * grace_period, pre_stop: SECOND * pre_stop };
        misfits(&plan, Language::En).into_iter().chain(kills_early(&plan, grace, Language::En)).collect()
    }

    #[test]
    fn the_defaults_fit() {
        assert_eq!(warned(&[], 30, 0), [""; 0]);
        assert_eq!(warned(&[], 30, 4), [""; 0]);
    }

    #[test]
    fn a_deadline_past_the_platforms_grace_period_is_warned_of() {
        let warning = &warned(&["shutdown.timeout=30s"], 30, 0)[0];
        assert!(warning.contains("grace period of 30.0s") && warning.contains("Seconds: 35"), "{warning}");
        let warning = &warned(&[], 30, 5)[0];
        assert!(
            warning.contains("30.0s less 5.0s for preStop") && warning.contains("Seconds: 35"),
            "{warning}"
        );
        assert_eq!(warned(&[], 5, 10).len(), 1, "a preStop that takes all of it");
    }

    #[test]
    fn a_timeout_that_can_never_be_used_up_is_warned_of_by_name() {
        let warnings = warned(&["shutdown.timeout=10s", "shutdown.callback_timeout=12s"], 30, 0);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[1].starts_with("flush-cache: a timeout of 12.0s can never be used up"),
            "{warnings:?}"
        );
        // The ready delay is spent in any case, the drain may end at once.
        let set = ["shutdown.timeout=20s", "shutdown.ready_delay=8s", "shutdown.callback_timeout=13s"];
        let warnings = warned(&set, 30, 0);
        assert!(warnings[1].contains("leaves 12.0s at the most"), "{warnings:?}");
        let set = ["shutdown.timeout=20s", "shutdown.drain_timeout=15s", "shutdown.callback_timeout=13s"];
        assert_eq!(warned(&set, 30, 0).len(), 1, "each of them can be, though not both");
    }

    #[test]
    fn a_platform_kills_where_its_default_is_not_longer_than_the_longest_exit() {
        let kills = |set: &[&str]| -> Vec<_> {
            let plan = plan(&settings(set)).unwrap();
            DEFAULTS.iter().filter(|platform| platform.kills(&plan)).map(|platform| platform.name).collect()
        };
        assert_eq!(kills(&[]), ["docker stop", "supervisord"]);
        assert_eq!(kills(&["shutdown.timeout=9s"]), [""; 0], "no exit is longer than the deadline");
        assert_eq!(kills(&["shutdown.timeout=10s"]).len(), 2);
        let long = ["shutdown.timeout=100s", "shutdown.drain_timeout=90s"];
        assert_eq!(kills(&long).len(), 4);
    }
}
