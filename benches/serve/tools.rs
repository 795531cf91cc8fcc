//! Programs that make the load: wrk and h2load.

use std::{
    io,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Wrk,
    H2load,
}

/// What a load came to.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Load {
    /// Requests that were answered.
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
    /// Requests that were not answered, or with an error.
    pub(crate) errors: f64,
    /// The 99th percentile of latency in milliseconds, if it was measured.
    pub(crate) p99: Option<f64>,
}

/// wrk's own report has no errors of connections in a form that can be read reliably.
const WRK_REPORT: &str = r#"
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.6f,"errors":%d,"p99":%.4f}\n', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(99) / 1e3))
end
"#;

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::H2load => "h2load",
        }
    }

    /// The Debian package that has it.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::H2load => "nghttp2-client",
        }
    }

    /// Returns true if it can be run.
    pub(crate) fn is_there(self) -> bool {
        let mut command = Command::new(self.name());
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok()
    }
}

/// Keeps so many connections busy, from a thread a processor: one alone lets the others fall idle now and then, and how long
/// those take to wake is not what is to be measured. With a new connection for each request if the headers say so.
pub(crate) fn wrk(url: &str, connections: usize, headers: &[&str], time: Duration) -> io::Result<Load> {
    let directory = tempfile::tempdir()?;
    let script = directory.path().join("report.lua");
    std::fs::write(&script, WRK_REPORT)?;
    // wrk knows whole seconds alone.
    let seconds = time.as_secs().max(1);
    let mut command = Command::new(Tool::Wrk.name());
    let threads = thread::available_parallelism()?.get().min(connections);
    let load = [format!("-t{threads}"), format!("-c{connections}"), format!("-d{seconds}s")];
    command.args(load).args(["--timeout", "5s", "-s"]);
    command.arg(script);
    for header in headers {
        command.args(["-H", header]);
    }
    let printed = printed(command.arg(url))?;
    let line = printed.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_default())
        .map_err(|error| unknown("wrk", &printed, &error.to_string()))
}

/// Keeps so many streams open on each of so many connections, from one thread.
pub(crate) fn h2load(url: &str, connections: usize, streams: usize, time: Duration) -> io::Result<Load> {
    let mut command = Command::new(Tool::H2load.name());
    command.args(["-t1", &format!("-c{connections}"), &format!("-m{streams}")]);
    command.arg(format!("--duration={}ms", time.as_millis()));
    let printed = printed(command.arg(url))?;
    // "finished in 1.50s, 1234.56 req/s, …", "requests: … 1230 succeeded, 0 failed, 0 errored, 0 timeout"
    let number = |before: &str| {
        let at = printed.find(before)?;
        printed[..at].rsplit([' ', ',']).find(|word| !word.is_empty())?.parse::<f64>().ok()
    };
    let found = number(" req/s").zip(number(" succeeded")).zip(number(" failed"));
    let ((rate, requests), errors) =
        found.ok_or_else(|| unknown("h2load", &printed, "its figures are missing"))?;
    if rate == 0.0 {
        return Err(unknown("h2load", &printed, "no request was answered"));
    }
    Ok(Load { requests, seconds: requests / rate, errors, p99: None })
}

fn printed(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?}: {}: {text}{error}", output.status)))
}

fn unknown(tool: &str, printed: &str, error: &str) -> io::Error {
    io::Error::other(format!("{tool}: {error}: {printed}"))
}
