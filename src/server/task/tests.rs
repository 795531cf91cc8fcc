//! When a connection's task closes its socket.

use std::{
    future::{pending, poll_fn, ready},
    io::{self, Write},
    net,
    sync::Arc,
};

use tokio::net::TcpListener;

use super::{
    super::{http1::Wire, io::Io},
    *,
};
use crate::{drain::Drain, os::socket};

/// A connection that is served, and its client.
struct Rig {
    drain: Drain,
    client: net::TcpStream,
    task: ConnectionTask,
    /// The socket, if no protocol is known yet.
    _io: Option<Io>,
}

impl Rig {
    async fn new(is_done: bool, speaks_http1: bool) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = net::TcpStream::connect(listener.local_addr()?)?;
        let (socket, _) = listener.accept().await?;
        let drain = Drain::new(1);
        let guard = drain.connections.register(0);
        if let Some(number) = socket::number(&socket) {
            guard.connection().set_socket(number);
        }
        let (slot, io) = (WireSlot::default(), Io::Tcp(socket));
        let io = if speaks_http1 {
            let wire = Wire::new(io, Arc::clone(guard.connection()));
            let _ = slot.set(Rc::new(wire.into()));
            None
        } else {
            Some(io)
        };
        let served: LocalBoxFuture<'static, ()> =
            if is_done { Box::pin(ready(())) } else { Box::pin(pending()) };
        Ok(Self { drain, client, task: ConnectionTask::new(served, slot, guard), _io: io })
    }

    fn ask_to_close(&self) {
        self.drain.connections.close_when_idle(std::time::Duration::ZERO, |_| true);
    }

    /// Sends a byte, and waits until the kernel has it for the server.
    fn send(&mut self) -> io::Result<()> {
        self.client.write_all(b"G")?;
        let socket = self.task.guard.connection().socket().ok_or(io::ErrorKind::NotFound)?;
        while have_no_pending_input(&[socket]) == [true] {
            std::thread::yield_now();
        }
        Ok(())
    }

    async fn is_over(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(Pin::new(&mut self.task).poll(cx).is_ready())).await
    }
}

#[tokio::test]
async fn before_its_protocol_is_known_it_closes_when_it_is_asked_and_its_client_has_said_nothing()
-> io::Result<()> {
    let mut rig = Rig::new(false, false).await?;
    assert!(!rig.is_over().await, "it was not asked");
    rig.ask_to_close();
    assert!(rig.is_over().await);
    let mut rig = Rig::new(false, false).await?;
    rig.send()?;
    rig.ask_to_close();
    assert!(!rig.is_over().await, "something is to be read");
    let mut rig = Rig::new(true, false).await?;
    assert!(rig.is_over().await, "it is served");
    Ok(())
}

#[tokio::test]
async fn http1_closes_when_it_is_asked_and_its_client_has_said_nothing() -> io::Result<()> {
    let mut rig = Rig::new(false, true).await?;
    assert!(!rig.is_over().await, "it was not asked");
    rig.ask_to_close();
    assert!(rig.is_over().await);
    let mut rig = Rig::new(false, true).await?;
    rig.send()?;
    rig.ask_to_close();
    assert!(!rig.is_over().await, "something is to be read");
    Ok(())
}

/// A socket that is closed with unread bytes in it is reset.
#[tokio::test]
async fn http1_that_is_served_is_read_on_before_it_closes() -> io::Result<()> {
    let mut rig = Rig::new(true, true).await?;
    rig.send()?;
    while !rig.is_over().await {
        tokio::task::yield_now().await;
    }
    let socket = rig.task.guard.connection().socket().ok_or(io::ErrorKind::NotFound)?;
    assert_eq!(have_no_pending_input(&[socket]), [true]);
    let mut rig = Rig::new(false, true).await?;
    rig.task.guard.connection().finish();
    assert!(rig.is_over().await, "its last answer has left");
    Ok(())
}
