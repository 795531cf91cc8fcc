//! `graceful-exit service`: the application as a Windows service, for the service manager to start.
//!
//! ```text
//! sc.exe create graceful-exit start= auto binPath= "C:\app\graceful-exit.exe service -c C:\app\settings.toml"
//! ```
//!
//! The manager's stop and pre-shutdown controls start the exit. While it goes on, the manager is told each second that it
//! does, and how long it may take: a program that waits for the service to stop keeps waiting. When the system shuts down, that
//! gives no more time than the service has for it: 10 s since Windows 10 1703, unless `PreshutdownTimeout` in its
//! registry key (`HKLM\SYSTEM\CurrentControlSet\Services\graceful-exit`, in milliseconds) says otherwise. It should
//! be longer than `shutdown.timeout`. An exit code other than 0 is reported as the service's own.
//!
//! No console event is caught: a service is sent `CTRL_LOGOFF` whenever a user logs off, which is no reason to stop, and
//! `CTRL_SHUTDOWN` has less time than the pre-shutdown control. A service starts in the system's own folder, so its
//! settings should name files by their full paths, the log's among them: standard error is not visible.
//!
//! This is compiled and linted with everything else, and a test sees that it sends away a person who starts it. The
//! rest has to be seen on Windows: wine's service manager is no evidence for the real one's.

use std::{
    ffi::OsString,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use graceful_exit::{ExitHandle, os::hard_stop, settings::Loaded};
use windows_service::{
    define_windows_service,
    service::{
        ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
    },
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
};

use crate::{
    output::{exit_code, fail},
    run,
};

/// A process with one service in it may give any name; the manager goes by its own.
const NAME: &str = "graceful-exit";

/// How often the state is reported to the manager.
const TICK: Duration = Duration::from_secs(1);

/// The wait hint: how long the manager waits for the next report, beyond what the exit itself may take.
const EXTRA_WAIT: Duration = Duration::from_secs(5);

/// For the thread that the manager's dispatcher starts, which takes no argument.
static SETTINGS: Mutex<Option<Loaded>> = Mutex::new(None);

/// Serves until the manager says to stop, or `POST /shutdown` does.
pub(crate) fn main(mut loaded: Loaded) -> ExitCode {
    loaded.settings.shutdown.signals.clear();
    *SETTINGS.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
    match service_dispatcher::start(NAME, entry) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(
            exit_code::START,
            &format!("`graceful-exit service` is for the service manager to start (sc.exe): {error}"),
        ),
    }
}

define_windows_service!(entry, service);

fn service(_arguments: Vec<OsString>) {
    let settings = SETTINGS.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(settings) = settings else { return };
    let code = match serve(settings) {
        Ok(code) => code,
        Err(error) => {
            log::error!(
                event = "service_manager_failed", error:% = error;
                "the service manager cannot be answered: {error}"
            );
            exit_code::START
        }
    };
    // The manager has been told; threads that still hang are left behind.
    hard_stop::exit(code)
}

/// What the thread that reports to the manager receives.
enum Event {
    /// The control of this name.
    Stop(&'static str),
    /// The application is about to start.
    Starting(ExitHandle),
    /// It has ended, with this exit code.
    Ended(u8),
}

fn serve(loaded: Loaded) -> windows_service::Result<u8> {
    let (sender, events) = mpsc::channel();
    let controls = sender.clone();
    let status = service_control_handler::register(NAME, move |control| answer(&control, &controls))?;
    let mut manager =
        Manager { status, exit_takes: loaded.settings.shutdown.timeouts.timeout, checkpoint: 0 };
    manager.tell(Stage::Starting)?;
    let application = thread::Builder::new().name("application".to_owned()).spawn(move || {
        let code = run::run(loaded, |exit| {
            tell(&sender, Event::Starting(exit.handle()));
            exit
        });
        tell(&sender, Event::Ended(code));
    });
    let code = match application {
        Ok(_) => watch(&mut manager, &events)?,
        Err(_) => exit_code::START,
    };
    manager.tell(Stage::Stopped(code))?;
    Ok(code)
}

fn answer(control: &ServiceControl, events: &Sender<Event>) -> ServiceControlHandlerResult {
    match control {
        ServiceControl::Stop => tell(events, Event::Stop("SERVICE_CONTROL_STOP")),
        ServiceControl::Preshutdown => tell(events, Event::Stop("SERVICE_CONTROL_PRESHUTDOWN")),
        ServiceControl::Interrogate => {}
        _ => return ServiceControlHandlerResult::NotImplemented,
    }
    ServiceControlHandlerResult::NoError
}

/// The receiver is gone only when the process is about to be.
fn tell(events: &Sender<Event>, event: Event) {
    let _ = events.send(event);
}

/// Carries controls to the application, and tells the manager how it stands, until it has ended.
fn watch(manager: &mut Manager, events: &Receiver<Event>) -> windows_service::Result<u8> {
    let mut handle: Option<ExitHandle> = None;
    let mut asked = None;
    let mut was_ready = false;
    loop {
        match events.recv_timeout(TICK) {
            Ok(Event::Stop(control)) => asked = Some(control),
            Ok(Event::Starting(exit)) => handle = Some(exit),
            Ok(Event::Ended(code)) => return Ok(code),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(exit_code::START),
        }
        if let (Some(handle), Some(control)) = (&handle, asked) {
            handle.stop(control);
        }
        let is_ready = handle.as_ref().is_some_and(ExitHandle::is_ready);
        was_ready |= is_ready;
        manager.tell(match (asked, is_ready, was_ready) {
            (None, true, _) => Stage::Running,
            (None, false, false) => Stage::Starting,
            (Some(_), ..) | (None, false, true) => Stage::Stopping,
        })?;
    }
}

#[derive(Clone, Copy)]
enum Stage {
    Starting,
    Running,
    Stopping,
    Stopped(u8),
}

/// The way to the service manager.
struct Manager {
    status: ServiceStatusHandle,
    /// The longest that an exit takes.
    exit_takes: Duration,
    /// Increases with each report, which tells the manager that the work goes on.
    checkpoint: u32,
}

impl Manager {
    fn tell(&mut self, stage: Stage) -> windows_service::Result<()> {
        let stoppable = ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN;
        let (current_state, controls_accepted, wait_hint, code) = match stage {
            Stage::Starting => (ServiceState::StartPending, ServiceControlAccept::empty(), EXTRA_WAIT, 0),
            Stage::Running => (ServiceState::Running, stoppable, Duration::ZERO, 0),
            Stage::Stopping => {
                let wait_hint = self.exit_takes.saturating_add(EXTRA_WAIT);
                (ServiceState::StopPending, ServiceControlAccept::empty(), wait_hint, 0)
            }
            Stage::Stopped(code) => {
                (ServiceState::Stopped, ServiceControlAccept::empty(), Duration::ZERO, code)
            }
        };
        self.checkpoint = if wait_hint.is_zero() { 0 } else { self.checkpoint + 1 };
        self.status.set_service_status(ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state,
            controls_accepted,
            exit_code: match code {
                0 => ServiceExitCode::Win32(0),
                code => ServiceExitCode::ServiceSpecific(u32::from(code)),
            },
            checkpoint: self.checkpoint,
            wait_hint,
            process_id: None,
        })
    }
}
