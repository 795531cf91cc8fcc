//! Options of a server about TLS handshakes, which a client sees by what it gets, and when.

use std::{io::Write, net::TcpStream, sync::Arc};

use graceful_exit::CertificateFiles;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
};

use super::{
    methods::{Running, worker_of},
    service::MS,
};
use crate::support::{Client, STUCK_AFTER, UNREACHED, wait_until};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificate() -> ServerConfig {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).expect("it is written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("it is written");
    CertificateFiles::new(certificate, key).server_config(provider()).expect("it can be used")
}

/// What a client says first.
fn client_hello() -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(RootCertStore::empty());
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("it is written");
    hello
}

/// True if a byte, or the end, can be read.
fn is_readable(socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).expect("it is open");
    let readable = socket.peek(&mut [0]);
    socket.set_nonblocking(false).expect("it is open");
    !readable.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn a_worker_makes_no_more_handshakes_at_once_than_max_connection_rate() {
    let config = certificate();
    let running = Running::start(|server| {
        let server = server.workers(1).max_connection_rate(1).tls_handshake_timeout(UNREACHED);
        server.bind("127.0.0.1:0").bind_rustls_0_23("127.0.0.1:0", config)
    });
    let addresses = running.addresses();
    let connect = || {
        let socket = TcpStream::connect(addresses[1]).expect("it listens");
        socket.set_read_timeout(Some(STUCK_AFTER)).expect("it is open");
        socket
    };
    // The worker has taken what came before, and has had its turn with it many times.
    let settle = || {
        for _ in 0..20 {
            worker_of(&mut Client::connect(addresses[0]));
        }
    };
    // The beginning of a handshake that does not go on.
    let mut first = connect();
    first.write_all(&client_hello()[..1]).expect("it is open");
    settle();
    let mut second = connect();
    second.write_all(&client_hello()).expect("it is open");
    settle();
    assert!(!is_readable(&second), "the first one's handshake has not ended");
    drop(first);
    wait_until("it is the second one's turn", || is_readable(&second));
    drop(second);
    running.stop();
}

#[test]
fn a_handshake_may_take_as_long_as_its_timeout() {
    let server = |timeout| {
        let config = certificate();
        Running::start(move |server| {
            let server = server.workers(1).tls_handshake_timeout(timeout);
            server.bind_rustls_0_23("127.0.0.1:0", config)
        })
    };
    let (long, short) = (server(UNREACHED), server(MS));
    let stays = TcpStream::connect(long.address()).expect("it listens");
    let goes = TcpStream::connect(short.address()).expect("it listens");
    wait_until("the client is not waited for any more", || is_readable(&goes));
    assert!(!is_readable(&stays));
    drop((stays, goes));
    long.stop();
    short.stop();
}
