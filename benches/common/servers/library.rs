//! This crate's library, with its defaults.

use std::io;

use actix_web::{App, rt::System};
use graceful_exit::{GracefulExit, Server};

use super::{
    options::{FREE_PORT, KEEP_ALIVE, Options, Transport},
    routes::{only, routes, say},
};

pub(super) fn serve(options: Options) -> io::Result<()> {
    System::new().block_on(async {
        let mut server = Server::new("web", || App::new().configure(routes)).keep_alive(KEEP_ALIVE);
        if let Some(workers) = options.workers {
            server = server.workers(workers);
        }
        server = match (options.transport, options.tls) {
            (Transport::H2c, _) => server.bind_auto_h2c(FREE_PORT),
            (_, Some(tls)) => server.bind_rustls_0_23(FREE_PORT, tls),
            (_, None) => server.bind(FREE_PORT),
        };
        let address = only(&server.addrs())?;
        if let Some(socket) = options.socket {
            server = server.bind_uds(socket);
        }
        let exit = GracefulExit::builder().server(server);
        let handle = exit.handle();
        actix_web::rt::spawn(async move {
            handle.ready().await;
            say(address);
        });
        exit.run().await.map_err(io::Error::other)?.exit()
    })
}
