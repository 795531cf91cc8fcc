//! Opening a listening socket, accepting from it, and closing it without resetting a connection in its queue.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    task::{Context, Poll},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Binds and listens, without blocking from then on.
///
/// On Unix an address that an earlier process has just left can be used again at once. On Windows the same
/// option would let two processes share one port, so it is left out there.
///
/// # Errors
/// Whatever the system says: an address in use, one that is not ours, no permission.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    set_backlog(&socket, backlog)?;
    Ok(socket)
}

/// Listens, or changes how many connections may wait to be accepted.
///
/// # Errors
/// Whatever the system says.
pub fn set_backlog(socket: &Socket, backlog: u32) -> io::Result<()> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}

/// A connection that was accepted: its socket, which does not block, and its peer.
#[derive(Debug)]
pub struct Accepted {
    /// Its socket.
    pub socket: Socket,
    /// Where it comes from; `None` for a Unix socket.
    pub peer: Option<SocketAddr>,
}

/// A listening socket that the current runtime watches.
#[derive(Debug)]
pub struct AsyncListener {
    #[cfg(unix)]
    inner: tokio::io::unix::AsyncFd<Socket>,
    #[cfg(not(unix))]
    inner: tokio::net::TcpListener,
}

impl AsyncListener {
    /// Watches a socket that listens, and does not block.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    #[cfg_attr(
        unix,
        expect(
            deprecated,
            reason = "what replaces it is not there in the oldest tokio that this crate builds with"
        )
    )]
    pub fn new(socket: Socket) -> io::Result<Self> {
        #[cfg(unix)]
        let inner = tokio::io::unix::AsyncFd::with_interest(socket, tokio::io::Interest::READABLE)?;
        #[cfg(not(unix))]
        let inner = tokio::net::TcpListener::from_std(socket.into())?;
        Ok(Self { inner })
    }

    /// Accepts the next connection.
    ///
    /// # Errors
    /// Whatever the system says. The connections behind it may still be there.
    #[cfg(unix)]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        loop {
            let mut ready = std::task::ready!(self.inner.poll_read_ready(cx))?;
            match ready.try_io(|socket| accept(socket.get_ref())) {
                Ok(accepted) => return Poll::Ready(accepted),
                Err(_would_block) => {}
            }
        }
    }

    /// Accepts the next connection.
    ///
    /// # Errors
    /// Whatever the system says. The connections behind it may still be there.
    #[cfg(not(unix))]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let (socket, peer) = std::task::ready!(self.inner.poll_accept(cx))?;
        Poll::Ready(Ok(Accepted { socket: socket.into_std()?.into(), peer: Some(peer) }))
    }

    /// Accepts the next connection if the kernel has one, whatever the runtime has heard; `None` when the queue is
    /// empty, or when the socket does not listen any more.
    ///
    /// # Errors
    /// Whatever else the system says. The connections behind it may still be there.
    pub fn accept_now(&self) -> io::Result<Option<Accepted>> {
        accept_now(self)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for AsyncListener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.get_ref().as_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for AsyncListener {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.inner.as_socket()
    }
}

fn accept(listener: &Socket) -> io::Result<Accepted> {
    let (socket, peer) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok(Accepted { socket, peer: peer.as_socket() })
}

/// [`AsyncListener::accept_now`], of any listening socket that does not block.
///
/// # Errors
/// As there.
pub fn accept_now(listener: &impl AsSocket) -> io::Result<Option<Accepted>> {
    match accept(&SockRef::from(listener)) {
        Ok(accepted) => Ok(Some(accepted)),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput => Ok(None),
            _ => Err(error),
        },
    }
}

