//! What the platform is to be told, and where the plan does not fit it.

use std::{fmt::Write, net::SocketAddr, time::Duration};

use clap::Args;
use graceful_exit::{
    Language,
    locale::rounded,
    os::signals::cut_short,
    sequence::{PhaseKind, Plan},
    settings::{self, Settings},
};

/// How patient the platform is.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct GracePeriod {
    /// How long the platform waits before it kills: Kubernetes' terminationGracePeriodSeconds, 30 s unless it is set.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    grace_period: Duration,
    /// How long a preStop hook takes: it counts against the grace period, before the first signal is sent.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    pre_stop: Duration,
}

/// How much longer than the deadline the platform should wait before it kills.
const RESERVE: Duration = Duration::from_secs(5);

/// systemd's `TimeoutStopSec`, in whole seconds.
pub(super) fn timeout_stop_seconds(plan: &Plan) -> u64 {
    whole_seconds(plan.timeouts().timeout.saturating_add(RESERVE))
}

/// Kubernetes' `terminationGracePeriodSeconds`: a preStop hook runs within it.
pub(super) fn grace_period_seconds(plan: &Plan, grace: GracePeriod) -> u64 {
    whole_seconds(plan.timeouts().timeout.saturating_add(RESERVE).saturating_add(grace.pre_stop))
}

/// Where the plan does not fit into its deadline, or the deadline into the patience of the platform or of this system.
pub(super) fn warnings(plan: &Plan, settings: &Settings, grace: GracePeriod) -> Vec<String> {
    let mut warnings = misfits(plan, grace);
    let deadline = plan.timeouts().timeout;
    let cut_short = cut_short(&settings.shutdown.signals, deadline);
    warnings.extend(cut_short.map(|(names, wait)| Language::En.cut_short(&names, wait, deadline)));
    warnings
}

/// The same on whatever system it is planned: a block for Linux may be printed on Windows.
fn misfits(plan: &Plan, grace: GracePeriod) -> Vec<String> {
    let mut warnings = Vec::new();
    let deadline = plan.timeouts().timeout;
    let overrun = plan.overrun();
    if !overrun.is_zero() {
        warnings.push(format!(
            "the phases' bounds add up to {}, {} more than shutdown.timeout: an exit that uses them up is forced",
            rounded(plan.worst_case()),
            rounded(overrun)
        ));
    }
    warnings.extend(never_used_up(plan));
    let left = grace.grace_period.saturating_sub(grace.pre_stop);
    if deadline >= left {
        warnings.push(format!(
            "shutdown.timeout ({}) reaches past the platform's patience of {}: it kills before the exit is over. In \
             Kubernetes set terminationGracePeriodSeconds: {}; another platform's is told with --grace-period",
            rounded(deadline),
            if grace.pre_stop.is_zero() {
                rounded(left)
            } else {
                format!("{} less {} for preStop", rounded(grace.grace_period), rounded(grace.pre_stop))
            },
            grace_period_seconds(plan, grace)
        ));
    }
    warnings
}

/// Callbacks and resources whose bound is longer than what is left of the deadline even if everything before them takes
/// no time at all.
fn never_used_up(plan: &Plan) -> Vec<String> {
    let mut left = plan.timeouts().timeout;
    let mut warnings = Vec::new();
    for phase in plan.phases() {
        let is_bounded_by_itself = matches!(phase.kind, PhaseKind::Callbacks | PhaseKind::Release);
        for task in phase.tasks.iter().filter(|task| is_bounded_by_itself && task.timeout > left) {
            warnings.push(format!(
                "{}: a bound of {} can never be used up, shutdown.timeout leaves {} at the most",
                plan.members()[task.member.0].name,
                rounded(task.timeout),
                rounded(left)
            ));
        }
        // Only this is spent in any case.
        left = left.saturating_sub(phase.delay);
    }
    warnings
}

fn signals(settings: &Settings) -> Vec<&str> {
    settings.shutdown.signals.iter().map(|signal| signal.as_str()).collect()
}

