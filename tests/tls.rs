//! TLS: handshakes, protocols, certificates, and what the exit does to them.

pub(crate) mod service;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::App;
use graceful_exit::{GracefulExit, Outcome, Server, Timeouts};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::rustls;

use self::service::{
    Held, LIBRARIES, Library, Tls, application, begin_drain, ended, localhost, read_until, send, unhurried,
    until,
};
use crate::support::{InProcess, STUCK_AFTER};

#[tokio::test]
async fn both_versions_and_both_protocols_are_served_by_what_the_client_asks_for() -> io::Result<()> {
    let certificate = Tls::new();
    for &library in LIBRARIES {
        let service = library.service(&certificate, |server| server);
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
    }
    Ok(())
}

#[tokio::test]
async fn an_idle_connection_and_one_with_a_request_end_with_close_notify() -> io::Result<()> {
    let certificate = Tls::new();
    for &library in LIBRARIES {
        let service = library.service(&certificate, |server| server);
        let mut idle = certificate.connect(service.address, &[]).await?;
        send(&mut idle, "/urls").await?;
        read_until(&mut idle, "/named").await?;
        let mut busy = Held::new(&certificate, &service).await?;
        begin_drain(&service).await;
        let answer = busy.answer().await?;
        assert!(answer.contains("connection: close"), "{answer}");
        // Without close_notify this is an error of kind UnexpectedEof.
        for (name, client) in [("busy", &mut busy.client), ("idle", &mut idle)] {
            let end = client.read(&mut [0; 8]).await;
            assert!(matches!(end, Ok(0)), "{name}: {end:?}");
        }
        assert_eq!(ended(service).await.outcome, Outcome::Clean);
    }
    Ok(())
}

