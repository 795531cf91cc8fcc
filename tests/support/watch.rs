//! Time limits that the program promises, on a machine that may be busy.

use std::{
    fs,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Measures how busy the machine is while a test runs. A time limit holds for a process that gets its processor, and
/// other tests run at the same time: on an idle machine a limit is checked unchanged.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The worst delay of a sleeping thread's wake-up.
    late: Duration,
    /// The number of runnable threads, summed up over all samples.
    runnable: f64,
    looks: f64,
}

/// The time between two samples.
const LOOK: Duration = Duration::from_millis(5);
/// The largest factor by which a time limit is extended.
const STRETCHED: f64 = 4.0;

impl Watch {
    pub(crate) fn start() -> Self {
        let watch = Self { seen: Arc::default(), over: Arc::default() };
        let (seen, over) = (Arc::clone(&watch.seen), Arc::clone(&watch.over));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let start = Instant::now();
                thread::sleep(LOOK);
                let late = start.elapsed().saturating_sub(LOOK);
                // `0.00 0.01 0.05 RUNNABLE/ALL LAST`
                let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
                let runnable =
                    load.split(' ').nth(3).and_then(|part| part.split('/').next()?.parse::<f64>().ok());
                let mut seen = seen.lock().expect("no panic");
                seen.late = seen.late.max(late);
                seen.runnable += runnable.unwrap_or(1.0);
                seen.looks += 1.0;
            }
        });
        watch
    }

    /// Checks that `took` is at most `bound`, extended by the measured load.
    pub(crate) fn check(&self, what: &str, took: Duration, bound: Duration) {
        let seen = self.seen.lock().expect("no panic");
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let cores = f64::from(u32::try_from(cores).unwrap_or(u32::MAX));
        let busy = (seen.runnable / seen.looks.max(1.0) / cores).clamp(1.0, STRETCHED);
        let most = bound.mul_f64(busy) + 4 * seen.late;
        assert!(
            took < most,
            "{what}: it took {took:?}, and {bound:?} are allowed; the machine: {busy:.1}, {seen:?}"
        );
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