/// The block of a Deployment.
pub(super) fn kubernetes(plan: &Plan, settings: &Settings, grace: GracePeriod) -> String {
    let mut text = String::new();
    for warning in misfits(plan, GracePeriod { grace_period: Duration::MAX, ..grace }) {
        let _ = writeln!(text, "# warning: {warning}");
    }
    let (admin, business) = (first(&settings.servers.admin), first(&settings.servers.business));
    for (name, bind) in [("admin", &admin), ("business", &business)] {
        if bind.parse().is_ok_and(|address: SocketAddr| address.ip().is_loopback()) {
            let _ = writeln!(
                text,
                "# warning: nobody outside of the pod reaches servers.{name}.bind = \"{bind}\"; bind 0.0.0.0"
            );
        }
    }
    let delay = plan.timeouts().ready_delay;
    if delay < Duration::from_secs(2) {
        let _ = writeln!(
            text,
            "# warning: shutdown.ready_delay is {}; requests reach a pod for a second or two after its deletion has begun",
            rounded(delay)
        );
    }
    let _ = write!(
        text,
        "\
spec:
  strategy:
    type: RollingUpdate
    rollingUpdate:
      # A pod is not asked to stop before its successor is ready.
      maxUnavailable: 0
      maxSurge: 1
  template:
    spec:
      # shutdown.timeout, 5 s, and what a preStop hook takes.
      terminationGracePeriodSeconds: {grace}
      containers:
        - name: graceful-exit
          ports:
            - name: business
              containerPort: {business}
            - name: admin
              containerPort: {admin}
          startupProbe:
            httpGet:
              path: /healthz
              port: admin
            periodSeconds: 1
            failureThreshold: 60
          readinessProbe:
            httpGet:
              path: /readyz
              port: admin
            periodSeconds: 1
            timeoutSeconds: 1
            failureThreshold: {failures}
          # Answered while the exit goes on, too.
          livenessProbe:
            httpGet:
              path: /healthz
              port: admin
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
",
        grace = grace_period_seconds(plan, grace),
        business = port(&business),
        admin = port(&admin),
        // As many looks as fit into the delay, the time that the last one takes included.
        failures = delay.as_secs().saturating_sub(1).clamp(1, 3),
    );
    text
}

/// The block of a unit.
pub(super) fn systemd(plan: &Plan, settings: &Settings, grace: GracePeriod) -> String {
    let mut text = String::new();
    for warning in misfits(plan, GracePeriod { grace_period: Duration::MAX, ..grace }) {
        let _ = writeln!(text, "# warning: {warning}");
    }
    let mut ours = signals(settings);
    ours.retain(|signal| signal.starts_with("SIG"));
    let kill = if ours.is_empty() || ours.contains(&"SIGTERM") { "SIGTERM" } else { ours[0] };
    let _ = write!(
        text,
        "\
[Service]
Type=notify
NotifyAccess=main
KillMode=mixed
KillSignal={kill}
SendSIGHUP=no
# shutdown.timeout, and 5 s
TimeoutStopSec={}s
WatchdogSec=10s
SuccessExitStatus=0
Restart=on-failure
# the settings are wrong
RestartPreventExitStatus=2
",
        timeout_stop_seconds(plan)
    );
    if ours.contains(&"SIGABRT") {
        let others: Vec<_> = ours
            .iter()
            .filter(|&&signal| signal != "SIGABRT")
            .map(|signal| format!("\"{signal}\""))
            .collect();
        let _ = write!(
            text,
            "# without SIGABRT, which the watchdog sends\nEnvironment='GRACEFUL_EXIT__SHUTDOWN__SIGNALS=[{}]'\n",
            others.join(", ")
        );
    }
    text
}

/// The first of a server's addresses.
fn first(server: &settings::Server) -> String {
    server.bind.first().map(ToString::to_string).unwrap_or_default()
}

fn port(bind: &str) -> &str {
    bind.rsplit_once(':').map_or(bind, |(_, port)| port)
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(set: &[&str]) -> Settings {
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        let layers = graceful_exit::settings::Layers { set, ..Default::default() };
        Settings::load(&layers).unwrap()
    }

    fn warned(set: &[&str], grace_period: u32, pre_stop: u32) -> Vec<String> {
        let settings = settings(set);
        let plan = super::super::plan(&settings).unwrap();
        let grace = GracePeriod { grace_period: SECOND * grace_period, pre_stop: SECOND * pre_stop };
        misfits(&plan, grace)
    }

    #[test]
    fn the_defaults_fit() {
        assert_eq!(warned(&[], 30, 0), [""; 0]);
        assert_eq!(warned(&[], 30, 4), [""; 0]);
    }

    #[test]
    fn a_deadline_past_the_platforms_patience_is_warned_of() {
        let warning = &warned(&["shutdown.timeout=30s"], 30, 0)[0];
        assert!(warning.contains("patience of 30.0s") && warning.contains("Seconds: 35"), "{warning}");
        let warning = &warned(&[], 30, 5)[0];
        assert!(
            warning.contains("30.0s less 5.0s for preStop") && warning.contains("Seconds: 35"),
            "{warning}"
        );
        assert_eq!(warned(&[], 5, 10).len(), 1, "a preStop that takes all of it");
    }

    #[test]
    fn a_bound_that_can_never_be_used_up_is_warned_of_by_name() {
        let warnings = warned(&["shutdown.timeout=10s", "shutdown.callback_timeout=12s"], 30, 0);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[1].starts_with("flush-cache: a bound of 12.0s can never be used up"),
            "{warnings:?}"
        );
        // The ready delay is spent in any case, the drain may end at once.
        let set = ["shutdown.timeout=20s", "shutdown.ready_delay=8s", "shutdown.callback_timeout=13s"];
        let warnings = warned(&set, 30, 0);
        assert!(warnings[1].contains("leaves 12.0s at the most"), "{warnings:?}");
        let set = ["shutdown.timeout=20s", "shutdown.drain_timeout=15s", "shutdown.callback_timeout=13s"];
        assert_eq!(warned(&set, 30, 0).len(), 1, "each of them can be, though not both");
    }
}