#[tokio::test]
async fn a_websocket_echoes_and_is_sent_close_1001_and_close_notify() -> io::Result<()> {
    let certificate = Tls::new();
    for &library in LIBRARIES {
        // The WebSocket ends with its client's answer, and not with the grace. actix-http then waits for more of it.
        let timeouts = Timeouts::default().keep_alive_grace(STUCK_AFTER).stop_timeout(4 * STUCK_AFTER);
        let server = |server| unhurried(server).client_disconnect_timeout(Duration::from_millis(100));
        let service = library.service_with(&certificate, |exit| exit.timeouts(timeouts), server);
        let mut client = certificate.connect(service.address, &["http/1.1"]).await?;
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let request = format!("GET /echo HTTP/1.1\r\nHost: localhost:8443\r\n{upgrade}\r\n\r\n");
        client.write_all(request.as_bytes()).await?;
        let head = read_until(&mut client, "\r\n\r\n").await?;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        // Text, masked with zeroes.
        client.write_all(b"\x81\x82\0\0\0\0hi").await?;
        let mut frame = [0; 4];
        client.read_exact(&mut frame).await?;
        assert_eq!(&frame, b"\x81\x02hi");
        service.ask_to_stop();
        client.read_exact(&mut frame).await?;
        assert_eq!(frame, [0x88, 2, 0x03, 0xe9], "close, 1001");
        client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).await?;
        // Without close_notify this is an error of kind UnexpectedEof.
        let end = client.read(&mut frame).await;
        assert!(matches!(end, Ok(0)), "{library:?}: {end:?}");
        drop(client);
        let report = ended(service).await;
        assert_eq!((report.outcome, report.servers[0].in_flight_at_start), (Outcome::Clean, 1), "{report:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_handshake_in_progress_at_the_exit_is_finished_and_its_request_answered() -> io::Result<()> {
    let certificate = Tls::new();
    for &library in LIBRARIES {
        let service = library.service(&certificate, |server| server);
        let mut busy = Held::new(&certificate, &service).await?;
        // Connected, and nothing said yet.
        let socket = TcpStream::connect(service.address).await?;
        begin_drain(&service).await;
        let mut client = certificate.client(&[], rustls::ALL_VERSIONS).connect(localhost(), socket).await?;
        send(&mut client, "/urls").await?;
        let answer = read_until(&mut client, "\n").await?;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        busy.answer().await?;
        assert_eq!(ended(service).await.outcome, Outcome::Clean);
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_makes_no_handshake_is_closed_after_the_timeout() -> io::Result<()> {
    let certificate = Tls::new();
    for &library in LIBRARIES {
        let service =
            library.service(&certificate, |server| server.tls_handshake_timeout(Duration::from_millis(50)));
        let mut silent = TcpStream::connect(service.address).await?;
        let mut bytes = [0; 8];
        let closed = tokio::time::timeout(STUCK_AFTER, silent.read(&mut bytes)).await;
        assert!(matches!(closed, Ok(Ok(0) | Err(_))), "it is still open");
        service.ask_to_stop();
        assert_eq!(ended(service).await.outcome, Outcome::Clean);
    }
    Ok(())
}

#[tokio::test]
async fn a_silent_client_in_its_handshake_does_not_hold_the_exit() -> io::Result<()> {
    let certificate = Tls::new();
    for &library in LIBRARIES {
        let service = library.service(&certificate, |server| server.tls_handshake_timeout(Duration::ZERO));
        let silent = TcpStream::connect(service.address).await?;
        service.ask_to_stop();
        let report = ended(service).await;
        assert_eq!(report.outcome, Outcome::Clean, "{report:?}");
        drop(silent);
    }
    Ok(())
}

#[tokio::test]
async fn the_first_handshake_after_a_renewal_gets_the_new_certificate_and_open_connections_stay()
-> io::Result<()> {
    let mut certificate = Tls::new();
    let service = Library::Rustls.service(&certificate, |server| server);
    let mut before = certificate.connect(service.address, &[]).await?;
    certificate.0.renew();
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
async fn load(certificate: Arc<Tls>, address: SocketAddr) -> Count {
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
    let certificate = Arc::new(Tls::new());
    for &library in LIBRARIES {
        for _ in 0..3 {
            // On a busy machine a client takes longer for its next request than is common. None of these times is waited
            // out: each client goes on until it can make no connection.
            let timeouts = Timeouts::default()
                .keep_alive_grace(STUCK_AFTER)
                .stop_timeout(4 * STUCK_AFTER)
                .timeout(8 * STUCK_AFTER);
            let service = library.service_with(&certificate, |exit| exit.timeouts(timeouts), unhurried);
            let loads: Vec<_> =
                (0..16).map(|_| tokio::spawn(load(Arc::clone(&certificate), service.address))).collect();
            let completed = || service.handle.status().map_or(0, |status| status.servers[0].completed);
            until("the clients are busy", || completed() >= 50).await;
            service.ask_to_stop();
            let mut sum = Count::default();
            for load in loads {
                let count = load.await.expect("no panic");
                sum.answered += count.answered;
                sum.rejected += count.rejected;
                sum.lost.extend(count.lost);
            }
            assert_eq!(ended(service).await.outcome, Outcome::Clean);
            assert!(sum.answered >= 50 && sum.lost.is_empty(), "{library:?}: {sum:?}");
        }
    }
}

/// The grace is long over when the client ends its handshake: a connection that had nothing but the grace has been closed
/// by then.
#[tokio::test]
async fn a_handshake_that_takes_longer_than_the_grace_is_finished_and_its_request_rejected() -> io::Result<()>
{
    let certificate = Tls::new();
    for &library in LIBRARIES {
        let timeouts = Timeouts::default()
            .keep_alive_grace(Duration::from_millis(100))
            .stop_timeout(STUCK_AFTER)
            .timeout(2 * STUCK_AFTER);
        let service = library.service_with(&certificate, |exit| exit.timeouts(timeouts), unhurried);
        let mut used = certificate.connect(service.address, &[]).await?;
        send(&mut used, "/urls").await?;
        read_until(&mut used, "/named").await?;
        // Has sent its first bytes, and nothing more until it is told to.
        let socket = TcpStream::connect(service.address).await?;
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let handshake = certificate.client(&[], rustls::ALL_VERSIONS).connect(localhost(), near);
        let handshake = tokio::spawn(handshake);
        let mut hello = vec![0; 1 << 14];
        let length = far.read(&mut hello).await?;
        let (mut from, mut to) = socket.into_split();
        to.write_all(&hello[..100]).await?;
        service.ask_to_stop();
        assert!(matches!(used.read(&mut [0; 8]).await, Ok(0)), "the grace is over");
        to.write_all(&hello[100..length]).await?;
        let (mut near_from, mut near_to) = tokio::io::split(far);
        let down = tokio::spawn(async move {
            let copied = tokio::io::copy(&mut from, &mut near_to).await;
            near_to.shutdown().await.and(copied)
        });
        let mut client = handshake.await.expect("no panic")?;
        let request = "GET /urls HTTP/1.1\r\nHost: localhost:8443\r\n\r\n";
        client.write_all(request.as_bytes()).await?;
        // The end of the handshake and the request go together: the server gives the client the grace between the two.
        let up = tokio::spawn(async move { tokio::io::copy(&mut near_from, &mut to).await });
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        assert!(answer.starts_with("HTTP/1.1 503"), "{library:?}: {answer:?}");
        drop(client);
        // The connection may have been reset, once the answer was read.
        let _ = (down.await.expect("no panic"), up.await.expect("no panic"));
        assert_eq!(ended(service).await.outcome, Outcome::Clean);
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_abandoned_is_cut_and_named() -> io::Result<()> {
    let certificate = Tls::new();
    for &library in LIBRARIES {
        let timeouts = Timeouts::default().drain_timeout(Duration::from_millis(100));
        let service = library.service_with(&certificate, |exit| exit.timeouts(timeouts), |server| server);
        let Held { mut client, id } = Held::new(&certificate, &service).await?;
        service.ask_to_stop();
        let report = ended(service).await;
        assert_eq!(report.outcome, Outcome::Incomplete, "{library:?}: {report:?}");
        let abandoned: Vec<_> = report.servers[0].abandoned.iter().map(|request| &*request.path).collect();
        assert_eq!(abandoned, [format!("/held/{id}")]);
        // Cut: with or without a word.
        assert!(!matches!(client.read(&mut [0; 8]).await, Ok(1..)), "{library:?}: no answer");
    }
    Ok(())
}

#[tokio::test]
async fn a_socket_that_listens_already_is_served_over_tls() -> io::Result<()> {
    let certificate = Tls::new();
    for &library in LIBRARIES {
        let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
        let web = Server::new("web", || App::new().configure(application)).workers(1);
        let web = library.listen(web, socket, &certificate);
        let service = InProcess::start(GracefulExit::for_tests().server(web));
        let mut client = certificate.connect(service.address, &[]).await?;
        send(&mut client, "/urls").await?;
        let answer = read_until(&mut client, "/named").await?;
        assert!(answer.ends_with("https true https://localhost:8443/named"), "{answer}");
        service.ask_to_stop();
        assert_eq!(ended(service).await.outcome, Outcome::Clean);
    }
    Ok(())
}
