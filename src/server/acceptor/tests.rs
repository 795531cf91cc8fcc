//! The failures that an acceptor tells apart, the connections that it holds, and the descriptors that it leaves free.

use super::*;
#[cfg(unix)]
use crate::{drain::Drain, server::transport::Transport};

#[test]
fn a_failure_of_one_connection_is_told_from_one_of_the_machine() {
    let failed = |code| is_the_clients(&io::Error::from(code));
    assert!(failed(io::ErrorKind::ConnectionAborted) && failed(io::ErrorKind::Interrupted));
    assert!(!failed(io::ErrorKind::OutOfMemory) && !failed(io::ErrorKind::InvalidInput));
}

/// A shared socket, for example, that another process has shut.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_socket_that_does_not_listen_any_more_is_closed_without_a_pause() -> io::Result<()> {
    let listener = Listener::for_tests()?;
    let shared = listener.socket.try_clone()?;
    let mut acceptor = Acceptor::new("web".into(), vec![listener], Workers::new(Drain::new(1), None))?;
    shared.shutdown(std::net::Shutdown::Both)?;
    std::future::poll_fn(|cx| {
        assert!(acceptor.poll(cx).is_pending() && acceptor.pause.is_none());
        if acceptor.listeners[0].is_none() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    Ok(())
}

/// A flush may be about to use those that have become free.
#[cfg(unix)]
#[tokio::test]
async fn closing_takes_no_descriptors_where_they_were_missing_before() -> io::Result<()> {
    for (leaves_backlog, accepts) in [(false, true), (true, false)] {
        let listener = Listener::for_tests()?;
        let address = listener.socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let mut acceptor = Acceptor::new("web".into(), vec![listener], Workers::new(Drain::new(1), None))?;
        let _client = std::net::TcpStream::connect(address)?;
        // The kernel may put it into the queue a moment later.
        while socket::have_no_pending_input(&acceptor.numbers()) == [true] {
            std::thread::yield_now();
        }
        acceptor.leaves_backlog = leaves_backlog;
        acceptor.close();
        assert_eq!(acceptor.last_accept.is_some(), accepts);
    }
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn held_connections_are_accepted_and_a_socket_is_quiet_when_none_comes() -> io::Result<()> {
    let socket = listener::bind(([127, 0, 0, 1], 0).into(), 1)?;
    socket.listen(1)?;
    let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    let listener = Listener {
        address: Address::Tcp(address),
        socket,
        policy: ListenerPolicy::Close,
        transport: Transport::Plain,
        file: None,
    };
    let mut acceptor = Acceptor::new("web".into(), vec![listener], Workers::new(Drain::new(1), None))?;
    assert!(acceptor.is_quiet(Duration::MAX), "none has come");
    acceptor.hold();
    let _client = std::net::TcpStream::connect(address)?;
    // The kernel may put it into the queue a moment later.
    while acceptor.held.as_ref().is_some_and(Vec::is_empty) {
        acceptor.accept_backlog();
    }
    assert_eq!(acceptor.held.as_ref().map(Vec::len), Some(1));
    assert!(!acceptor.is_quiet(Duration::MAX) && acceptor.is_quiet(Duration::ZERO));
    Ok(())
}

#[cfg(unix)]
#[test]
fn connections_leave_half_of_the_descriptors_or_128() {
    let Some(limit) = descriptors::limit() else { return };
    assert_eq!(descriptors_for_connections(None), None);
    assert_eq!(descriptors_for_connections(Some(limit - 10)), Some(limit - 5));
    assert_eq!(descriptors_for_connections(Some(limit.saturating_sub(1000))), Some(limit - 128));
}

#[tokio::test(start_paused = true)]
async fn a_warning_is_written_once_in_its_interval_and_those_between_are_counted() {
    let mut warnings = Warnings::default();
    let mut warn = || {
        warnings.warn("web", &io::ErrorKind::OutOfMemory.into());
        warnings.left_out
    };
    assert_eq!([warn(), warn(), warn()], [0, 1, 2]);
    tokio::time::advance(WARNING_INTERVAL).await;
    assert_eq!([warn(), warn()], [0, 1]);
}
