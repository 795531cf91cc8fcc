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

    /// The socket, which is not watched any more.
    ///
    /// # Errors
    /// When the runtime cannot leave off.
    pub fn into_socket(self) -> io::Result<Socket> {
        #[cfg(unix)]
        return Ok(self.inner.into_inner());
        #[cfg(not(unix))]
        return self.inner.into_std().map(Socket::from);
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

/// In one system call: three are a percent of what a connection costs.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn accept(listener: &Socket) -> io::Result<Accepted> {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let accept = |address: *mut socket2::SockAddrStorage, length| {
        // SAFETY: the address and its length are those of a storage that `try_init` owns.
        match unsafe { libc::accept4(listener.as_raw_fd(), address.cast(), length, flags) } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the descriptor is new, and has no other owner.
            descriptor => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        }
    };
    // SAFETY: the system fills in the address, and its length, wherever it does not fail.
    let (socket, peer) = unsafe { socket2::SockAddr::try_init(accept) }?;
    Ok(Accepted { socket: socket.into(), peer: peer.as_socket() })
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn accept(listener: &Socket) -> io::Result<Accepted> {
    let (socket, peer) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok(Accepted { socket, peer: peer.as_socket() })
}

/// Accepts the next connection if the kernel has one, whatever a runtime has heard; `None` when the queue is empty, or
/// when the socket does not listen any more. Of a listening socket that does not block.
///
/// # Errors
/// Whatever else the system says. The connections behind it may still be there.
pub fn accept_now(listener: &impl AsSocket) -> io::Result<Option<Accepted>> {
    match accept(&SockRef::from(listener)) {
        Ok(accepted) => Ok(Some(accepted)),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput => Ok(None),
            _ => Err(error),
        },
    }
}

/// Turns new connections away from now on, while those that have begun their handshake may end it, and those in the
/// accept queue stay there. There is no way back.
///
/// On Linux alone, in two ways. The socket is bound to an interface that no machine has (from Linux 5.7 on): a new client
/// is refused. Otherwise a socket filter drops the first segment of a handshake: a new client is refused when it tries
/// again, a second later, if the socket is closed by then. Neither looks at a handshake that has begun, nor, inherited by
/// a connection that ends its handshake now, at what its client sends.
///
/// Returns false if nothing has changed. A system that only looks like Linux may take either without any effect: both
/// are read back. A connection whose handshake the kernel keeps no record of, because very many came at once, is reset.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn refuse_new(listener: &impl AsSocket) -> bool {
    refuse_by_interface(listener) || drop_by_filter(listener)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn refuse_by_interface(listener: &impl AsSocket) -> bool {
    const NO_INTERFACE: libc::c_int = libc::c_int::MAX;
    let mut found = 0;
    set_option(listener, libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, NO_INTERFACE)
        && get_option(listener, libc::SO_BINDTOIFINDEX, Some(&mut found)).is_some()
        && found == NO_INTERFACE
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn drop_by_filter(listener: &impl AsSocket) -> bool {
    use libc::{BPF_ABS, BPF_B, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET};
    use socket2::SockFilter;

    /// Where a TCP header has its flags, and the one that only the first segment from a client has set.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0b10;
    const DROP: u32 = 0;
    const KEEP: u32 = u32::MAX;
    let step = |code: u32, else_skip, k| SockFilter::new(u16::try_from(code).unwrap_or(0), 0, else_skip, k);
    let filter = [
        step(BPF_LD | BPF_B | BPF_ABS, 0, FLAGS),
        step(BPF_JMP | BPF_JSET | BPF_K, 1, SYN),
        step(BPF_RET | BPF_K, 0, DROP),
        step(BPF_RET | BPF_K, 0, KEEP),
    ];
    // Read back without room for it, it tells its length.
    SockRef::from(listener).attach_filter(&filter).is_ok()
        && get_option(listener, libc::SO_GET_FILTER, None) == libc::socklen_t::try_from(filter.len()).ok()
}

/// Reads an option of the socket itself into `value`. Returns the length that the kernel tells; none on an error.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn get_option(
    socket: &impl AsSocket,
    name: libc::c_int,
    value: Option<&mut libc::c_int>,
) -> Option<libc::socklen_t> {
    use std::os::fd::AsRawFd;

    let fd = socket.as_fd().as_raw_fd();
    let size = value.as_deref().map_or(0, size_of_val);
    let mut length = libc::socklen_t::try_from(size).unwrap_or(0);
    let value = value.map_or(std::ptr::null_mut(), std::ptr::from_mut);
    // SAFETY: a borrowed descriptor, and a place for as much as the length says, which may be nothing.
    let told = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, value.cast(), &raw mut length) };
    (told == 0).then_some(length)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_option(socket: &impl AsSocket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> bool {
    use std::os::fd::AsRawFd;

    let fd = socket.as_fd().as_raw_fd();
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: a borrowed descriptor, and a value of the length that is said.
    unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), length) == 0 }
}

