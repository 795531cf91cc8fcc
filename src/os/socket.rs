//! Returns whether a socket has pending input, without owning the socket.

use super::listener::AsSocket;

/// The system's number of a socket. It neither borrows the socket nor keeps it open.
pub type Number = u32;

/// A socket's number, for [`have_no_pending_input`]; `None` if it has none that can be told.
pub fn number(socket: &impl AsSocket) -> Option<Number> {
    platform::number(socket)
}

/// For each socket, true if it has no pending input: no unread byte, no end of the stream, no error.
///
/// One system call for all of them; it reads, changes and waits for nothing. False where the system cannot tell. The
/// result for a number that no longer belongs to the same socket is meaningless.
#[must_use]
pub fn have_no_pending_input(sockets: &[Number]) -> Vec<bool> {
    if sockets.is_empty() { Vec::new() } else { platform::have_no_pending_input(sockets) }
}

/// The same of one socket. A listening socket has no pending input if its accept queue is empty.
pub fn has_no_pending_input(socket: &impl AsSocket) -> bool {
    number(socket).is_some_and(|socket| have_no_pending_input(&[socket]) == [true])
}

#[cfg(unix)]
mod platform {
    use std::os::fd::AsRawFd;

    use super::{AsSocket, Number};

    pub(super) fn number(socket: &impl AsSocket) -> Option<Number> {
        Number::try_from(socket.as_fd().as_raw_fd()).ok()
    }

    pub(super) fn have_no_pending_input(sockets: &[Number]) -> Vec<bool> {
        // What cannot be a descriptor is left out by `poll`.
        let descriptor = |socket: Number| i32::try_from(socket).unwrap_or(-1);
        let entry =
            |&socket: &Number| libc::pollfd { fd: descriptor(socket), events: libc::POLLIN, revents: 0 };
        let mut entries: Vec<_> = sockets.iter().map(entry).collect();
        let count = libc::nfds_t::try_from(entries.len()).unwrap_or(0);
        // SAFETY: as many valid entries as are said; no waiting. Asking about a number changes nothing for its owner.
        let told = unsafe { libc::poll(entries.as_mut_ptr(), count, 0) } >= 0;
        entries.iter().map(|entry| told && entry.revents == 0).collect()
    }
}

#[cfg(windows)]
mod platform {
    use std::os::windows::io::AsRawSocket;

    use windows_sys::Win32::Networking::WinSock::{POLLRDNORM, WSAPOLLFD, WSAPoll};

    use super::{AsSocket, Number};

    pub(super) fn number(socket: &impl AsSocket) -> Option<Number> {
        // A socket is a kernel object's handle, of which 32 bits count.
        Number::try_from(socket.as_socket().as_raw_socket()).ok()
    }

    pub(super) fn have_no_pending_input(sockets: &[Number]) -> Vec<bool> {
        let entry = |&socket: &Number| WSAPOLLFD { fd: socket as usize, events: POLLRDNORM, revents: 0 };
        let mut entries: Vec<_> = sockets.iter().map(entry).collect();
        let count = u32::try_from(entries.len()).unwrap_or(0);
        // SAFETY: as many valid entries as are said; no waiting. Asking about a number changes nothing for its owner.
        let told = unsafe { WSAPoll(entries.as_mut_ptr(), count, 0) } >= 0;
        entries.iter().map(|entry| told && entry.revents == 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Result, Write},
        net::{TcpListener, TcpStream},
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn a_socket_with_an_unread_byte_or_an_end_has_pending_input() -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut pairs = Vec::new();
        for _ in 0..3 {
            let client = TcpStream::connect(listener.local_addr()?)?;
            pairs.push((client, listener.accept()?.0));
        }
        let sockets: Vec<_> = pairs.iter().filter_map(|(_, socket)| number(socket)).collect();
        assert_eq!(have_no_pending_input(&sockets), [true; 3]);
        pairs[1].0.write_all(b"G")?;
        pairs[2].0.shutdown(std::net::Shutdown::Write)?;
        let begun = Instant::now();
        while have_no_pending_input(&sockets) != [true, false, false] {
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", have_no_pending_input(&sockets));
            thread::yield_now();
        }
        assert!(have_no_pending_input(&[]).is_empty());
        Ok(())
    }
}
