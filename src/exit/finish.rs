//! How the process ends: what arms the guard, what happens once the outcome is settled, and the end itself.

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{GracefulExit, OnFinish, handle::Shared};
use crate::{
    actors::Monitor,
    locale::Language,
    os::{
        hard_stop::{self, Cause, HardStop},
        signals::ReceivedSignal,
    },
    report_file::ReportFile,
    sequence::{Meaning, Outcome, Report, Signal, SignalKind, SignalRule},
    summary,
};

/// How much later than the deadline the guard ends a process that did not end by itself.
const GUARD_AFTER_DEADLINE: Duration = Duration::from_millis(250);
/// The same after a second signal.
const GUARD_AFTER_SECOND_SIGNAL: Duration = Duration::from_millis(100);
/// The same once the exit is over, and nothing is left but to end the process.
const GUARD_AFTER_THE_END: Duration = Duration::from_millis(250);
/// How long those who look at the exit are waited for, to be told how it ended; and those who got in at the last moment.
const LAST_WORD: Duration = Duration::from_millis(50);
/// How often it is seen whether they have been.
const LAST_WORD_LOOK: Duration = Duration::from_millis(1);
/// How long the log's last lines are waited for.
const LOG_FLUSH: Duration = Duration::from_millis(50);

impl GracefulExit {
    /// What happens at a signal on the signals' own thread, whatever hangs elsewhere.
    pub(super) fn on_signal(&self, guard: Option<HardStop>) -> impl FnMut(ReceivedSignal) + Send + use<> {
        let (timeouts, codes, shared) = (self.timeouts, self.codes, Arc::clone(&self.shared));
        let mut rule = SignalRule::new(timeouts.coalesce);
        let epoch = Instant::now();
        move |caught| {
            let at = caught.at.saturating_duration_since(epoch);
            match rule.receive(Signal { at, kind: SignalKind::Other }) {
                Meaning::First => {
                    let after = timeouts.timeout.saturating_add(GUARD_AFTER_DEADLINE);
                    arm(guard.as_ref(), Cause::Deadline, after, codes.timed_out);
                }
                Meaning::Repeated => {}
                Meaning::Second => {
                    // Once the outcome is settled, and may have been told, a signal can only hasten the end.
                    let (cause, code) = match shared.settled.get() {
                        Some(&code) => (Cause::Finished, code),
                        None => (Cause::Forced, codes.forced),
                    };
                    arm(guard.as_ref(), cause, GUARD_AFTER_SECOND_SIGNAL, code);
                }
            }
            shared.request(caught.name.as_str());
        }
    }
}

pub(super) fn at_begin(guard: Option<HardStop>, deadline: Duration, code: u8) -> impl FnMut() + Send {
    move || arm(guard.as_ref(), Cause::Deadline, deadline.saturating_add(GUARD_AFTER_DEADLINE), code)
}

pub(super) fn at_exit(
    guard: Option<HardStop>,
    report_path: Option<PathBuf>,
    summary: bool,
    mut flush_log: Box<dyn FnMut(Duration) + Send>,
    language: Language,
    on_finish: OnFinish,
    shared: &Arc<Shared>,
) -> impl FnMut(Report) + Send + use<> {
    let shared = Arc::clone(shared);
    move |report| {
        // Whoever set it before said the same: an exit ends once.
        let _ = shared.settled.set(report.exit_code);
        let file = ReportFile::from(&report);
        if summary {
            for line in summary::lines(&file, language) {
                log::info!("{line}");
            }
        }
        if let Some(path) = &report_path
            && let Err(error) = file.write(path)
        {
            log::error!("{}", language.report_failed(&path.display(), &error));
        }
        last_word(&shared, report.outcome);
        // Before the log's flush: that is the user's code, and the exit is what it is by now.
        arm(guard.as_ref(), Cause::Finished, GUARD_AFTER_THE_END, report.exit_code);
        flush_log(LOG_FLUSH);
        if on_finish == OnFinish::Exit {
            report.exit();
        }
        if let Some(monitor) = shared.monitor.get() {
            monitor.put_servers_away();
        }
        let code = i32::from(report.exit_code);
        shared.finished.send_replace(Some(report));
        if guard.is_some()
            && let Some(system) = System::try_current()
        {
            system.stop_with_code(code);
        }
    }
}

fn arm(guard: Option<&HardStop>, cause: Cause, after: Duration, code: u8) {
    if let Some(guard) = guard {
        guard.arm(cause, after, code);
    }
}

/// Waits for those who are to have an answer still, but not for long.
fn last_word(shared: &Shared, outcome: Outcome) {
    let Some(monitor) = shared.monitor.get() else { return };
    let begun = Instant::now();
    while is_awaited(monitor, outcome) && begun.elapsed() < LAST_WORD {
        thread::sleep(LAST_WORD_LOOK);
    }
}

/// Whether somebody looks at the exit through a connection that outlives its server, and is to know how it ended; or,
/// where all servers have closed, was in the middle of a handshake by then, and has got in.
fn is_awaited(monitor: &Monitor, outcome: Outcome) -> bool {
    monitor.outliving() > 0 || (outcome == Outcome::Clean && !monitor.servers_are_empty())
}

impl Report {
    /// Ends the process with the exit code, without waiting for any runtime, thread or blocking task: whatever
    /// still hangs is left behind. If even that hangs, the guard ends the process 250 ms later, with the same code.
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
    fn whoever_gets_in_at_the_last_moment_is_waited_for_unless_the_end_is_sudden() {
        let handle = Handle::new("web".into(), Arc::new(Drain::new(1)), 1);
        let plan = Plan::new(Timeouts::default(), Vec::new()).expect("it may be empty");
        let monitor = Monitor::new(Arc::new(plan), std::slice::from_ref(&handle));
        let drain = Arc::clone(handle.drain());
        let (place, _connection) = drain.opened(0);
        assert!(!is_awaited(&monitor, Outcome::Forced));
        assert!(is_awaited(&monitor, Outcome::Clean));
        drain.closed(0, place);
        assert!(!is_awaited(&monitor, Outcome::Clean));
    }
}
