//! `GET /metrics`: the figures of the exit, taken at the instant of the scrape.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ACCEPT, CACHE_CONTROL},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::{Registry, Unit},
};

use super::{
    exposition::{Families, prometheus},
    refusals::Refusals,
};
use crate::{
    exit::ExitHandle,
    report::{MemberStatus, PreviousExit, Status},
    sequence::PhaseKind,
};

/// Every metric, ready to be scraped. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
}

/// A metric of the program's own.
#[derive(Clone)]
pub(super) struct Metric {
    name: String,
    help: String,
    value: MetricValue,
}

#[derive(Clone)]
enum MetricValue {
    Gauge(Arc<dyn Fn() -> f64 + Send + Sync>),
    Counter(Arc<dyn Fn() -> u64 + Send + Sync>),
}

impl Metric {
    pub(super) fn gauge(name: String, help: String, value: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self { name, help, value: MetricValue::Gauge(Arc::new(value)) }
    }

    pub(super) fn counter(
        name: String,
        help: String,
        value: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let name = name.strip_suffix("_total").map(str::to_owned).unwrap_or(name);
        Self { name, help, value: MetricValue::Counter(Arc::new(value)) }
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metric").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Of this exit, and the program's own.
    pub(super) fn new(exit: ExitHandle, refusals: Arc<Refusals>, own: Vec<Metric>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Source { exit, refusals, own }));
        Self { registry: Arc::new(registry) }
    }

    /// As `OpenMetrics`.
    fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The answer to a scrape: `OpenMetrics` where that is accepted, and Prometheus' older text format otherwise.
pub(super) fn response(metrics: &Metrics, request: &HttpRequest) -> HttpResponse {
    let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let accepts_open = accepted.is_some_and(|accepted| accepted.contains("application/openmetrics-text"));
    let Ok(open) = metrics.open_metrics() else {
        return HttpResponse::InternalServerError().finish();
    };
    let (kind, body) = if accepts_open {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", open)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", prometheus(&open))
    };
    HttpResponse::Ok().content_type(kind).insert_header((CACHE_CONTROL, "no-store")).body(body)
}

/// Where the figures come from.
#[derive(Debug)]
struct Source {
    exit: ExitHandle,
    refusals: Arc<Refusals>,
    own: Vec<Metric>,
}

/// What `phase` can be, in order.
fn phases() -> impl Iterator<Item = &'static str> {
    ["running"].into_iter().chain(PhaseKind::ALL.iter().map(|phase| phase.name())).chain(["exited"])
}

impl Collector for Source {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        of_the_process(self.exit.is_ready(), &mut families)?;
        if let Some(status) = self.exit.status() {
            of_the_exit(&status, &mut families)?;
            if let Some(exit) = &status.previous_exit {
                of_the_exit_before(exit, &mut families)?;
            }
        }
        families.counter(
            "graceful_exit_admin_refused",
            "Requests that the admin routes refused, by cause.",
            self.refusals.counts().map(|(cause, count)| ([("cause", cause.name())], count)),
        )?;
        for metric in &self.own {
            let (name, help) = (&metric.name, &metric.help);
            match &metric.value {
                MetricValue::Gauge(value) => families.gauge(name, help, None, [([], value())])?,
                MetricValue::Counter(value) => families.counter(name, help, [([], value())])?,
            }
        }
        Ok(())
    }
}

fn of_the_process(is_ready: bool, families: &mut Families<'_>) -> fmt::Result {
    families.info(
        "graceful_exit_build",
        "The library's version.",
        [("version", env!("CARGO_PKG_VERSION"))],
    )?;
    families.gauge(
        "graceful_exit_ready",
        "1 while the process serves and nothing has asked for the exit, 0 otherwise.",
        None,
        [([], if is_ready { 1.0 } else { 0.0 })],
    )
}

