//! TLS: handshakes, protocols, certificates, and what the exit does to them.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, web};
use graceful_exit::{CertificateFiles, GracefulExit, Outcome, Report, Server, Timeouts};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, ServerName},
    },
};

use crate::support::{InProcess, STUCK_AFTER};

/// A certificate of `localhost` in files.
struct Certificate {
    directory: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let der = write_certificate(&directory);
        Self { directory, der }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts another certificate in place of this one.
    fn renew(&mut self) {
        self.der = write_certificate(&self.directory);
    }

    fn server_config(&self) -> ServerConfig {
        let files = CertificateFiles::new(self.path("tls.crt"), self.path("tls.key"));
        files.server_config(provider()).expect("it can be used")
    }

    /// A client that trusts this certificate alone.
    fn client(
        &self,
        protocols: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        let config = config.expect("both versions").with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }

    async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(address).await?;
        self.client(protocols, rustls::ALL_VERSIONS).connect(localhost(), socket).await
    }
}

fn write_certificate(directory: &TempDir) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    for (name, text) in [("tls.crt", made.cert.pem()), ("tls.key", made.signing_key.serialize_pem())] {
        std::fs::write(directory.path().join("new"), text).expect("it is written");
        std::fs::rename(directory.path().join("new"), directory.path().join(name))
            .expect("it is put in place");
    }
    made.cert.der().clone()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

fn application(config: &mut web::ServiceConfig) {
    config
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
        );
}

fn service(config: ServerConfig, server: impl FnOnce(Server) -> Server) -> InProcess {
    let web = Server::new("web", || App::new().configure(application)).workers(2);
    let web = server(web).bind_rustls_0_23("127.0.0.1:0", config);
    InProcess::start(GracefulExit::for_tests().server(web))
}

async fn ended(service: InProcess) -> Report {
    tokio::task::spawn_blocking(|| service.wait()).await.expect("no panic")
}

