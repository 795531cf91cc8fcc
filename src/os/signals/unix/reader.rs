//! The thread that reads what the handler writes.

use std::{io::Read, os::unix::net::UnixStream};

use libc::c_int;

use super::{
    super::{name::SignalName, received::ReceivedSignal},
    number::number,
    record::Record,
};

/// Passes each signal on, unless it is not caught any more. Ends when the pipe is closed.
pub(super) fn read_all(
    mut pipe: UnixStream,
    is_caught: impl Fn(c_int) -> bool,
    mut on_caught: impl FnMut(ReceivedSignal),
) {
    let mut record = Record::default();
    while pipe.read_exact(record.bytes_mut()).is_ok() {
        let signal = record.signal();
        let name = SignalName::ALL.iter().find(|name| number(**name) == Some(signal));
        if let Some(&name) = name.filter(|_| is_caught(signal)) {
            on_caught(ReceivedSignal { name, at: record.at(), sender: record.sender() });
        }
    }
}
