//! Which connections a closing server waits for, and for how long: the clock stands still.

use std::task::{Context, Poll, Waker};

#[cfg(unix)]
use super::super::listener::Listener;
use super::{super::workers::Workers, *};
use crate::drain::{Connection, ConnectionGuard, RequestName};
#[cfg(unix)]
use crate::os::socket;

const TIMEOUT: Duration = Duration::from_secs(9);
/// The keep-alive grace is 50 ms, and a little more.
const PAST_GRACE: Duration = Duration::from_millis(55);

fn server() -> io::Result<Rc<RunningServer>> {
    let handle = Handle::new("web".into(), Drain::new(1));
    RunningServer::new(StartedServer::without_workers(handle), Timeouts::default())
}

fn open(server: &RunningServer) -> ConnectionGuard {
    server.handle.drain().connections.register(0)
}

/// True once the server has cut it.
fn is_cut(connection: &Connection) -> bool {
    connection.poll(|| Poll::<()>::Pending).is_ready()
}

#[tokio::test(start_paused = true)]
async fn without_connections_it_closes_at_once() -> io::Result<()> {
    let begun = Instant::now();
    server()?.close(TIMEOUT).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    Ok(())
}

/// A client that has a connection may be opening another one.
#[tokio::test(start_paused = true)]
async fn while_connections_are_in_use_a_handshake_has_time_to_end() -> io::Result<()> {
    let server = server()?;
    let recent = open(&server);
    let begun = Instant::now();
    let mut close = pin!(server.close(TIMEOUT));
    assert!(timeout(Duration::ZERO, &mut close).await.is_err());
    drop(recent);
    close.await;
    assert_eq!(begun.elapsed(), HANDSHAKE);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn connections_are_cut_when_nothing_more_is_to_be_expected_of_them() -> io::Result<()> {
    let server = server()?;
    let (active, recent, closing) = (open(&server), open(&server), open(&server));
    active.connection().begin(RequestName::GET, true, false);
    closing.connection().finish();
    let cut = || [&active, &recent, &closing].map(|guard| is_cut(guard.connection()));
    let mut close = pin!(server.close(TIMEOUT));
    for (time, expected) in [
        (Duration::ZERO, [true, false, false]),
        (PAST_GRACE, [true, false, false]),
        (PAST_GRACE, [true, true, false]),
        (Duration::from_millis(5_850), [true, true, false]),
        (2 * PAST_GRACE, [true, true, true]),
    ] {
        assert!(timeout(time, &mut close).await.is_err(), "they are open");
        assert_eq!(cut(), expected);
    }
    drop((active, recent, closing));
    close.await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_asked_to_close_are_not_cut_while_others_close() -> io::Result<()> {
    let server = server()?;
    let mut open: Vec<_> = (0..3).map(|_| open(&server)).collect();
    let mut close = pin!(server.close(TIMEOUT));
    assert!(timeout(PAST_GRACE, &mut close).await.is_err());
    for left in [2, 1] {
        open.truncate(left);
        assert!(timeout(PAST_GRACE, &mut close).await.is_err());
        assert!(!is_cut(open[0].connection()), "{left} left");
    }
    assert!(timeout(PAST_GRACE, &mut close).await.is_err());
    assert!(is_cut(open[0].connection()), "none has closed for as long as the grace");
    drop(open);
    close.await;
    Ok(())
}

/// One that was being polled may have had bytes that were not parsed yet.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_was_being_polled_is_asked_again_and_no_other() -> io::Result<()> {
    let server = server()?;
    let (unused, used) = (open(&server), open(&server));
    let sockets = [std::os::unix::net::UnixStream::pair()?, std::os::unix::net::UnixStream::pair()?];
    for (guard, (socket, _)) in [&unused, &used].into_iter().zip(&sockets) {
        guard.connection().set_socket(socket::number(socket).expect("it has one"));
    }
    used.connection().begin(RequestName::GET, false, false);
    // The time since its last use is the machine's, which does not stand still.
    std::thread::sleep(RECENT + RECHECK_INTERVAL);
    let awaited = || server.handle.drain().connections.awaited();
    let mut close = pin!(server.close(TIMEOUT));
    let polled = unused.connection().poll(|| close.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    assert_eq!((polled.is_ready(), awaited()), (false, 2));
    assert!(timeout(HANDSHAKE + 2 * RECHECK_INTERVAL, &mut close).await.is_err());
    assert_eq!(awaited(), 1);
    drop((unused, used));
    close.await;
    Ok(())
}

/// After its handshake a client has the keep-alive grace for its first request.
#[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
#[tokio::test(start_paused = true)]
async fn connections_are_asked_to_close_after_the_grace_but_for_those_in_their_handshake() -> io::Result<()> {
    let server = server()?;
    let handshakes = [open(&server), open(&server)];
    let recent = open(&server);
    for guard in &handshakes {
        guard.connection().begin_handshake();
    }
    let mut close = pin!(server.close(TIMEOUT));
    assert!(timeout(PAST_GRACE, &mut close).await.is_err());
    assert!(recent.connection().closes_now());
    drop(recent);
    assert!(timeout(RECHECK_INTERVAL, &mut close).await.is_err());
    for guard in &handshakes {
        guard.connection().end_handshake();
    }
    assert!(!handshakes[0].connection().closes_now(), "its handshake was not over");
    // The time since its last use is the machine's, which does not stand still.
    let asked = || handshakes.iter().all(|guard| guard.connection().closes_now());
    for _ in 0..4_000 {
        if asked() {
            break;
        }
        assert!(timeout(RECHECK_INTERVAL, &mut close).await.is_err());
        std::thread::sleep(RECHECK_INTERVAL);
    }
    assert!(asked());
    drop(handshakes);
    close.await;
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn where_the_kernel_refuses_no_client_the_sockets_are_closed_when_none_comes() -> io::Result<()> {
    let listener = Listener::for_tests()?;
    let handle = Handle::new("web".into(), Drain::new(1));
    let workers = Workers::new(handle.drain().clone(), None);
    let started = StartedServer { handle, listeners: vec![listener], workers };
    let server = RunningServer::new(started, Timeouts::default())?;
    assert_eq!(server.acceptor.borrow().numbers().len(), 1);
    server.close_when_quiet(true).await;
    assert!(server.acceptor.borrow().numbers().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_time_without_end_ends_in_years() {
    assert!(in_future(Duration::MAX) > Instant::now() + Duration::from_secs(86_400 * 365));
}

#[test]
fn the_grace_is_a_third_of_the_timeout_at_most() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let server = server()?;
    assert_eq!(server.keep_alive_grace(TIMEOUT), Timeouts::default().keep_alive_grace);
    assert_eq!(server.keep_alive_grace(Duration::from_millis(90)), Duration::from_millis(30));
    Ok(())
}

#[tokio::test]
async fn workers_end_when_the_server_is_disposed_of() -> io::Result<()> {
    let handle = Handle::new("web".into(), Drain::new(1));
    let mut workers = Workers::new(handle.drain().clone(), None);
    let inbox = workers.add();
    let started = StartedServer { handle, listeners: Vec::new(), workers };
    let server = RunningServer::new(started, Timeouts::default())?;
    server.handle().dispose();
    Rc::clone(&server).accept().await;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(inbox.poll_next(&mut cx), Poll::Ready(None)));
    Ok(())
}