/// How the run before this one ended: what its own metrics can no longer tell.
fn of_the_exit_before(exit: &PreviousExit, families: &mut Families<'_>) -> fmt::Result {
    let code = exit.exit_code.map(|code| code.to_string()).unwrap_or_default();
    let reason = exit.reason.as_deref().unwrap_or_default();
    families.info(
        "graceful_exit_previous_exit",
        "How the run before this one ended; `killed` if it left no report.",
        [("outcome", exit.outcome), ("exit_code", code.as_str()), ("reason", reason)],
    )?;
    if let Some(verdict) = &exit.verdict {
        families.info(
            "graceful_exit_previous_exit_verdict",
            "Why the exit of the run before this one ended as it did.",
            [("verdict", verdict.as_str())],
        )?;
    }
    families.gauge(
        "graceful_exit_previous_exit_duration",
        "How long the exit of the run before this one took.",
        Some(&Unit::Seconds),
        exit.duration_ms.map(|ms| ([], seconds(ms))),
    )?;
    families.gauge(
        "graceful_exit_previous_exit_requests_abandoned",
        "Requests that were cut off in the exit of the run before this one.",
        None,
        exit.requests_abandoned.map(|requests| ([], number(requests))),
    )
}

fn of_the_exit(status: &Status, families: &mut Families<'_>) -> fmt::Result {
    let started = status.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    families.gauge(
        "process_start_time",
        "When the program began to serve, in seconds since 1970.",
        Some(&Unit::Seconds),
        [([], started.as_secs_f64())],
    )?;
    let servers = || status.servers.iter().map(|server| ([("server", server.name.as_str())], server));
    families.gauge(
        "graceful_exit_requests_in_flight",
        "Requests being answered.",
        None,
        servers().map(|(labels, server)| (labels, number(server.in_flight))),
    )?;
    families.counter(
        "graceful_exit_requests_completed",
        "Requests answered to their last byte.",
        servers().map(|(labels, server)| (labels, server.completed)),
    )?;
    families.counter(
        "graceful_exit_requests_rejected",
        "Requests that came too late.",
        servers().map(|(labels, server)| (labels, server.rejected)),
    )?;
    families.counter(
        "graceful_exit_requests_abandoned",
        "Requests that were cut off.",
        servers().map(|(labels, server)| (labels, server.abandoned)),
    )?;
    families.gauge(
        "graceful_exit_phase",
        "The phase that the exit is in: 1 for it, 0 for the others.",
        None,
        phases().map(|phase| ([("phase", phase)], if phase == status.phase { 1.0 } else { 0.0 })),
    )?;
    // Each resource is released in a phase of its own.
    let mut phases: BTreeMap<&str, u64> = BTreeMap::new();
    for phase in &status.phases {
        *phases.entry(phase.kind.name()).or_default() += phase.duration_ms.unwrap_or(0);
    }
    families.gauge(
        "graceful_exit_phase_duration",
        "How long each phase of the exit took; 0 until it is over.",
        Some(&Unit::Seconds),
        phases.into_iter().map(|(phase, ms)| ([("phase", phase)], seconds(ms))),
    )?;
    let kinds = [
        ("checkpoint", "How long each checkpoint took, or has taken so far.", &status.checkpoints),
        ("callback", "How long each callback took, or has taken so far.", &status.callbacks),
        ("resource", "How long the release of each resource took, or has taken so far.", &status.resources),
        ("worker", "How long each background worker took to finish, or has taken so far.", &status.workers),
    ];
    for (kind, help, members) in kinds {
        let duration = |member: &MemberStatus| seconds(member.duration_ms.unwrap_or(0));
        families.gauge(
            &format!("graceful_exit_{kind}_duration"),
            help,
            Some(&Unit::Seconds),
            members.iter().map(|member| ([("name", member.name.as_str())], duration(member))),
        )?;
    }
    let left = seconds(status.deadline_left_ms.unwrap_or(status.timeout_ms));
    families.gauge(
        "graceful_exit_deadline_left",
        "What is left of the overall deadline; all of it until the exit begins.",
        Some(&Unit::Seconds),
        [([], left)],
    )
}

/// From milliseconds.
fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

/// A count of requests in flight, which is far below where this would round.
fn number(count: u64) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
