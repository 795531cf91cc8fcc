//! TLS: certificates from files, and the handshake.
//!
//! The crypto provider is the program's: it is in the `ServerConfig` that the program makes, or is given to
//! [`CertificateFiles::server_config`]. Neither asks for the process's default provider, so two of them in one
//! dependency tree are no conflict.

mod certificate;
#[cfg(test)]
mod tests;

pub use certificate::{CertificateError, CertificateFiles};
