//! TLS by rustls, with HTTP/2 by ALPN. Certificates are read again when their files change.
//!
//! `cargo run --example tls -- 127.0.0.1:8443 cert.pem key.pem`, then `curl --cacert cert.pem https://localhost:8443/`.

use std::{env, error::Error, sync::Arc};

use actix_web::{App, HttpRequest, web};
use graceful_exit::{CertificateFiles, GracefulExit, Server};
use tokio_rustls::rustls::crypto::ring;

async fn hello(request: HttpRequest) -> String {
    format!("hello over {} and {:?}\n", request.connection_info().scheme(), request.version())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut argument =
        |name| arguments.next().ok_or(format!("{name} is missing: tls ADDRESS CERTIFICATE KEY"));
    let (address, certificate, key) = (argument("ADDRESS")?, argument("CERTIFICATE")?, argument("KEY")?);

    // The crypto provider is the program's choice; the library brings none.
    let config = CertificateFiles::new(certificate, key).server_config(Arc::new(ring::default_provider()))?;
    let server = Server::new("web", || App::new().route("/", web::get().to(hello)));
    GracefulExit::builder().server(server.bind_rustls_0_23(address, config)).run().await?.exit()
}
