//! Opening a listening socket, and closing it without resetting who is in its queue.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Binds and listens, without blocking from then on.
///
/// On Unix an address that an earlier process has just left can be used again at once. On Windows the same
/// option would let two processes share one port, so it is left out there.
///
/// # Errors
/// Whatever the system says: an address in use, one that is not ours, no permission.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Takes the next connection out of a listening socket's queue; `None` when it is empty, or when the socket
/// does not listen any more. Unlike tokio's `accept`, this always asks the kernel.
///
/// # Errors
/// Whatever else the system says; the connections after it may still be there.
pub fn accept_now(listener: &impl AsSocket) -> io::Result<Option<TcpStream>> {
    match SockRef::from(listener).accept() {
        Ok((socket, _)) => {
            socket.set_nonblocking(true)?;
            Ok(Some(socket.into()))
        }
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput => Ok(None),
            _ => Err(error),
        },
    }
}

/// Stops a socket from listening, in every duplicate of it: newcomers are refused from then on.
///
/// Only Linux does this for a listening socket. Elsewhere nothing happens here: the door closes with the last
/// duplicate.
pub fn shut(listener: &impl AsSocket) {
    if cfg!(target_os = "linux") {
        // It can only fail when it no longer listens.
        let _ = SockRef::from(listener).shutdown(Shutdown::Both);
    }
}

/// A socket, by the platform's own name for it.
#[cfg(unix)]
pub use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
pub use std::os::windows::io::AsSocket;
