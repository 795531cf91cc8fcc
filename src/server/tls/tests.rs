//! Certificates in files: what makes them unusable, and what happens when they change.

use std::{error::Error, fs, io, sync::Arc};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::io::duplex;
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, ServerName},
    },
};

use super::{CertificateError, CertificateFiles};

type TestResult = Result<(), Box<dyn Error>>;

struct Pem {
    certificate: String,
    der: CertificateDer<'static>,
    key: String,
}

fn certificate() -> Result<Pem, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    Ok(Pem { certificate: certificate.pem(), der: certificate.der().clone(), key: key.serialize_pem() })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A certificate's files in a directory of their own.
struct Files {
    directory: TempDir,
    files: CertificateFiles,
}

impl Files {
    fn new(certificate: &str, key: &str) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let files = CertificateFiles::new(directory.path().join("tls.crt"), directory.path().join("tls.key"));
        let files = Self { directory, files };
        files.replace(certificate, key)?;
        Ok(files)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Puts new files in place of the present ones.
    fn replace(&self, certificate: &str, key: &str) -> io::Result<()> {
        for (name, text) in [("tls.crt", certificate), ("tls.key", key)] {
            fs::write(self.path("new"), text)?;
            fs::rename(self.path("new"), self.path(name))?;
        }
        Ok(())
    }

    fn error(&self) -> Result<CertificateError, String> {
        self.files.server_config(provider()).err().ok_or_else(|| "it can be used".to_owned())
    }
}

#[test]
fn what_cannot_be_used_is_one_message_that_names_the_file() -> TestResult {
    let (ours, other) = (certificate()?, certificate()?);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted_by_openssl =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let broken = "-----BEGIN PRIVATE KEY-----\nsecret!\n-----END PRIVATE KEY-----\n";
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, key, named, message) in [
        ("", &*ours.key, "tls.crt", "holds no certificate in PEM form"),
        (&ours.key, &ours.key, "tls.crt", "holds no certificate in PEM form"),
        (&ours.certificate, "", "tls.key", "holds no private key in PEM form"),
        (&ours.certificate, &ours.certificate, "tls.key", "holds no private key in PEM form"),
        (&ours.certificate, encrypted, "tls.key", "a key without a passphrase is needed"),
        (&ours.certificate, encrypted_by_openssl, "tls.key", "a key without a passphrase is needed"),
        (&ours.certificate, &other.key, "tls.key", "is not the key of the certificate"),
        (&ours.certificate, broken, "tls.key", "is not a valid PEM file"),
        (garbage, &ours.key, "tls.crt", "cannot be used"),
    ] {
        let files = Files::new(certificate, key)?;
        let error = files.error()?;
        let text = error.to_string();
        assert_eq!(error.path(), files.path(named), "{text}");
        assert!(text.contains(&*files.path(named).to_string_lossy()) && text.contains(message), "{text}");
        assert!(!text.contains('\n') && !text.contains("secret") && !text.contains("AAAA"), "{text}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_named_with_the_systems_reason() -> TestResult {
    let ours = certificate()?;
    for name in ["tls.crt", "tls.key"] {
        let files = Files::new(&ours.certificate, &ours.key)?;
        fs::remove_file(files.path(name))?;
        let error = files.error()?;
        assert_eq!(error.path(), files.path(name));
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::NotFound));
    }
    Ok(())
}

#[test]
fn a_file_is_read_up_to_a_mebibyte_and_a_larger_one_refused() -> TestResult {
    const LARGEST: usize = 1 << 20;
    let ours = certificate()?;
    for (length, is_read) in [(LARGEST, true), (LARGEST + 1, false), (LARGEST + 1000, false)] {
        let filled = ours.certificate.clone() + &"\n".repeat(length - ours.certificate.len());
        let files = Files::new(&filled, &ours.key)?;
        match files.error() {
            Ok(error) => assert!(!is_read && error.to_string().contains("larger than"), "{length}: {error}"),
            Err(_) => assert!(is_read, "{length}"),
        }
    }
    Ok(())
}

/// Makes a handshake with a client that trusts one certificate alone.
async fn handshake(
    config: &Arc<ServerConfig>,
    trusted: &CertificateDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Result<(), Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone())?;
    let client = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let (near, far) = duplex(16 * 1024);
    let client = TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost")?, near);
    let (client, server) = tokio::join!(client, TlsAcceptor::from(Arc::clone(config)).accept(far));
    client?;
    server?;
    Ok(())
}