/// Nothing: this system has no such option.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn refuse_new(_listener: &impl AsSocket) -> bool {
    false
}

/// Stops a Unix socket from listening, in every duplicate of it, while what is in its queue can still be accepted.
/// Returns false if the system does not do so for a listening socket, as all but Linux.
pub fn shut(listener: &impl AsSocket) -> bool {
    cfg!(target_os = "linux") && SockRef::from(listener).shutdown(Shutdown::Both).is_ok()
}

/// A socket, by the platform's own name for it.
#[cfg(unix)]
pub use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
pub use std::os::windows::io::AsSocket;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::{ErrorKind, Read, Result, Write},
        net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream},
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    /// Holds every handshake up until its client has sent something: a handshake in the middle, for as long as a test
    /// wants.
    fn hold_handshakes(listener: &Socket) {
        assert!(set_option(listener, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 30));
    }

    fn bound(address: IpAddr) -> Result<Option<(Socket, SocketAddr)>> {
        let listener = match bind(SocketAddr::new(address, 0), 16) {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => return Ok(None), // no IPv6 here
            bound => bound?,
        };
        let address = listener.local_addr()?.as_socket().ok_or(ErrorKind::Unsupported)?;
        Ok(Some((listener, address)))
    }

    /// Each way alone, as where the other is refused or has no effect.
    #[test]
    fn new_connections_are_turned_away_and_those_in_the_queue_or_in_a_handshake_are_accepted() -> Result<()> {
        type Way = (fn(&Socket) -> bool, ErrorKind);
        let ways: [Way; 3] = [
            (refuse_new, ErrorKind::ConnectionRefused),
            (refuse_by_interface, ErrorKind::ConnectionRefused),
            (drop_by_filter, ErrorKind::TimedOut),
        ];
        for (refuse, kind) in ways {
            for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
                let Some((listener, address)) = bound(address)? else { continue };
                let waits = TcpStream::connect(address)?;
                hold_handshakes(&listener);
                let mut middle = TcpStream::connect(address)?;
                assert!(refuse(&listener));
                let new = TcpStream::connect_timeout(&address, Duration::from_millis(300));
                assert_eq!(new.map_err(|error| error.kind()).err(), Some(kind));
                let first = accept_now(&listener)?.and_then(|accepted| accepted.peer);
                assert_eq!(first, Some(waits.local_addr()?));
                let none = accept_now(&listener)?;
                assert!(none.is_none(), "the other one is in the middle of its handshake");
                middle.write_all(b"G")?;
                let begun = Instant::now();
                let accepted = loop {
                    if let Some(accepted) = accept_now(&listener)? {
                        break accepted;
                    }
                    assert!(begun.elapsed() < Duration::from_secs(30), "it was not accepted");
                    thread::yield_now();
                };
                assert_eq!(accepted.peer, Some(middle.local_addr()?));
                // What it goes on to send arrives.
                middle.write_all(b"ET")?;
                let mut served = TcpStream::from(accepted.socket);
                served.set_nonblocking(false)?;
                served.set_read_timeout(Some(Duration::from_secs(5)))?;
                let mut sent = [0; 3];
                served.read_exact(&mut sent)?;
                assert_eq!(&sent, b"GET");
            }
        }
        Ok(())
    }
}