/// Waits until one request is in flight.
async fn in_flight(service: &InProcess) {
    while service.in_flight() != 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Sends a request of HTTP/1.
async fn send(client: &mut TlsStream<TcpStream>, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:8443\r\n\r\n");
    client.write_all(request.as_bytes()).await?;
    client.flush().await
}

/// Reads an answer whose body ends so.
async fn read_until(client: &mut TlsStream<TcpStream>, end: &str) -> io::Result<String> {
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

#[tokio::test]
async fn both_versions_and_both_protocols_are_served_by_what_the_client_asks_for() -> io::Result<()> {
    let certificate = Certificate::new();
    let service = service(certificate.server_config(), |server| server);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (asked, agreed) in
            [(&["h2", "http/1.1"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
        {
            let socket = TcpStream::connect(service.address).await?;
            let mut client = certificate.client(asked, &[version]).connect(localhost(), socket).await?;
            assert_eq!(client.get_ref().1.alpn_protocol(), agreed);
            if agreed == Some(b"h2") {
                let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
                client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
                client.write_all(&settings).await?;
                assert_eq!(client.read_u32().await? & 0xff, 4, "SETTINGS");
            } else {
                send(&mut client, "/urls").await?;
                let answer = read_until(&mut client, "/named").await?;
                assert!(answer.ends_with("https true https://localhost:8443/named"), "{answer}");
            }
        }
    }
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
    Ok(())
}

#[tokio::test]
async fn an_idle_connection_and_one_with_a_request_end_with_close_notify() -> io::Result<()> {
    let certificate = Certificate::new();
    let service = service(certificate.server_config(), |server| server);
    let mut idle = certificate.connect(service.address, &[]).await?;
    send(&mut idle, "/urls").await?;
    read_until(&mut idle, "/named").await?;
    let mut busy = certificate.connect(service.address, &[]).await?;
    send(&mut busy, "/slow/200").await?;
    in_flight(&service).await;
    service.ask_to_stop();
    let answer = read_until(&mut busy, "done").await?;
    assert!(answer.contains("connection: close"), "{answer}");
    // Without close_notify this is an error of kind UnexpectedEof.
    for (name, client) in [("busy", &mut busy), ("idle", &mut idle)] {
        let end = client.read(&mut [0; 8]).await;
        assert!(matches!(end, Ok(0)), "{name}: {end:?}");
    }
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
    Ok(())
}

#[tokio::test]
async fn a_handshake_in_progress_at_the_exit_is_finished_and_its_request_answered() -> io::Result<()> {
    let certificate = Certificate::new();
    let service = service(certificate.server_config(), |server| server);
    let mut busy = certificate.connect(service.address, &[]).await?;
    send(&mut busy, "/slow/300").await?;
    in_flight(&service).await;
    // Connected, and nothing said yet.
    let socket = TcpStream::connect(service.address).await?;
    service.ask_to_stop();
    while service.handle.is_ready() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut client = certificate.client(&[], rustls::ALL_VERSIONS).connect(localhost(), socket).await?;
    send(&mut client, "/urls").await?;
    let answer = read_until(&mut client, "\n").await?;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    read_until(&mut busy, "done").await?;
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
    Ok(())
}

#[tokio::test]
async fn a_client_that_makes_no_handshake_is_closed_after_the_timeout() -> io::Result<()> {
    let certificate = Certificate::new();
    let service = service(certificate.server_config(), |server| {
        server.tls_handshake_timeout(Duration::from_millis(50))
    });
    let mut silent = TcpStream::connect(service.address).await?;
    let mut bytes = [0; 8];
    let closed = tokio::time::timeout(STUCK_AFTER, silent.read(&mut bytes)).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "it is still open");
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
    Ok(())
}

#[tokio::test]
async fn a_silent_client_in_its_handshake_does_not_hold_the_exit() -> io::Result<()> {
    let certificate = Certificate::new();
    let service = service(certificate.server_config(), |server| server.tls_handshake_timeout(Duration::ZERO));
    let silent = TcpStream::connect(service.address).await?;
    service.ask_to_stop();
    let report = ended(service).await;
    assert_eq!(report.outcome, Outcome::Clean, "{report:?}");
    drop(silent);
    Ok(())
}

#[tokio::test]
async fn the_first_handshake_after_a_renewal_gets_the_new_certificate_and_open_connections_stay()
-> io::Result<()> {
    let mut certificate = Certificate::new();
    let service = service(certificate.server_config(), |server| server);
    let mut before = certificate.connect(service.address, &[]).await?;
    certificate.renew();
    certificate.connect(service.address, &[]).await?;
    send(&mut before, "/urls").await?;
    read_until(&mut before, "/named").await?;
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
    Ok(())
}

/// What came of the requests of a client.
#[derive(Clone, Debug, Default)]
struct Count {
    answered: usize,
    rejected: usize,
    lost: Vec<String>,
}

/// Requests one after another, each on the connection of the one before, or on a new one where that says it closes.
/// Ends when no connection can be made.
async fn load(certificate: Arc<Certificate>, address: SocketAddr) -> Count {
    let mut count = Count::default();
    while let Ok(mut client) = certificate.connect(address, &["http/1.1"]).await {
        loop {
            let answer = async {
                send(&mut client, "/slow/1").await?;
                read_until(&mut client, "done").await
            };
            match answer.await {
                Ok(answer) => {
                    count.answered += 1;
                    if answer.contains("connection: close") {
                        break;
                    }
                }
                Err(error) if error.to_string().contains("503") => {
                    count.rejected += 1;
                    break;
                }
                Err(error) => {
                    count.lost.push(error.to_string());
                    break;
                }
            }
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exits_in_the_middle_of_busy_clients_lose_no_request() {
    let certificate = Arc::new(Certificate::new());
    for _ in 0..3 {
        // On a busy machine a handshake takes longer than the grace that is common.
        let timeouts = Timeouts::default()
            .keep_alive_grace(Duration::from_secs(3))
            .stop_timeout(Duration::from_secs(10));
        let web = Server::new("web", || App::new().configure(application)).workers(2);
        let web = web.bind_rustls_0_23("127.0.0.1:0", certificate.server_config());
        let service = InProcess::start(GracefulExit::for_tests().timeouts(timeouts).server(web));
        let loads: Vec<_> =
            (0..16).map(|_| tokio::spawn(load(Arc::clone(&certificate), service.address))).collect();
        while service.handle.status().is_none_or(|status| status.servers[0].completed < 50) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        service.ask_to_stop();
        let mut sum = Count::default();
        for load in loads {
            let count = load.await.expect("no panic");
            sum.answered += count.answered;
            sum.rejected += count.rejected;
            sum.lost.extend(count.lost);
        }
        assert_eq!(ended(service).await.outcome, Outcome::Clean);
        assert!(sum.answered >= 50 && sum.lost.is_empty(), "{sum:?}");
    }
}
