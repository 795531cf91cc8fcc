//! `GET /metrics`: what a scrape reads of the exit, taken from its board at that instant.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ACCEPT, CACHE_CONTROL},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::{Registry, Unit},
};

use super::refusals::Refusals;
use crate::{ExitHandle, report::Status, sequence::PhaseKind};

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

/// The older format: a counter's family is named as its samples are, and there are neither units nor an end.
fn prometheus(open_metrics: &str) -> String {
    let counters: Vec<_> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::new();
    for line in open_metrics.lines() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        let family = line.strip_prefix("# ").and_then(|rest| rest.split(' ').nth(1));
        match family.filter(|family| counters.contains(family)) {
            Some(family) => text.push_str(&line.replacen(family, &format!("{family}_total"), 1)),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
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
        if let Some(status) = self.exit.status() {
            of_the_exit(&status, &mut families)?;
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

fn of_the_exit(status: &Status, families: &mut Families<'_>) -> fmt::Result {
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
    let members =
        [("worker", &status.workers), ("callback", &status.callbacks), ("resource", &status.resources)];
    let members =
        members.into_iter().flat_map(|(kind, members)| members.iter().map(move |member| (kind, member)));
    families.gauge(
        "graceful_exit_callback_duration",
        "How long each callback, resource and background worker took, or has taken so far.",
        Some(&Unit::Seconds),
        members.map(|(kind, member)| {
            let labels = [("kind", kind), ("name", member.name.as_str())];
            (labels, seconds(member.duration_ms.unwrap_or(0)))
        }),
    )?;
    let left = seconds(status.deadline_left_ms.unwrap_or(status.timeout_ms));
    families.gauge(
        "graceful_exit_deadline_left",
        "What is left of the overall deadline; all of it until the exit begins.",
        Some(&Unit::Seconds),
        [([], left)],
    )
}

/// Writes one family of metrics after another.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            let none: Option<&Exemplar<[(&str, &str); 0], u64>> = None;
            match N {
                0 => metric.encode_counter(&value, none)?,
                _ => metric.encode_family(&labels)?.encode_counter(&value, none)?,
            }
        }
        Ok(())
    }

    fn gauge<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = ([(&'l str, &'l str); N], f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in samples {
            match N {
                0 => metric.encode_gauge(&value)?,
                _ => metric.encode_family(&labels)?.encode_gauge(&value)?,
            }
        }
        Ok(())
    }
}

/// From milliseconds.
fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

/// A count of requests in flight, which is far below where this would round.
fn number(count: u64) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_a_counter_as_its_samples() {
        let open = "# HELP a_x Some x, not a_x_total.\n# TYPE a_x counter\na_x_total{b=\"c\"} 1\n\
                    # HELP a_y_seconds Y.\n# TYPE a_y_seconds gauge\n# UNIT a_y_seconds seconds\na_y_seconds 2.0\n# EOF\n";
        let older = "# HELP a_x_total Some x, not a_x_total.\n# TYPE a_x_total counter\na_x_total{b=\"c\"} 1\n\
                     # HELP a_y_seconds Y.\n# TYPE a_y_seconds gauge\na_y_seconds 2.0\n";
        assert_eq!(prometheus(open), older);
    }
}
