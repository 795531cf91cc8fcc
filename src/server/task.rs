//! The task that serves one connection: [`ConnectionTask`].

use std::{
    cell::OnceCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures_core::future::LocalBoxFuture;

use super::stream::SharedWire;
use crate::{
    drain::{Connection, ConnectionGuard},
    os::socket::have_no_pending_input,
};

/// Serves a connection. One of HTTP/1 it also closes: when actix-http is done with it, when the last answer has left,
/// when its server asks for it, or when the client has gone. HTTP/2 ends by itself, by frames.
pub(super) struct ConnectionTask {
    /// Dropped before the wire, and with it the handlers that still run.
    served: Option<LocalBoxFuture<'static, ()>>,
    /// Dropped before the guard: the socket is closed when the connection is counted out.
    wire: WireSlot,
    guard: ConnectionGuard,
    stage: Stage,
}

/// How far a connection's task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Serving,
    Ended,
}

/// The wire of HTTP/1; empty until the protocol is known, and for HTTP/2.
pub(super) type WireSlot = Rc<OnceCell<SharedWire>>;

impl ConnectionTask {
    pub(super) fn new(served: LocalBoxFuture<'static, ()>, wire: WireSlot, guard: ConnectionGuard) -> Self {
        Self { served: Some(served), wire, guard, stage: Stage::New }
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { served, wire, guard, stage } = &mut *self;
        if *stage == Stage::New {
            *stage = Stage::Serving;
            guard.set_waker(cx.waker().clone());
        }
        let connection = guard.connection();
        let ended = connection.poll(|| poll_served(served, wire, connection, cx)).map(drop);
        if ended.is_ready() {
            *stage = Stage::Ended;
        }
        ended
    }
}

impl Drop for ConnectionTask {
    /// A task that has neither ended nor panicked is dropped with its worker. Its requests are named before they are
    /// counted out.
    fn drop(&mut self) {
        if self.stage != Stage::Ended && !std::thread::panicking() {
            self.guard.cut_off();
        }
    }
}

/// Ready when the socket may be closed.
fn poll_served(
    served: &mut Option<LocalBoxFuture<'static, ()>>,
    slot: &OnceCell<SharedWire>,
    connection: &Connection,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if let Some(serving) = served {
        let done = serving.as_mut().poll(cx).is_ready();
        let gives_up = connection.gives_up_endless();
        let Some(mut wire) = slot.get().map(|wire| wire.borrow_mut()) else {
            // Without a wire it speaks HTTP/2, or its client has said nothing yet and can be left.
            let is_silent = connection.closes_now()
                && connection.socket().is_some_and(|socket| have_no_pending_input(&[socket]) == [true]);
            return if done || is_silent { Poll::Ready(()) } else { Poll::Pending };
        };
        if wire.client_has_gone() {
            return Poll::Ready(());
        }
        // actix-http has a time limit of its own for the first head: one of the two answers.
        if !done {
            wire.poll_head_timer(cx);
        }
        let asked = connection.closes_now() && wire.has_no_pending_input();
        if !(done || asked || gives_up || connection.is_finished()) {
            return Poll::Pending;
        }
        // On a connection without traffic, closing the socket says the same to the client as closing our side of it
        // first.
        if asked && !done && !wire.io().is_secure() {
            return Poll::Ready(());
        }
        drop(wire);
        *served = None;
        if gives_up {
            // As far as it goes at once: its client may not read.
            let _ = slot.get().map(|wire| wire.borrow_mut().poll_close(cx));
            return Poll::Ready(());
        }
    }
    match slot.get() {
        Some(wire) => wire.borrow_mut().poll_close(cx),
        None => Poll::Ready(()),
    }
}

#[cfg(test)]
mod tests;
