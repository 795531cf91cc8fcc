//! A certificate in files, for the time of a test.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// A self-signed certificate and its key, in a directory of their own.
#[derive(Debug)]
pub(crate) struct Certificate {
    directory: TempDir,
    names: Vec<String>,
    pub der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one for these host names.
    pub(crate) fn new(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let der = write(directory.path(), &names);
        Self { directory, names, der }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("tls.crt")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.directory.path().join("tls.key")
    }

    /// What gives it to one of the application's servers.
    pub(crate) fn settings(&self, server: &str) -> [String; 2] {
        [("certificate", self.certificate()), ("key", self.key())]
            .map(|(key, path)| format!("servers.{server}.tls.{key}={}", path.display()))
    }

    /// Puts another certificate in place of this one.
    pub(crate) fn renew(&mut self) {
        self.der = write(self.directory.path(), &self.names);
    }
}

fn write(directory: &Path, names: &[String]) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    for (name, text) in [("tls.crt", made.cert.pem()), ("tls.key", made.signing_key.serialize_pem())] {
        std::fs::write(directory.join("new"), text).expect("it is written");
        std::fs::rename(directory.join("new"), directory.join(name)).expect("it is put in place");
    }
    made.cert.der().clone()
}