const BOTH: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;

#[tokio::test]
async fn both_versions_of_tls_are_spoken() -> TestResult {
    let ours = certificate()?;
    let files = Files::new(&ours.certificate, &ours.key)?;
    let config = Arc::new(files.files.server_config(provider())?);
    handshake(&config, &ours.der, &[&rustls::version::TLS12]).await?;
    handshake(&config, &ours.der, &[&rustls::version::TLS13]).await
}

#[tokio::test]
async fn the_first_handshake_after_a_change_uses_the_new_certificate() -> TestResult {
    let (first, second) = (certificate()?, certificate()?);
    let files = Files::new(&first.certificate, &first.key)?;
    let config = Arc::new(files.files.server_config(provider())?);
    handshake(&config, &first.der, BOTH).await?;
    files.replace(&second.certificate, &second.key)?;
    handshake(&config, &second.der, BOTH).await?;
    assert!(handshake(&config, &first.der, BOTH).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_bad_new_file_leaves_the_earlier_certificate_in_use_until_a_good_one_is_there() -> TestResult {
    let (first, second) = (certificate()?, certificate()?);
    let files = Files::new(&first.certificate, &first.key)?;
    let config = Arc::new(files.files.server_config(provider())?);
    // Certificate and key are never replaced in one step.
    files.replace(&second.certificate, &first.key)?;
    handshake(&config, &first.der, BOTH).await?;
    fs::remove_file(files.path("tls.crt"))?;
    handshake(&config, &first.der, BOTH).await?;
    files.replace(&second.certificate, &second.key)?;
    handshake(&config, &second.der, BOTH).await
}

/// As when files with their times come out of an archive.
#[cfg(unix)]
#[tokio::test]
async fn files_of_the_same_length_and_time_are_read_again() -> TestResult {
    let (mut first, mut second) = (certificate()?, certificate()?);
    // What stands behind the last line of a PEM text is no part of it.
    let longest = |one: &str, other: &str| one.len().max(other.len());
    let length = longest(&first.certificate, &second.certificate).max(longest(&first.key, &second.key));
    for pem in [&mut first, &mut second] {
        for text in [&mut pem.certificate, &mut pem.key] {
            text.push_str(&"\n".repeat(length - text.len()));
        }
    }
    let files = Files::new(&first.certificate, &first.key)?;
    let as_old = || -> io::Result<()> {
        for name in ["tls.crt", "tls.key"] {
            fs::File::options().write(true).open(files.path(name))?.set_modified(std::time::UNIX_EPOCH)?;
        }
        Ok(())
    };
    as_old()?;
    let config = Arc::new(files.files.server_config(provider())?);
    files.replace(&second.certificate, &second.key)?;
    as_old()?;
    handshake(&config, &second.der, BOTH).await
}

/// As a volume of Kubernetes does it: the files are links, and what they lead through is put in place at once.
#[cfg(unix)]
#[tokio::test]
async fn files_behind_a_link_are_read_again_when_the_link_leads_elsewhere() -> TestResult {
    use std::os::unix::fs::symlink;
    let (first, second) = (certificate()?, certificate()?);
    let volume = tempfile::tempdir()?;
    let version = |name: &str, pem: &Pem| -> io::Result<()> {
        fs::create_dir(volume.path().join(name))?;
        fs::write(volume.path().join(name).join("tls.crt"), &pem.certificate)?;
        fs::write(volume.path().join(name).join("tls.key"), &pem.key)?;
        symlink(name, volume.path().join("new"))?;
        fs::rename(volume.path().join("new"), volume.path().join("data"))
    };
    version("one", &first)?;
    for name in ["tls.crt", "tls.key"] {
        symlink(std::path::Path::new("data").join(name), volume.path().join(name))?;
    }
    let files = CertificateFiles::new(volume.path().join("tls.crt"), volume.path().join("tls.key"));
    let config = Arc::new(files.server_config(provider())?);
    handshake(&config, &first.der, BOTH).await?;
    version("two", &second)?;
    handshake(&config, &second.der, BOTH).await
}

#[test]
fn nothing_that_is_printed_holds_the_key() -> TestResult {
    let ours = certificate()?;
    let files = Files::new(&ours.certificate, &ours.key)?;
    let printed = format!("{:?} {:?}", files.files, files.files.server_config(provider())?);
    let secret = ours.key.lines().nth(1).ok_or("a key has lines")?;
    assert!(!printed.contains(secret), "{printed}");
    Ok(())
}
