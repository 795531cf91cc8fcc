//! Installs the handlers, and puts back what was there before.

use std::{
    io,
    os::unix::net::UnixStream,
    sync::{Mutex, MutexGuard, atomic::Ordering::SeqCst},
    thread,
};

use libc::c_int;

use super::{
    super::{error::InstallError, name::SignalName, received::ReceivedSignal},
    action::{action, blank_action, set_action},
    handler::{close_pipe, open_pipe, our_handler, previous},
    mask::{change_mask, unblock},
    number::number,
    reader::read_all,
};
use crate::sync;

/// The handlers that are installed; `None` where no signal is caught.
static INSTALLED: Mutex<Option<Vec<Installed>>> = Mutex::new(None);

/// A signal that is caught.
struct Installed {
    name: SignalName,
    signal: c_int,
    /// What to restore; `None` if no handler was installed for it.
    before: Option<libc::sigaction>,
}

/// Starts the thread, installs the handlers, then unblocks: in this order nothing that is pending is lost.
pub(in crate::os::signals) fn start(
    names: &[SignalName],
    on_caught: impl FnMut(ReceivedSignal) + Send + 'static,
) -> Result<(), InstallError> {
    let mut installed = installed();
    if installed.is_some() {
        return Err(InstallError::AlreadyInstalled);
    }
    // No child inherits them. Writing must not wait for the thread that the handler may have interrupted.
    let pair = UnixStream::pair().and_then(|(reader, writer)| {
        writer.set_nonblocking(true)?;
        Ok((reader, writer))
    });
    let (reader, writer) = pair.map_err(InstallError::Pipe)?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || read_all(reader, is_installed, on_caught))
        .map_err(InstallError::Thread)?;

    open_pipe(writer);
    let mut list = Vec::new();
    let changed = change_list(&mut list, names);
    if changed.is_err() {
        close_pipe();
        return changed;
    }
    *installed = Some(list);
    for signal in names.iter().filter_map(|&name| number(name)) {
        change_mask(libc::SIG_UNBLOCK, signal); // the parent may have blocked it
    }
    unblock();
    Ok(())
}

/// Installs and restores handlers, so that exactly `names` are caught.
pub(in crate::os::signals) fn change(names: &[SignalName]) -> Result<(), InstallError> {
    match &mut *installed() {
        Some(list) => change_list(list, names),
        None => Ok(()),
    }
}

/// Restores all handlers, and ends the thread.
pub(in crate::os::signals) fn stop() {
    if let Some(list) = installed().take() {
        list.iter().for_each(restore);
        close_pipe();
    }
}

/// Sends a signal to this process, which has its default effect once it is not caught. Nothing, where a handler that was
/// installed later still calls ours: that has had it.
pub(in crate::os::signals) fn raise(name: SignalName) {
    let Some(signal) = number(name) else { return };
    if previous(signal).is_some_and(|previous| previous.still_called.load(SeqCst)) {
        return;
    }
    // To the process: the calling thread may block it.
    // SAFETY: it only sends.
    unsafe { libc::kill(libc::getpid(), signal) };
}

fn is_installed() -> bool {
    installed().is_some()
}

fn installed() -> MutexGuard<'static, Option<Vec<Installed>>> {
    sync::lock(&INSTALLED)
}

/// On an error the list is as it was before.
fn change_list(list: &mut Vec<Installed>, names: &[SignalName]) -> Result<(), InstallError> {
    let mut added = Vec::new();
    for &name in names {
        let Some(signal) = number(name) else { continue };
        if list.iter().chain(&added).any(|installed| installed.signal == signal) {
            continue;
        }
        match install(signal) {
            Ok(before) => added.push(Installed { name, signal, before }),
            Err(source) => {
                added.iter().for_each(restore);
                return Err(InstallError::Handler { of: name.as_str(), source });
            }
        }
    }
    list.retain(|installed| {
        let stays = names.contains(&installed.name);
        if !stays {
            restore(installed);
        }
        stays
    });
    list.extend(added);
    Ok(())
}

/// Installs the handler for `signal`, unless it was inherited as ignored and should stay so, or is called already.
/// Returns what to restore.
fn install(signal: c_int) -> io::Result<Option<libc::sigaction>> {
    let before = action(signal)?;
    let may_stay_ignored = matches!(signal, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT);
    if may_stay_ignored && before.sa_sigaction == libc::SIG_IGN {
        return Ok(None);
    }
    if let Some(previous) = previous(signal) {
        let is_function = !matches!(before.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
        // A handler that was installed after an earlier one of ours calls that: with ours on top of it, each would call
        // the other without end.
        if is_function && previous.still_called.load(SeqCst) {
            return Ok(None);
        }
        previous.still_called.store(false, SeqCst);
        previous.with_info.store(before.sa_flags & libc::SA_SIGINFO != 0, SeqCst);
        previous.handler.store(if is_function { before.sa_sigaction } else { 0 }, SeqCst);
    }
    let mut ours = blank_action();
    ours.sa_sigaction = our_handler();
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // No handler interrupts another, so that the records are in the order in which the signals were handed over.
    // SAFETY: the set is ours and valid.
    unsafe { libc::sigfillset(&raw mut ours.sa_mask) };
    set_action(signal, &ours)?;
    Ok(Some(before))
}

/// Puts back what was in force before, if our handler is the one in force now.
fn restore(installed: &Installed) {
    let Some(before) = &installed.before else { return };
    if action(installed.signal).is_ok_and(|current| current.sa_sigaction == our_handler()) {
        let _ = set_action(installed.signal, before); // it was in force before
    } else if let Some(previous) = previous(installed.signal) {
        previous.still_called.store(true, SeqCst);
    }
}
