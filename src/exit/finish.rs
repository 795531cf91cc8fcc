//! How the process ends: what happens once the outcome is settled, and the end itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    armed::Armed,
    arming::{HARD_STOP_AFTER_DEADLINE, arm},
    builder::OnFinish,
    handle::{RunState, Shared},
};
use crate::{
    actors::Monitor,
    locale::Language,
    os::{
        arbiters::Arbiters,
        hard_stop::{self, Cause},
    },
    report::{Report, ReportFile},
    sequence::{ExitCodes, Outcome},
};

/// How much later than the end of an exit the hard stop ends a process that has only to end.
const HARD_STOP_AFTER_FINISH: Duration = Duration::from_millis(250);
/// The least time that the program has for its own work after `run`.
const AFTER_RUN: Duration = Duration::from_secs(5);
/// How long the end waits for responses that are still to be sent: to status streams, and to connections that were
/// accepted at the last moment.
const FINAL_RESPONSE_GRACE: Duration = Duration::from_millis(50);
/// How often it checks whether they have been sent.
const FINAL_RESPONSE_CHECK: Duration = Duration::from_millis(1);
/// How long the log's last lines are waited for.
const LOG_FLUSH: Duration = Duration::from_millis(150);
/// How long the threads of an exit that is over are waited for. One that is blocked is left behind.
const ARBITERS_END: Duration = Duration::from_millis(200);

/// The end of an exit: what is left to do once the supervisor has settled the outcome.
pub(super) struct Finish {
    pub(super) armed: Armed,
    pub(super) codes: ExitCodes,
    pub(super) timeout: Duration,
    pub(super) report_file: Option<ReportFile>,
    pub(super) flush_log: Box<dyn FnMut(Duration) + Send>,
    pub(super) language: Language,
    pub(super) at_end: OnFinish,
    pub(super) shared: Arc<Shared>,
    /// The `System` that the workers belong to.
    pub(super) system: System,
    pub(super) arbiters: Arc<Arbiters>,
}

impl Finish {
    /// Waits for the outcome, and carries out the end. Runs on the exit's own thread, where the supervisor has nothing
    /// left to do by then: only here may the thread wait for a disk.
    pub(super) async fn carry_out(mut self, settled: oneshot::Receiver<Report>) {
        let Ok(report) = settled.await else {
            if self.at_end != OnFinish::Continue {
                // The service goes on until it is asked to stop, and the hard stop ends it then.
                std::future::pending::<()>().await;
            }
            return self.resolve(None).await;
        };
        self.write_report(&report);
        final_responses(&self.shared, report.outcome).await;
        // Before the log's flush: that is the user's code, and the exit is what it is by now.
        arm(self.armed.hard_stop.as_ref(), Cause::Finished, HARD_STOP_AFTER_FINISH, report.exit_code);
        (self.flush_log)(LOG_FLUSH);
        if self.at_end == OnFinish::Exit && report.outcome != Outcome::Forced {
            report.exit();
        }
        if let Some(monitor) = self.shared.monitor.get() {
            let _ = timeout(ARBITERS_END, monitor.dispose_of_servers()).await; // one that is stuck is left behind
        }
        if self.at_end != OnFinish::Continue {
            self.system.stop_with_code(i32::from(report.exit_code));
        }
        let after_run = self.timeout.saturating_sub(report.duration).max(AFTER_RUN);
        self.resolve(Some(report)).await;
        if self.at_end == OnFinish::Return {
            self.limit_after_run(after_run).await;
        }
    }

    /// Ends the process when the program takes longer than `limit` for what it does after the exit; never with 0.
    async fn limit_after_run(mut self, limit: Duration) {
        self.shared.returned.notified().await;
        if let Some(hard_stop) = &self.armed.hard_stop {
            let after = limit.saturating_add(HARD_STOP_AFTER_DEADLINE);
            hard_stop.rearm(Cause::AfterRun, after, self.codes.timed_out);
        }
        sleep(limit).await;
        log::error!(
            event = "after_run_timed_out", exit_code = self.codes.timed_out;
            "{}", self.language.after_run()
        );
        (self.flush_log)(LOG_FLUSH);
        hard_stop::exit_immediately(self.codes.timed_out);
    }

    fn write_report(&mut self, report: &Report) {
        let Some(file) = self.report_file.take() else { return };
        if let Err(error) = file.write(report) {
            let error = error.message(self.language);
            log::error!(event = "report_failed", error = error.as_str(); "{error}");
        }
    }

    /// Lets [`GracefulExit::run`] resolve. If the process goes on, the exit's threads have ended by then, except for
    /// blocked ones.
    async fn resolve(&self, report: Option<Report>) {
        if self.at_end == OnFinish::Continue {
            self.arbiters.stop();
            let _ = timeout(ARBITERS_END, self.arbiters.ended()).await; // a blocked one is left behind
            self.armed.clone().retire();
        }
        self.shared.run.send_replace(RunState::Over(report.map(Box::new)));
    }
}

/// Waits for the responses that are still to be sent, but not for long.
async fn final_responses(shared: &Shared, outcome: Outcome) {
    let Some(monitor) = shared.monitor.get() else { return };
    let begun = Instant::now();
    while is_awaited(monitor, outcome) && begun.elapsed() < FINAL_RESPONSE_GRACE {
        sleep(FINAL_RESPONSE_CHECK).await;
    }
}

/// True if a status stream, which shows how the exit ended, is still open; or, after a clean exit, if a connection that
/// was in its handshake when its server closed is still being answered.
fn is_awaited(monitor: &Monitor, outcome: Outcome) -> bool {
    monitor.pinned_connections() > 0 || (outcome == Outcome::Clean && !monitor.servers_are_empty())
}

impl Report {
    /// Ends the process with the exit code, without waiting for any runtime, thread or blocking task: those that hang
    /// are left behind. If even that hangs, the hard stop ends the process 250 ms later, with the same code.
    pub fn exit(self) -> ! {
        hard_stop::exit(self.exit_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        drain::Drain,
        sequence::{Plan, Timeouts},
        server::Handle,
    };

    #[test]
    fn a_connection_of_the_last_moment_is_waited_for_unless_the_end_is_sudden() {
        let handle = Handle::new("web".into(), Drain::new(1));
        let plan = Plan::new(Timeouts::default(), Vec::new()).expect("it may be empty");
        let monitor = Monitor::new(Arc::new(plan), std::slice::from_ref(&handle), None);
        let open = handle.drain().connections.register(0);
        assert!(!is_awaited(&monitor, Outcome::Forced));
        assert!(is_awaited(&monitor, Outcome::Clean));
        drop(open);
        assert!(!is_awaited(&monitor, Outcome::Clean));
        let pinned = handle.drain().connections.register(0);
        pinned.connection().pin_until_exit();
        assert!(is_awaited(&monitor, Outcome::Forced), "it tells how the exit ended");
    }
}
