//! A closed server refuses connections and has released its port.

use std::{
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    thread,
};

use graceful_exit::{JobError, Outcome};
use tokio::sync::oneshot;

use super::service::Service;
use crate::support::{PAST_RECENT_USE, wait_until};

#[test]
fn while_callbacks_run_connections_are_refused_and_the_port_is_free() {
    let (go_on, held) = oneshot::channel::<()>();
    let work = |_| async { held.await.map_err(JobError::from) };
    let service = Service::start_with(|server| server, |exit| exit.callback_fn("held", work));
    let mut unused = service.connect();
    thread::sleep(PAST_RECENT_USE);
    service.exit.stop("test");
    service.reach("callbacks");
    let refused = TcpStream::connect(service.address).map_err(|error| error.kind());
    assert_eq!(refused.err(), Some(ErrorKind::ConnectionRefused));
    assert!(unused.is_closed());
    wait_until("the port is free", || TcpListener::bind(service.address).is_ok());
    assert_eq!(service.phase(), "callbacks");
    go_on.send(()).expect("it waits");
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn its_port_is_free_as_soon_as_the_exit_is_over() {
    let service = Service::start();
    let address = service.address;
    assert_eq!(service.stop().outcome, Outcome::Clean);
    TcpListener::bind(address).expect("no listener is left on it");
}
