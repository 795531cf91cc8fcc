//! Console control events. Windows calls the handler on a thread that it makes for the purpose, so it may take locks.

use std::io;
use std::ptr;
use std::sync::mpsc::{self, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, FALSE, STATUS_CONTROL_C_EXIT, TRUE};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::Registry::{HKEY_CURRENT_USER, RRF_RT_REG_SZ, RegGetValueW};
use windows_sys::Win32::System::Threading::ExitProcess;
use windows_sys::core::{BOOL, w};

use super::error::InstallError;
use super::name::SignalName;
use super::received::{ReceivedSignal, Sender};

/// `None` where no event is caught.
static DISPATCHER: Mutex<Option<Dispatcher>> = Mutex::new(None);

/// What Windows waits where the registry does not say.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

struct Dispatcher {
    events: Vec<(SignalName, u32)>,
    caught: mpsc::Sender<ReceivedSignal>,
}

/// Does nothing on Windows: an event that comes before [`Signals::install`](super::Signals::install) ends the process.
pub fn block() {}

/// Does nothing on Windows, as [`block`] does.
pub fn unblock() {}

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

/// How long Windows waits for the process after this event; forever after the others.
///
/// The functions of user32.dll that would tell are not for us: a process that has that library loaded hears
/// nothing of a log-off or a shutdown.
pub(super) fn grace_period(name: SignalName) -> Option<Duration> {
    let value = match name {
        SignalName::CtrlClose => w!("HungAppTimeout"),
        SignalName::CtrlLogoff | SignalName::CtrlShutdown => w!("WaitToKillAppTimeout"),
        _ => return None,
    };
    Some(desktop_setting(value).map_or(GRACE_PERIOD, Duration::from_millis))
}

/// A number of `HKEY_CURRENT_USER\Control Panel\Desktop`, which is there as text.
fn desktop_setting(name: *const u16) -> Option<u64> {
    let mut text = [0_u16; 32];
    let mut bytes = u32::try_from(size_of_val(&text)).ok()?;
    // SAFETY: both names end with a zero; `text` is valid for as many bytes as are announced, and so is the count.
    let found = unsafe {
        RegGetValueW(
            HKEY_CURRENT_USER,
            w!("Control Panel\\Desktop"),
            name,
            RRF_RT_REG_SZ,
            ptr::null_mut(),
            text.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    let text = String::from_utf16_lossy(&text);
    (found == ERROR_SUCCESS).then(|| text.trim_end_matches('\0').trim().parse().ok())?
}

pub(super) fn start(
    names: &[SignalName],
    mut on_caught: impl FnMut(ReceivedSignal) + Send + 'static,
) -> Result<(), InstallError> {
    let mut current = dispatcher();
    if current.is_some() {
        return Err(InstallError::AlreadyInstalled);
    }
    let (caught, read) = channel();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || read.into_iter().for_each(&mut on_caught))
        .map_err(InstallError::Thread)?;
    // SAFETY: the handler is a plain function that lives as long as the process.
    if unsafe { SetConsoleCtrlHandler(Some(on_event), TRUE) } == FALSE {
        return Err(InstallError::Handler {
            of: "console control events",
            source: io::Error::last_os_error(),
        });
    }
    *current = Some(Dispatcher { events: events(names), caught });
    Ok(())
}

/// From now on exactly `names` are caught.
#[expect(clippy::unnecessary_wraps, reason = "on Unix the system may refuse a handler")]
pub(super) fn change(names: &[SignalName]) -> Result<(), InstallError> {
    if let Some(dispatcher) = &mut *dispatcher() {
        dispatcher.events = events(names);
    }
    Ok(())
}

/// Removes the handler, and ends the thread.
pub(super) fn stop() {
    if dispatcher().take().is_some() {
        // SAFETY: as where it was installed.
        unsafe { SetConsoleCtrlHandler(Some(on_event), FALSE) };
    }
}

/// Ends the process as the default handler of an event does.
pub(super) fn raise(_name: SignalName) {
    // SAFETY: it does not return.
    unsafe { ExitProcess(u32::from_ne_bytes(STATUS_CONTROL_C_EXIT.to_ne_bytes())) };
}

fn events(names: &[SignalName]) -> Vec<(SignalName, u32)> {
    names.iter().filter_map(|&name| Some((name, number(name)?))).collect()
}

fn dispatcher() -> MutexGuard<'static, Option<Dispatcher>> {
    DISPATCHER.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "system" fn on_event(event: u32) -> BOOL {
    {
        let dispatcher = dispatcher();
        let Some(dispatcher) = &*dispatcher else { return FALSE };
        let Some(&(name, _)) = dispatcher.events.iter().find(|(_, number)| *number == event) else {
            return FALSE; // not in the settings' list: it has its default effect
        };
        // The reader lives as long as the dispatcher.
        let _ = dispatcher.caught.send(ReceivedSignal { name, at: Instant::now(), sender: Sender::Unknown });
    }
    if matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        return TRUE;
    }
    // Windows ends the process as soon as the handler of a close, log-off or shutdown event returns. It never does: the exit ends it.
    // The system calls handlers one at a time, so no further event comes through meanwhile: what forces the exit then is
    // the system itself, when its grace period is over.
    loop {
        thread::park();
    }
}
