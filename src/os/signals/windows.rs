//! Console control events. Windows calls the handler on a thread that it makes for the purpose, so it may take locks.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Instant;

use windows_sys::Win32::Foundation::{FALSE, TRUE};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

use super::{Caught, InstallError, SignalName};

static INTAKE: OnceLock<Intake> = OnceLock::new();

struct Intake {
    events: Vec<(SignalName, u32)>,
    caught: Sender<Caught>,
}

/// Does nothing on Windows: an event that comes before [`Signals::install`](super::Signals::install) ends the process.
pub fn hold() {}

/// Does nothing on Windows, as [`hold`] does.
pub fn release() {}

pub(super) fn number(name: SignalName) -> Option<u32> {
    match name {
        SignalName::CtrlC => Some(CTRL_C_EVENT),
        SignalName::CtrlBreak => Some(CTRL_BREAK_EVENT),
        SignalName::CtrlClose => Some(CTRL_CLOSE_EVENT),
        SignalName::CtrlLogoff => Some(CTRL_LOGOFF_EVENT),
        SignalName::CtrlShutdown => Some(CTRL_SHUTDOWN_EVENT),
        SignalName::Hup
        | SignalName::Int
        | SignalName::Quit
        | SignalName::Ill
        | SignalName::Trap
        | SignalName::Abrt
        | SignalName::Sys
        | SignalName::Term
        | SignalName::Usr1
        | SignalName::Usr2
        | SignalName::Alrm
        | SignalName::Xcpu
        | SignalName::Pwr => None,
    }
}

pub(super) fn start(
    names: &[SignalName],
    mut on_caught: impl FnMut(Caught) + Send + 'static,
) -> Result<(), InstallError> {
    let events = names.iter().filter_map(|&name| Some((name, number(name)?))).collect();
    let (caught, read) = channel();
    if INTAKE.set(Intake { events, caught }).is_err() {
        return Err(InstallError::AlreadyInstalled);
    }
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || read.into_iter().for_each(&mut on_caught))
        .map_err(InstallError::Thread)?;
    // SAFETY: the handler is a plain function that lives as long as the process, and uses only what is set above.
    if unsafe { SetConsoleCtrlHandler(Some(on_event), TRUE) } == FALSE {
        return Err(InstallError::Handler {
            of: "console control events",
            source: io::Error::last_os_error(),
        });
    }
    Ok(())
}

unsafe extern "system" fn on_event(event: u32) -> BOOL {
    let Some(intake) = INTAKE.get() else {
        return FALSE;
    };
    let Some(&(name, _)) = intake.events.iter().find(|(_, number)| *number == event) else {
        return FALSE; // not in the settings' list: it has its default effect
    };
    let _ = intake.caught.send(Caught { name, at: Instant::now() }); // the reader lives as long as the process
    if matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        return TRUE;
    }
    // Windows ends the process as soon as the handler of a close, log-off or shutdown event returns. It never does: the exit ends it.
    loop {
        thread::park();
    }
}
