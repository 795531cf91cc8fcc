//! What is measured, and what it should be.

/// A figure of one server in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Requests a second.
    Rate,
    /// The 99th percentile of latency, in milliseconds.
    P99,
    /// The server's processor time for each request, in microseconds.
    Processor,
    /// Connections of the worker with the most, less those of the worker with the least.
    Spread,
    /// The same after half of the connections have closed and as many have come.
    SpreadAfter,
    /// Resident memory of an idle connection, in bytes.
    Connection,
    /// Resident memory of the process after its first request, in KiB.
    Process,
    /// How much the resident memory has grown at the most, in MiB.
    Growth,
}

/// The figures of one server in one run.
pub(crate) type Sample = Vec<(Metric, f64)>;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// None: it is shown to explain the others.
    Shown,
    /// At the most so much.
    AtMost(f64),
    /// At the most this ratio to `HttpServer`'s.
    RatioAtMost(f64),
    /// At the least this ratio to `HttpServer`'s.
    RatioAtLeast(f64),
}

impl Metric {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "requests/s",
            Self::P99 => "p99, ms",
            Self::Processor => "server's processor time a request, µs",
            Self::Spread => "most − least",
            Self::SpreadAfter => "most − least after half have closed and 100 came",
            Self::Connection => "bytes a connection",
            Self::Process => "the process, KiB",
            Self::Growth => "growth, MiB",
        }
    }

    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::Rate | Self::Spread | Self::SpreadAfter | Self::Connection | Self::Process => {
                format!("{value:.0}")
            }
            Self::P99 | Self::Processor | Self::Growth => format!("{value:.1}"),
        }
    }
}

impl Goal {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Shown => "–".to_owned(),
            Self::AtMost(value) => format!("≤ {value}"),
            Self::RatioAtMost(ratio) => format!("≤ {ratio} ×"),
            Self::RatioAtLeast(ratio) => format!("≥ {ratio} ×"),
        }
    }

    /// Returns true if the goal is met; nothing if there is none, or if what it needs was not measured.
    pub(crate) fn is_met(self, value: Option<f64>, ratio: Option<f64>) -> Option<bool> {
        match self {
            Self::Shown => None,
            Self::AtMost(most) => value.map(|value| value <= most),
            Self::RatioAtMost(most) => ratio.map(|ratio| ratio <= most),
            Self::RatioAtLeast(least) => ratio.map(|ratio| ratio >= least),
        }
    }
}