/// Refuses whoever begins a handshake from now on, as if the socket were [`shut`]; who has begun one ends it, and who
/// waits in the accept queue stays there. There is no way back.
///
/// Best effort: Linux alone, from 5.7 on, and no socket that is bound to a network interface. `false` says that nothing
/// has changed. A connection whose handshake the kernel keeps no record of, because very many came at once, is reset.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn refuse_newcomers(listener: &impl AsSocket) -> bool {
    use std::os::fd::AsRawFd;

    /// An interface that no machine has: the socket is nobody's address any more.
    static NOWHERE: libc::c_int = libc::c_int::MAX;
    let fd = listener.as_fd().as_raw_fd();
    let length = libc::socklen_t::try_from(size_of_val(&NOWHERE)).unwrap_or(0);
    let value = (&raw const NOWHERE).cast();
    // SAFETY: a borrowed descriptor, and a value of the length that is said.
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, value, length) == 0 }
}

/// Nothing: this system has no such option.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn refuse_newcomers(_listener: &impl AsSocket) -> bool {
    false
}

/// Lets nobody new begin a handshake, so that the accept queue can be emptied for good before the socket is
/// [`shut`]: who comes meanwhile is neither let in nor refused, and asks again within a second.
///
/// Best effort, by a socket filter, which only Linux has: where it cannot be attached, and `false` is returned, who
/// comes in the instant between the last `accept` and the shutting is reset.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn ignore_newcomers(listener: &impl AsSocket) -> bool {
    use libc::{BPF_ABS, BPF_B, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET};
    use socket2::SockFilter;

    /// Where a TCP header has its flags, and the one that only a newcomer's segment has set here.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0b10;
    const DROP: u32 = 0;
    const KEEP: u32 = u32::MAX;
    let step = |code: u32, jf, k| SockFilter::new(u16::try_from(code).unwrap_or(0), 0, jf, k);
    let attached = SockRef::from(listener).attach_filter(&[
        step(BPF_LD | BPF_B | BPF_ABS, 0, FLAGS),
        step(BPF_JMP | BPF_JSET | BPF_K, 1, SYN),
        step(BPF_RET | BPF_K, 0, DROP),
        step(BPF_RET | BPF_K, 0, KEEP),
    ]);
    attached.is_ok()
}

/// Nothing: this system has no filter for sockets.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn ignore_newcomers(_listener: &impl AsSocket) -> bool {
    false
}

/// Whether [`shut`] does anything.
pub const CAN_SHUT: bool = cfg!(target_os = "linux");

/// Stops a socket from listening, in every duplicate of it: newcomers are refused from then on.
///
/// Only Linux does this for a listening socket. Elsewhere nothing happens here: the door closes with the last
/// duplicate.
pub fn shut(listener: &impl AsSocket) {
    if CAN_SHUT {
        // It can only fail when it no longer listens.
        let _ = SockRef::from(listener).shutdown(Shutdown::Both);
    }
}

/// A socket, by the platform's own name for it.
#[cfg(unix)]
pub use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
pub use std::os::windows::io::AsSocket;

/// Holds every handshake up until its client has sent something: a handshake in the middle, for as long as a test wants.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn hold_handshakes(listener: &Socket) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let (seconds, length): (libc::c_int, _) =
        (30, libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0));
    let value = (&raw const seconds).cast();
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT);
    // SAFETY: a borrowed descriptor, and a value of the length that is said.
    match unsafe { libc::setsockopt(listener.as_raw_fd(), level, name, value, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::{ErrorKind, Result},
        net::{Ipv4Addr, Ipv6Addr, TcpStream},
    };

    use super::*;

    #[test]
    fn new_connections_are_refused_and_those_in_the_queue_are_still_accepted() -> Result<()> {
        for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            let listener = match bind(SocketAddr::new(address, 0), 16) {
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable => continue, // no IPv6 here
                bound => bound?,
            };
            let bound = listener.local_addr()?.as_socket().ok_or(ErrorKind::Unsupported)?;
            let waits = TcpStream::connect(bound)?;
            assert!(refuse_newcomers(&listener));
            let refused = TcpStream::connect(bound).map_err(|error| error.kind());
            assert_eq!(refused.err(), Some(ErrorKind::ConnectionRefused));
            let accepted = accept_now(&listener)?.and_then(|accepted| accepted.peer);
            assert_eq!(accepted, Some(waits.local_addr()?));
        }
        Ok(())
    }
}
