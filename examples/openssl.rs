//! TLS by OpenSSL, with HTTP/2 by ALPN.
//!
//! `cargo run --features openssl --example openssl -- 127.0.0.1:8443 cert.pem key.pem`, then
//! `curl --cacert cert.pem https://localhost:8443/`.

use std::{env, error::Error};

use actix_web::{App, HttpRequest, web};
use graceful_exit::{GracefulExit, Server};
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

async fn hello(request: HttpRequest) -> String {
    format!("hello over {} and {:?}\n", request.connection_info().scheme(), request.version())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut argument =
        |name| arguments.next().ok_or(format!("{name} is missing: openssl ADDRESS CERTIFICATE KEY"));
    let (address, certificate, key) = (argument("ADDRESS")?, argument("CERTIFICATE")?, argument("KEY")?);

    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    builder.set_certificate_chain_file(certificate)?;
    let server = Server::new("web", || App::new().route("/", web::get().to(hello)));
    GracefulExit::builder().server(server.bind_openssl(address, builder)).run().await?.exit()
}
