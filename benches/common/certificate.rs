//! A certificate of `localhost` for the servers, and a client that trusts it alone.

use std::{fs, io, path::Path, sync::Arc};

use graceful_exit::CertificateFiles;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Writes a certificate and its key into a directory.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(io::Error::other)?;
    fs::write(directory.join(CERTIFICATE), made.cert.pem())?;
    fs::write(directory.join(KEY), made.signing_key.serialize_pem())
}

/// The TLS configuration of a server whose certificate is in `directory`, without protocols.
pub(crate) fn server(directory: &Path) -> io::Result<ServerConfig> {
    let files = CertificateFiles::new(directory.join(CERTIFICATE), directory.join(KEY));
    files.server_config(Arc::new(ring::default_provider())).map_err(io::Error::other)
}

/// The TLS configuration of a client, which asks for one protocol and does a whole handshake for each connection.
pub(crate) fn client(directory: &Path, protocol: &str) -> io::Result<Arc<ClientConfig>> {
    let trusted = CertificateDer::from_pem_file(directory.join(CERTIFICATE)).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(trusted).map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The name in the certificate.
pub(crate) fn name() -> io::Result<ServerName<'static>> {
    ServerName::try_from("localhost").map_err(io::Error::other)
}
