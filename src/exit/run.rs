//! Running an exit: in a program with an actix `System`, with another runtime, or with none.

use std::sync::Arc;

use actix::prelude::*;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use super::{
    GracefulExit, StartError, armed::Armed, builder::OnFinish, handle::RunState, thread::ExitThread,
};
use crate::{
    os::{
        hard_stop::{HardStop, Messages},
        signals::Signals,
    },
    report::Report,
};

impl GracefulExit {
    /// Starts the hard stop and catches the signals; [`GracefulExit::run`] does this first if it was not done before.
    ///
    /// A program with work to do before it can serve, such as opening a database, calls it before that work, and before
    /// it starts threads. [`ExitHandle::requested`](crate::ExitHandle::requested) then resolves if a signal comes
    /// during that work. The program has half a second to undo the work; then the process ends, with the exit code 0.
    ///
    /// # Errors
    /// When the hard stop's thread cannot be started, or a signal cannot be caught.
    pub fn arm(&mut self) -> Result<(), StartError> {
        if self.armed.is_some() {
            return Ok(());
        }
        let line = |event, sentence: &str| ((self.hard_stop_line)(event, sentence.trim_end()) + "\n").into();
        let messages = Messages {
            deadline: line("hard_stop_deadline", self.language.hard_stop_deadline()),
            forced: line("hard_stop_forced", self.language.hard_stop_forced()),
            after_run: line("hard_stop_after_run", self.language.hard_stop_after_run()),
        };
        let ends = self.on_finish != OnFinish::Continue;
        let hard_stop = ends.then(|| HardStop::start(messages)).transpose().map_err(StartError::HardStop)?;
        let on_signal = self.on_signal(hard_stop.clone());
        if let Some(guard) = self.start_guard.take() {
            self.armed = Some(guard.hand_over(hard_stop, &self.signals, on_signal)?);
            return Ok(());
        }
        let mut signals = None;
        if !self.signals.is_empty() {
            signals = Some(Signals::install(&self.signals, on_signal).map_err(StartError::Signals)?);
        }
        self.armed = Some(Armed { hard_stop, signals });
        Ok(())
    }

    /// Binds, serves, and resolves when the exit is over; then call [`Report::exit`].
    ///
    /// Everything is bound before anything is served. A signal that comes meanwhile starts the exit as soon as every
    /// server accepts connections.
    ///
    /// It runs on any runtime of tokio: under `#[actix_web::main]`, `#[tokio::main]` of either flavour and
    /// `#[tokio::test]`. Workers belong to the calling thread's actix `System`, where it has one, so that
    /// `System::current()` in a handler is the program's own; otherwise to one that is started for the exit. The
    /// supervisor has a thread of its own in any case: `System::stop()` in the program starts an exit, and does not
    /// stop the supervisor.
    ///
    /// # After it
    /// What the program does next, such as flushing a tracer, has what is left of `timeout`, and at least 5 s. If it
    /// takes longer, that is logged, and the process ends with the exit code of [`Outcome::TimedOut`](crate::Outcome::TimedOut).
    /// With [`ends_process(false)`](GracefulExit::ends_process) it may take as long as it likes.
    ///
    /// # Errors
    /// When it cannot be started: what was begun has been taken back then, and another exit can be started. Signals
    /// stay caught after [`exits_at_once`](GracefulExit::exits_at_once): the process is to end then.
    pub async fn run(mut self) -> Result<Report, StartError> {
        self.arm()?;
        let (armed, shared, on_finish) = (self.armed.clone(), Arc::clone(&self.shared), self.on_finish);
        let started = match (ExitThread::start().await, System::try_current()) {
            (Err(error), _) => Err(StartError::Thread(error)),
            (Ok(thread), Some(system)) => self.start(thread, system).await,
            (Ok(thread), None) => start_without_system(self, thread).await,
        };
        if let Err(error) = started {
            // Where the process is to end now, a signal still ends it as during the start, whatever its end waits for.
            if on_finish != OnFinish::Exit {
                if let Some(armed) = armed {
                    armed.retire();
                }
                shared.run.send_replace(RunState::Over(None));
            }
            return Err(error);
        }
        let report = shared.over().await;
        shared.returned.notify_one();
        report.ok_or(StartError::Supervisor)
    }

    /// [`GracefulExit::run`] for a plain `fn main`, without any runtime around it.
    ///
    /// ```no_run
    /// use actix_web::{App, web};
    /// use graceful_exit::{GracefulExit, Server, StartError};
    ///
    /// fn main() -> Result<(), StartError> {
    ///     let server = Server::new("web", || App::new().route("/", web::get().to(|| async { "hello\n" })));
    ///     GracefulExit::builder().server(server.bind("127.0.0.1:8080")).run_blocking()?.exit()
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`GracefulExit::run`]; and where the calling thread runs futures, because it would block them.
    pub fn run_blocking(self) -> Result<Report, StartError> {
        if Handle::try_current().is_ok() {
            return Err(StartError::InsideRuntime);
        }
        let runtime = Builder::new_current_thread().build().map_err(StartError::Thread)?;
        runtime.block_on(self.run())
    }
}

/// Starts everything on the exit's own thread, whose `System` the workers then belong to.
async fn start_without_system(exit: GracefulExit, thread: ExitThread) -> Result<(), StartError> {
    let system = thread.system().clone();
    let (done, started) = oneshot::channel();
    thread.system().clone().arbiter().spawn_fn(move || {
        actix::spawn(async move {
            let _ = done.send(exit.start(thread, system).await); // the caller may have given up
        });
    });
    started.await.unwrap_or(Err(StartError::Supervisor))
}

#[cfg(all(test, unix))]
mod tests {
    use std::{net::TcpListener, process::Command};

    use super::*;
    use crate::{
        os::process::{Process, TestResult, part, say, wait_for_order},
        server::Server,
    };

    const CHILD: &str = "exit::run::tests::child";

    #[test]
    fn child() -> TestResult {
        let Some(_) = part() else { return Ok(()) };
        let taken = TcpListener::bind("127.0.0.1:0")?;
        let server = Server::new("web", actix_web::App::new).bind(taken.local_addr()?);
        let exit = GracefulExit::builder().server(server).exits_at_once();
        say(exit.run_blocking().is_err());
        wait_for_order();
        Ok(())
    }

    #[test]
    fn a_signal_after_a_failed_start_of_a_process_that_is_to_end_ends_it_as_during_the_start() -> TestResult {
        let mut process = Process::start(CHILD, "failed", |_| {})?;
        assert_eq!(process.line()?, "true");
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", process.id())]).status()?.success());
        assert_eq!(process.wait()?.code(), Some(0));
        Ok(())
    }
}
