//! A stock actix-web server.

use std::io;

use actix_web::{App, HttpServer, rt::System};

use super::{
    options::{FREE_PORT, KEEP_ALIVE, Options, Transport},
    routes::{only, routes, say},
};

pub(super) fn serve(options: Options) -> io::Result<()> {
    System::new().block_on(async {
        let mut server = HttpServer::new(|| App::new().configure(routes)).keep_alive(KEEP_ALIVE);
        if let Some(workers) = options.workers {
            server = server.workers(workers);
        }
        server = match (options.transport, options.tls) {
            (Transport::H2c, _) => server.bind_auto_h2c(FREE_PORT)?,
            (_, Some(tls)) => server.bind_rustls_0_23(FREE_PORT, tls)?,
            (_, None) => server.bind(FREE_PORT)?,
        };
        let address = only(&server.addrs())?;
        if let Some(socket) = options.socket {
            server = server.bind_uds(socket)?;
        }
        say(address);
        server.run().await
    })
}
