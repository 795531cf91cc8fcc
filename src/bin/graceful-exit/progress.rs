//! The progress bar of an exit: under the log of this process, or for an exit of another one.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use graceful_exit::{ExitHandle, Language, locale::escaped, sequence::PhaseKind};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::view::View;

/// The bar of an exit that is watched from another process.
#[derive(Clone, Debug)]
pub(crate) struct Bar(ProgressBar);

/// The bar of this process's exit, under the log. Only the drawing thread and the log's writer wait for the terminal:
/// one that hangs (Ctrl-S) delays no exit.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: Bar,
    stage: Arc<Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// There is no exit to show, and no thread.
    #[default]
    Hidden,
    Shown,
    /// It is to be cleared away.
    Over,
}

/// How often it is drawn.
const REDRAW: Duration = Duration::from_millis(100);

impl Progress {
    /// Nothing where standard error is no terminal, or one that cannot move its cursor.
    pub(crate) fn on_terminal() -> Option<Self> {
        is_terminal().then(|| Self { bar: Bar(ProgressBar::hidden()), stage: Arc::default() })
    }

    /// Standard error, for the log: its lines go above the bar.
    pub(crate) fn above(&self) -> Above {
        Above { bar: self.bar.0.clone() }
    }

    /// Shows it as soon as the exit starts.
    pub(crate) fn follow(&self, exit: ExitHandle, language: Language) {
        let progress = self.clone();
        actix_web::rt::spawn(async move {
            exit.requested().await;
            let drawing = thread::Builder::new().name("progress".to_owned());
            // Without a thread there is no bar, and the exit goes on.
            let _ = drawing.spawn(move || progress.draw(&exit, language));
        });
    }

    /// Clears it away, and waits for that, `timeout` at most.
    pub(crate) fn clear(&self, timeout: Duration) {
        let mut state = self.stage.lock();
        if *state == State::Shown {
            *state = State::Over;
            self.stage.changed.notify_all();
            let wait = self.stage.changed.wait_timeout_while(state, timeout, |state| *state != State::Hidden);
            drop(wait);
        }
    }

    fn draw(&self, exit: &ExitHandle, language: Language) {
        self.bar.draw();
        let mut state = self.stage.lock();
        *state = State::Shown;
        while *state == State::Shown && exit.phase() != "exited" {
            drop(state);
            if let Some(view) = exit.status().and_then(|status| View::of(&status)) {
                self.bar.show(&view, language);
            }
            state = self.stage.lock();
            if *state == State::Shown {
                let wait = self.stage.changed.wait_timeout(state, REDRAW);
                state = wait.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        drop(state);
        self.bar.clear();
        *self.stage.lock() = State::Hidden;
        self.stage.changed.notify_all();
    }
}

impl Bar {
    /// Nothing where standard error is no terminal, or one that cannot move its cursor.
    pub(crate) fn on_terminal() -> Option<Self> {
        is_terminal().then(|| {
            let bar = Self(ProgressBar::hidden());
            bar.draw();
            bar
        })
    }

    fn draw(&self) {
        let style = ProgressStyle::with_template("{bar:12.cyan} {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        self.0.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        self.0.set_draw_target(ProgressDrawTarget::stderr());
    }

    /// Shows the phase that is running.
    pub(crate) fn show(&self, view: &View, language: Language) {
        if let Some(now) = Moment::of(view, language) {
            self.0.set_length(now.timeout);
            self.0.set_position(now.elapsed);
            self.0.set_message(now.text);
            self.0.tick();
        }
    }

    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
        self.0.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// True if standard error is a terminal that can move its cursor.
fn is_terminal() -> bool {
    let can_move = std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty());
    io::stderr().is_terminal() && (can_move || cfg!(windows))
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes to standard error above the bar.
#[derive(Debug)]
pub(crate) struct Above {
    bar: ProgressBar,
}

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bar.is_hidden() {
            return io::stderr().write(bytes);
        }
        self.bar.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What the bar shows: how much of the running phase's timeout is used up, in milliseconds, and what is left.
#[derive(Debug, PartialEq, Eq)]
struct Moment {
    elapsed: u64,
    timeout: u64,
    text: String,
}

impl Moment {
    fn of(status: &View, language: Language) -> Option<Self> {
        let since = status.timeout_ms.saturating_sub(status.deadline_left_ms?);
        let phase = status
            .phases
            .iter()
            .rev()
            .find(|phase| phase.start_ms.is_some() && phase.duration_ms.is_none())?;
        let elapsed = since.saturating_sub(phase.start_ms?).min(phase.bound_ms);
        // The deadline may come before the phase's own timeout is over.
        let left = (phase.bound_ms - elapsed).min(status.deadline_left_ms?);
        let left = Duration::from_millis(left);
        let what = if phase.name == "drain" {
            let count = status.servers.iter().map(|server| server.in_flight).sum();
            let oldest =
                status.servers.iter().flat_map(|server| &server.oldest).max_by_key(|request| request.age);
            language.waited_requests(count, oldest.map(|request| (request.name(), request.age)))
        } else {
            let jobs = status.callbacks.iter().chain(&status.resources).chain(&status.workers);
            let running: Vec<_> =
                jobs.filter(|job| job.state == "running").map(|job| job.name.clone()).collect();
            let shown = running.len().min(3);
            if shown == 0 {
                PhaseKind::from_name(&phase.name)
                    .map_or(phase.name.as_str(), |kind| language.phase_name(kind))
                    .to_owned()
            } else {
                language.waited_members(&running[..shown], running.len() - shown)
            }
        };
        // A narrow terminal cuts the end off.
        let text = language.time_left(&what, left);
        Some(Self { elapsed, timeout: phase.bound_ms.max(1), text: escaped(&text).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_that_is_left_comes_before_what_a_narrow_terminal_cuts_off() {
        let status = |phase: &str| {
            let view = json!({
                "phase": phase, "timeout_ms": 25_000, "deadline_left_ms": 23_800,
                "servers": [{"name": "business", "in_flight": 1,
                    "oldest": [{"method": "GET", "path": "/a/long/path", "age_ms": 1_200}]}],
                "callbacks": [{"name": "flush-cache", "state": "running"}],
                "phases": [{"name": phase, "bound_ms": 10_000, "start_ms": 0}],
            });
            serde_json::from_value::<View>(view).expect("a status")
        };
        for (language, phase, text) in [
            (Language::En, "drain", "8.8s left: 1 request, the oldest GET /a/long/path (1.2s)"),
            (Language::Zh, "drain", "剩余 8.8s：1 个请求，最早的是 GET /a/long/path（1.2s）"),
            (Language::En, "callbacks", "8.8s left: flush-cache"),
            (Language::ZhHant, "callbacks", "剩餘 8.8s：flush-cache"),
            (Language::En, "close_servers", "8.8s left: flush-cache"),
        ] {
            let moment = Moment::of(&status(phase), language).expect("an exit");
            assert_eq!((moment.elapsed, moment.timeout, moment.text.as_str()), (1_200, 10_000, text));
        }
        let mut idle = status("close_servers");
        idle.callbacks.clear();
        let moment = Moment::of(&idle, Language::En).expect("an exit");
        assert_eq!(moment.text, "8.8s left: close servers");
    }
}
