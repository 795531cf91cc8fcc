//! The two servers as the settings want them.

use graceful_exit::{Server, settings};

use crate::inherited::Inherited;

/// The server with its settings, on its inherited sockets or on the addresses of the settings.
pub(crate) fn configured(server: Server, settings: &settings::Server, inherited: &mut Inherited) -> Server {
    let mut server = server
        .stop(settings.stop)
        .client_request_timeout(settings.client_request_timeout)
        .client_disconnect_timeout(settings.client_disconnect_timeout)
        .tls_handshake_timeout(settings.tls_handshake_timeout)
        .keep_alive(settings.keep_alive)
        .max_connections(settings.max_connections)
        .h1_allow_half_closed(settings.half_closed);
    #[cfg(unix)]
    {
        server = server.uds_mode(settings.unix_mode);
    }
    if let Some(workers) = settings.workers {
        server = server.workers(workers.get());
    }
    inherited.give(server, &settings.bind)
}
