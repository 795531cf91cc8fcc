//! A service over TLS, and its clients.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, web};
use graceful_exit::{CertificateFiles, GracefulExit, Report, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

use crate::support::{Certificate, InProcess, STUCK_AFTER};

/// A certificate of `localhost`, with what either side makes of it.
pub(crate) struct Tls(pub(crate) Certificate);

impl Tls {
    pub(crate) fn new() -> Self {
        Self(Certificate::new(&["localhost"]))
    }

    pub(crate) fn server_config(&self) -> ServerConfig {
        let files = CertificateFiles::new(self.0.certificate(), self.0.key());
        files.server_config(provider()).expect("it can be used")
    }

    #[cfg(feature = "openssl")]
    pub(crate) fn acceptor(&self) -> openssl::ssl::SslAcceptorBuilder {
        use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("OpenSSL");
        builder.set_private_key_file(self.0.key(), SslFiletype::PEM).expect("a key");
        builder.set_certificate_chain_file(self.0.certificate()).expect("a certificate");
        builder
    }

    /// A client that trusts this certificate alone.
    pub(crate) fn client(
        &self,
        protocols: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der.clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        let config = config.expect("both versions").with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }

    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        protocols: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(address).await?;
        self.client(protocols, rustls::ALL_VERSIONS).connect(localhost(), socket).await
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

pub(crate) fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

/// The certificate that a server shows to a client that trusts any.
pub(crate) async fn shown_certificate(address: SocketAddr) -> io::Result<CertificateDer<'static>> {
    #[derive(Debug)]
    struct Any;

    impl ServerCertVerifier for Any {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            provider().signature_verification_algorithms.supported_schemes()
        }
    }

    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.expect("both versions").dangerous();
    let config = config.with_custom_certificate_verifier(Arc::new(Any)).with_no_client_auth();
    let socket = TcpStream::connect(address).await?;
    let client = TlsConnector::from(Arc::new(config)).connect(localhost(), socket).await?;
    let shown = client.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    Ok(shown.ok_or_else(|| io::Error::other("no certificate"))?.clone().into_owned())
}

pub(crate) fn application(config: &mut web::ServiceConfig) {
    config
        .route("/echo", web::get().to(crate::endless::echo))
        .service(web::resource("/named").name("named").to(HttpResponse::Ok))
        .route(
            "/urls",
            web::get().to(|request: HttpRequest| async move {
                let named = request.url_for_static("named").map(|url| url.to_string());
                let secure = request.app_config().secure();
                format!("{} {secure} {}", request.connection_info().scheme(), named.unwrap_or_default())
            }),
        )
        .route(
            "/slow/{ms}",
            web::get().to(|ms: web::Path<u64>| async move {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                "done"
            }),
        )
        .route(
            "/held/{id}",
            web::get().to(|id: web::Path<u64>| async move {
                BEGUN.lock().expect("no panic").insert(*id);
                while !RELEASED.lock().expect("no panic").contains(&*id) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                "done"
            }),
        );
}

/// The requests of `/held/{id}` that have begun.
static BEGUN: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// Those that may be answered.
static RELEASED: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// A request in flight, which is answered when the test says so.
pub(crate) struct Held {
    pub(crate) client: TlsStream<TcpStream>,
    pub(crate) id: u64,
}

impl Held {
    /// Sends it, and waits until its handler has begun.
    pub(crate) async fn new(certificate: &Tls, service: &InProcess) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut client = certificate.connect(service.address, &[]).await?;
        send(&mut client, &format!("/held/{id}")).await?;
        until("the request is in flight", || BEGUN.lock().expect("no panic").contains(&id)).await;
        Ok(Self { client, id })
    }

    /// Lets it be answered, and reads the answer.
    pub(crate) async fn answer(&mut self) -> io::Result<String> {
        RELEASED.lock().expect("no panic").insert(self.id);
        read_until(&mut self.client, "done").await
    }
}

/// What makes the server's side of TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Library {
    Rustls,
    #[cfg(feature = "openssl")]
    OpenSsl,
}

/// `cargo test --features openssl --test main tls::` runs each row with both.
pub(crate) const LIBRARIES: &[Library] = &[
    Library::Rustls,
    #[cfg(feature = "openssl")]
    Library::OpenSsl,
];

impl Library {
    pub(crate) fn bind(self, server: Server, certificate: &Tls) -> Server {
        match self {
            Self::Rustls => server.bind_rustls_0_23("127.0.0.1:0", certificate.server_config()),
            #[cfg(feature = "openssl")]
            Self::OpenSsl => server.bind_openssl("127.0.0.1:0", certificate.acceptor()),
        }
    }

    pub(crate) fn listen(self, server: Server, socket: std::net::TcpListener, certificate: &Tls) -> Server {
        match self {
            Self::Rustls => server.listen_rustls_0_23(socket, certificate.server_config()),
            #[cfg(feature = "openssl")]
            Self::OpenSsl => server.listen_openssl(socket, certificate.acceptor()),
        }
    }

    pub(crate) fn service(self, certificate: &Tls, server: impl FnOnce(Server) -> Server) -> InProcess {
        self.service_with(certificate, |exit| exit, server)
    }

    pub(crate) fn service_with(
        self,
        certificate: &Tls,
        exit: impl FnOnce(GracefulExit) -> GracefulExit,
        server: impl FnOnce(Server) -> Server,
    ) -> InProcess {
        let web = Server::new("web", || App::new().configure(application)).workers(2);
        let web = self.bind(server(web), certificate);
        InProcess::start(exit(GracefulExit::for_tests()).server(web))
    }
}

pub(crate) async fn ended(service: InProcess) -> Report {
    tokio::task::spawn_blocking(|| service.wait()).await.expect("no panic")
}

/// A server that leaves its clients much time.
pub(crate) fn unhurried(server: Server) -> Server {
    let server = server.keep_alive(STUCK_AFTER).client_request_timeout(STUCK_AFTER);
    server.client_disconnect_timeout(STUCK_AFTER).tls_handshake_timeout(STUCK_AFTER)
}

/// Waits for a condition, as `wait_until` does, and lets this thread's other tasks run.
pub(crate) async fn until(what: &str, is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(STUCK_AFTER, waiting).await.expect(what);
}

/// Asks it to stop, and waits until requests are rejected.
pub(crate) async fn begin_drain(service: &InProcess) {
    service.ask_to_stop();
    until("it drains", || service.handle.status().is_some_and(|status| status.phase == "drain")).await;
}

/// Sends a request of HTTP/1.
pub(crate) async fn send(client: &mut TlsStream<TcpStream>, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:8443\r\n\r\n");
    client.write_all(request.as_bytes()).await?;
    client.flush().await
}

/// Reads an answer whose body ends so.
pub(crate) async fn read_until(client: &mut TlsStream<TcpStream>, end: &str) -> io::Result<String> {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut bytes = [0; 1024];
        match client.read(&mut bytes).await? {
            0 => return Err(io::Error::other(format!("the end, after {text:?}"))),
            length => text.push_str(&String::from_utf8_lossy(&bytes[..length])),
        }
    }
    Ok(text)
}
