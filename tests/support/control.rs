//! Sending console control events to a process on Windows.

#![expect(unsafe_code, reason = "the system's functions have no safe form in std")]

use std::{
    ffi::c_void,
    mem,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    process::Child,
    ptr,
};

use windows_sys::{
    Win32::{
        Foundation::WAIT_TIMEOUT,
        System::{
            LibraryLoader::{GetModuleHandleA, GetProcAddress},
            Threading::{CreateRemoteThread, WaitForSingleObject},
        },
    },
    s,
};

/// The five events, by their names in the settings.
pub(crate) const EVENTS: [(&str, u32); 5] =
    [("CTRL_C", 0), ("CTRL_BREAK", 1), ("CTRL_CLOSE", 2), ("CTRL_LOGOFF", 5), ("CTRL_SHUTDOWN", 6)];

type Routine = unsafe extern "system" fn() -> isize;
type ThreadStart = unsafe extern "system" fn(*mut c_void) -> u32;

/// A sent event: the thread in the target process that calls its handlers.
#[derive(Debug)]
pub(crate) struct Sent {
    thread: OwnedHandle,
}

/// Sends an event as the system does: by a thread in the target process that runs `CtrlRoutine`.
/// `GenerateConsoleCtrlEvent` supports only the first two events, and addresses groups of processes.
pub(crate) fn send(child: &Child, event: u32) -> Sent {
    // SAFETY: the names end with a zero; the library is loaded in every process, and at the same address.
    let routine = unsafe { GetProcAddress(GetModuleHandleA(s!("kernelbase.dll")), s!("CtrlRoutine")) };
    let routine = routine.expect("kernelbase.dll has CtrlRoutine");
    // SAFETY: it takes one argument of a pointer's size and returns a number, as a thread's first function does.
    let start = unsafe { mem::transmute::<Routine, ThreadStart>(routine) };
    let argument = ptr::without_provenance(event as usize);
    // SAFETY: the handle is that of a child which has not been waited for; the argument is no pointer.
    let thread = unsafe {
        CreateRemoteThread(child.as_raw_handle(), ptr::null(), 0, Some(start), argument, 0, ptr::null_mut())
    };
    assert!(!thread.is_null(), "event {event}: {}", std::io::Error::last_os_error());
    // SAFETY: the handle was just created, and is owned here alone.
    Sent { thread: unsafe { OwnedHandle::from_raw_handle(thread) } }
}

/// True under wine, false on Windows.
pub(crate) fn is_wine() -> bool {
    // SAFETY: the names end with a zero; the library is loaded in every process.
    unsafe { GetProcAddress(GetModuleHandleA(s!("ntdll.dll")), s!("wine_get_version")) }.is_some()
}

impl Sent {
    /// True while the process's handler has not returned; until then Windows does not end the process.
    pub(crate) fn is_held(&self) -> bool {
        // SAFETY: the handle is open; no waiting.
        unsafe { WaitForSingleObject(self.thread.as_raw_handle(), 0) == WAIT_TIMEOUT }
    }
}
