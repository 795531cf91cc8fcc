//! The thread that reads what the handler writes.

use std::{io::Read, os::unix::net::UnixStream};

use super::{
    super::{name::SignalName, received::ReceivedSignal},
    number::number,
    record::Record,
};

/// Passes each signal on, as long as any is caught. Ends when the pipe is closed.
pub(super) fn read_all(
    mut pipe: UnixStream,
    is_installed: impl Fn() -> bool,
    mut on_caught: impl FnMut(ReceivedSignal),
) {
    let mut record = Record::default();
    while pipe.read_exact(record.bytes_mut()).is_ok() {
        let signal = record.signal();
        let name = SignalName::ALL.iter().find(|name| number(**name) == Some(signal));
        if let Some(&name) = name.filter(|_| is_installed()) {
            on_caught(ReceivedSignal { name, at: record.at(), sender: record.sender() });
        }
    }
}
