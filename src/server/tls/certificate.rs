//! [`CertificateFiles`]: a certificate and its key in PEM files, read again when they change.

use std::{
    error::Error,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::locale::Language;

/// A file that is longer than this is not read: a chain has some kilobytes.
const LARGEST: u64 = 1 << 20;

/// A certificate chain and its private key, in PEM files.
///
/// The files are looked at in every handshake. If one has changed, both are read again, and that handshake already
/// uses the new certificate. If the new files cannot be used, the earlier certificate stays in use and a warning is
/// logged, once for each change. Connections that are open keep what they were opened with; so do clients that
/// resume a session.
///
/// Only regular files of up to 1 MiB are read, links to them included. A FIFO or a device would block the thread that
/// reads it, and could not be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    language: Language,
}

impl CertificateFiles {
    /// Takes the paths of the certificate, with intermediate ones after it in the same file, and of its private key:
    /// PKCS #8, PKCS #1 or SEC 1, not encrypted. Nothing is read yet.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), language: Language::En }
    }

    /// The language of what is logged when the files change: English by default.
    #[must_use]
    pub fn language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// Reads the files, and makes a configuration for [`Server::bind_rustls_0_23`](crate::Server::bind_rustls_0_23)
    /// of them: TLS 1.2 and 1.3, as far as the provider has them, and no certificates of clients.
    ///
    /// # Errors
    /// A file cannot be read, or holds no certificate or no key that can be used; the key is encrypted, or is not
    /// the certificate's.
    pub fn server_config(&self, provider: Arc<CryptoProvider>) -> Result<ServerConfig, CertificateError> {
        let read_at = Version::of(self);
        let current = Arc::new(self.load(&provider)?);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.failed(File::Certificate, Reason::Unusable(error)))?;
        let state = Mutex::new(State { current, read_at });
        let resolver = Resolver { files: self.clone(), provider, state };
        Ok(builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver)))
    }

    fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, CertificateError> {
        let text = self.read(File::Certificate)?;
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| self.failed(File::Certificate, Reason::Malformed))?;
        if chain.is_empty() {
            return Err(self.failed(File::Certificate, Reason::Missing));
        }
        let text = self.read(File::Key)?;
        if is_encrypted(&text) {
            return Err(self.failed(File::Key, Reason::Encrypted));
        }
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
            let reason = match error {
                pem::Error::NoItemsFound => Reason::Missing,
                _ => Reason::Malformed,
            };
            self.failed(File::Key, reason)
        })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => self.failed(File::Key, Reason::Mismatch),
            rustls::Error::InvalidCertificate(_) => self.failed(File::Certificate, Reason::Unusable(error)),
            error => self.failed(File::Key, Reason::Unusable(error)),
        })
    }

    fn read(&self, file: File) -> Result<Vec<u8>, CertificateError> {
        read_regular(self.path(file)).map_err(|reason| self.failed(file, reason))
    }

    fn path(&self, file: File) -> &Path {
        match file {
            File::Certificate => &self.certificate,
            File::Key => &self.key,
        }
    }

    fn failed(&self, file: File, reason: Reason) -> CertificateError {
        CertificateError {
            file,
            path: self.path(file).into(),
            certificate: self.certificate.as_path().into(),
            reason,
        }
    }
}

fn read_regular(path: &Path) -> Result<Vec<u8>, Reason> {
    let mut options = fs::File::options();
    options.read(true);
    // A FIFO that is opened so does not wait for its other end.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let opened = options.open(path).map_err(Reason::Unreadable)?;
    let metadata = opened.metadata().map_err(Reason::Unreadable)?;
    if !metadata.is_file() {
        return Err(Reason::NotRegular);
    }
    let mut text = Vec::new();
    opened.take(LARGEST + 1).read_to_end(&mut text).map_err(Reason::Unreadable)?;
    if text.len() as u64 > LARGEST { Err(Reason::TooLarge) } else { Ok(text) }
}

/// Returns true if a PEM text holds an encrypted private key, in the form of PKCS #8 or in the older one of OpenSSL.
fn is_encrypted(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}

/// Gives each handshake the certificate of the files as they are.
struct Resolver {
    files: CertificateFiles,
    provider: Arc<CryptoProvider>,
    state: Mutex<State>,
}

struct State {
    current: Arc<CertifiedKey>,
    /// What the files were when they were last read, whether or not they could be used.
    read_at: Version,
}

impl Resolver {
    fn current(&self) -> Arc<CertifiedKey> {
        let version = Version::of(&self.files);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if version != state.read_at {
            state.read_at = version;
            match self.files.load(&self.provider) {
                Ok(certified) => {
                    let path = self.files.certificate.display();
                    log::info!(
                        event = "certificate_reloaded", path:% = path;
                        "{}", self.files.language.certificate_read_again(&path)
                    );
                    state.current = Arc::new(certified);
                }
                Err(error) => {
                    let language = self.files.language;
                    let error = error.message(language);
                    log::warn!(
                        event = "certificate_kept", error = error.as_str();
                        "{}", language.certificate_kept(&error)
                    );
                }
            }
        }
        Arc::clone(&state.current)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for Resolver {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What tells that a file is another one than before, or has been written to.
#[derive(Debug, PartialEq, Eq)]
struct Version([Option<FileVersion>; 2]);

#[derive(Debug, PartialEq, Eq)]
struct FileVersion {
    length: u64,
    modified: Option<SystemTime>,
    identity: Identity,
}

impl Version {
    fn of(files: &CertificateFiles) -> Self {
        Self([&files.certificate, &files.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some(FileVersion {
                length: metadata.len(),
                modified: metadata.modified().ok(),
                identity: identity(&metadata),
            })
        }))
    }
}

/// The file's number and the time when anything about it last changed, by which a file is told that was put in place
/// of another one with the same length and time.
#[cfg(unix)]
type Identity = (u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {}

/// A certificate or its key cannot be used. The message names the file, and nothing of what it holds.
#[derive(Debug)]
pub struct CertificateError {
    file: File,
    path: Box<Path>,
    certificate: Box<Path>,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Certificate,
    Key,
}

#[derive(Debug)]
enum Reason {
    Unreadable(io::Error),
    /// It is a FIFO, a device or a directory.
    NotRegular,
    TooLarge,
    /// Without its cause, which may quote a line of a key.
    Malformed,
    Missing,
    Encrypted,
    Mismatch,
    Unusable(rustls::Error),
}

impl CertificateError {
    /// Returns the path of the file that cannot be used.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The error in one line.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        let path = self.path.display();
        let what = match self.file {
            File::Certificate => language.certificate(),
            File::Key => language.private_key(),
        };
        match &self.reason {
            Reason::Unreadable(error) => language.pem_unreadable(what, &path, error),
            Reason::NotRegular => language.pem_not_regular(what, &path),
            Reason::TooLarge => language.pem_too_large(what, &path),
            Reason::Malformed => language.pem_malformed(what, &path),
            Reason::Missing => language.pem_missing(what, &path),
            Reason::Encrypted => language.key_encrypted(&path),
            Reason::Mismatch => language.key_mismatch(&path, &self.certificate.display()),
            Reason::Unusable(error) => language.pem_unusable(what, &path, error),
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
    }
}

impl Error for CertificateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Unreadable(error) => Some(error),
            Reason::Unusable(error) => Some(error),
            Reason::NotRegular
            | Reason::TooLarge
            | Reason::Malformed
            | Reason::Missing
            | Reason::Encrypted
            | Reason::Mismatch => None,
        }
    }
}
