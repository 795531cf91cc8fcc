//! What to paste into the manifest of a platform: Kubernetes, systemd, Compose.

use std::{fmt::Write, net::SocketAddr, time::Duration};

use graceful_exit::{
    Language,
    locale::rounded,
    sequence::Plan,
    settings::{self, BindAddress, Settings},
};

use super::platform::{self, GracePeriod};
use crate::locale::say;

/// The warnings as comments.
fn warnings(plan: &Plan, language: Language) -> String {
    platform::misfits(plan, language).iter().map(|text| warning(text, language)).collect()
}

fn warning(text: &str, language: Language) -> String {
    say!(language, en: "# warning: {text}\n", zh: "# 警告：{text}\n", zh_hant: "# 警告：{text}\n")
}

/// The block of a Deployment.
pub(super) fn kubernetes(plan: &Plan, settings: &Settings, grace: GracePeriod) -> String {
    let language = settings.log.language();
    let mut text = warnings(plan, language);
    let (admin, business) = (Endpoint::of(&settings.servers.admin), Endpoint::of(&settings.servers.business));
    for (name, port) in [("business", &business), ("admin", &admin)] {
        let what = match port {
            None => say!(language,
                en: "servers.{name}.bind has no TCP address with a port of its own: the pod has no port for it",
                zh: "servers.{name}.bind 中没有端口固定的 TCP 地址：pod 没有相应的端口",
                zh_hant: "servers.{name}.bind 中沒有連接埠固定的 TCP 位址：pod 沒有相應的連接埠",
            ),
            Some(Endpoint { bind, is_loopback: true, .. }) => say!(language,
                en: "nothing outside of the pod reaches servers.{name}.bind = \"{bind}\"; bind 0.0.0.0",
                zh: "从 pod 之外无法访问 servers.{name}.bind = \"{bind}\"；请绑定 0.0.0.0",
                zh_hant: "從 pod 之外無法存取 servers.{name}.bind = \"{bind}\"；請繫結 0.0.0.0",
            ),
            Some(_) => continue,
        };
        text.push_str(&warning(&what, language));
    }
    let delay = plan.timeouts().ready_delay;
    if delay < Duration::from_secs(2) {
        let delay = rounded(delay);
        text.push_str(&warning(&say!(language,
            en: "shutdown.ready_delay is {delay}; requests reach a pod for a second or two after its deletion has begun",
            zh: "shutdown.ready_delay 为 {delay}；pod 开始删除后一两秒内仍会收到请求",
            zh_hant: "shutdown.ready_delay 為 {delay}；pod 開始刪除後一兩秒內仍會收到請求",
        ), language));
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
",
        grace = platform::grace_period_seconds(plan, grace),
    );
    let ports = [("business", &business), ("admin", &admin)];
    if business.is_some() || admin.is_some() {
        text.push_str("          ports:\n");
    }
    for (name, port) in ports {
        if let Some(Endpoint { port, .. }) = port {
            let _ = write!(text, "            - name: {name}\n              containerPort: {port}\n");
        }
    }
    if admin.is_some() {
        text.push_str(&probes(plan));
    }
    text
}

/// The probes, which ask the admin server.
fn probes(plan: &Plan) -> String {
    // As many as fit into the delay, the last one's time included.
    let failures = plan.timeouts().ready_delay.as_secs().saturating_sub(1).clamp(1, 3);
    format!(
        "\
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
"
    )
}

/// The port by which a server is reached in its pod.
struct Endpoint<'a> {
    bind: &'a str,
    port: u16,
    is_loopback: bool,
}

impl<'a> Endpoint<'a> {
    /// Of the first TCP address that others reach, or else of the first one. Port 0 is none: it is another one each time.
    fn of(server: &'a settings::Server) -> Option<Self> {
        let ports = server.bind.iter().filter_map(|address| {
            let BindAddress::Tcp(bind) = address else { return None };
            let (host, port) = bind.rsplit_once(':')?;
            let address = bind.parse::<SocketAddr>();
            let is_loopback = address.map_or(host == "localhost", |address| address.ip().is_loopback());
            let port = port.parse().ok().filter(|port| *port != 0)?;
            Some(Self { bind, port, is_loopback })
        });
        ports.min_by_key(|port| port.is_loopback)
    }
}

/// The block of a unit.
pub(super) fn systemd(plan: &Plan, settings: &Settings) -> String {
    let mut text = warnings(plan, settings.log.language());
    let ours = platform::unix_signals(settings);
    let kill = platform::stop_signal(settings);
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
        platform::timeout_stop_seconds(plan)
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

/// The block of a service in a Compose file, as in `config/deploy/compose.yaml`.
pub(super) fn compose(plan: &Plan, settings: &Settings) -> String {
    let mut text = warnings(plan, settings.log.language());
    let _ = write!(
        text,
        "\
services:
  application:
    # shutdown.timeout, and 5 s; `docker stop` and Compose kill after 10 s by default.
    stop_grace_period: {}s
    stop_signal: {}
    healthcheck:
      # Healthy while it serves; not while it exits.
      test: [\"CMD\", \"/graceful-exit\", \"status\"]
      interval: 5s
      timeout: 2s
      retries: 2
      start_period: 10s
",
        platform::timeout_stop_seconds(plan),
        platform::stop_signal(settings),
    );
    text
}
