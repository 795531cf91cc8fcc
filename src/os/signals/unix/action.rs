//! `sigaction`: what a signal does to this process.

use std::{io, mem::MaybeUninit, ptr};

use libc::c_int;

pub(super) fn blank_action() -> libc::sigaction {
    // SAFETY: plain C data, for which all zeroes is valid: no handler, no flag, an empty mask.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

pub(super) fn action(signal: c_int) -> io::Result<libc::sigaction> {
    let mut current = blank_action();
    // SAFETY: a null `act` only reads; `current` is valid for the write.
    match unsafe { libc::sigaction(signal, ptr::null(), &raw mut current) } {
        0 => Ok(current),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(super) fn set_action(signal: c_int, new: &libc::sigaction) -> io::Result<()> {
    // SAFETY: `new` is either what the kernel gave us or has a handler that is async-signal-safe.
    match unsafe { libc::sigaction(signal, new, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
