//! This crate's library with empty callbacks.

use std::{io, net::TcpListener};

use actix::prelude::*;
use actix_web::rt::System;
use graceful_exit::{GracefulExit, JobError, RunCallback, Server};

use super::{options::FREE_PORT, routes::say};

/// An actor whose callback does nothing.
struct Idle;

impl Actor for Idle {
    type Context = Context<Self>;
}

impl Handler<RunCallback> for Idle {
    type Result = Result<(), JobError>;

    fn handle(&mut self, _: RunCallback, _: &mut Self::Context) -> Self::Result {
        Ok(())
    }
}

pub(super) fn serve(count: usize) -> io::Result<()> {
    System::new().block_on(async {
        let listener = TcpListener::bind(FREE_PORT)?;
        let address = listener.local_addr()?;
        let server = Server::new("web", actix_web::App::new).listen(listener);
        // All callbacks belong to one actor on a thread of its own.
        let idle = Idle::start_in_arbiter(&Arbiter::new().handle(), |_| Idle).recipient::<RunCallback>();
        let exit = (0..count).fold(GracefulExit::builder().server(server), |exit, index| {
            exit.callback(format!("callback-{index}"), idle.clone())
        });
        let handle = exit.handle();
        actix_web::rt::spawn(async move {
            handle.ready().await;
            say(address);
        });
        exit.run().await.map_err(io::Error::other)?.exit()
    })
}
