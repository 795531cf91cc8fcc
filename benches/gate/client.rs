//! The client, on a thread that is not counted.

use std::{
    io::{Read, Write},
    net::SocketAddr,
};

use h2::client;
use http::Request;
use tokio::{net::TcpStream, runtime::Builder};

/// The bytes of a large answer.
pub(crate) const BODY: usize = 1 << 20;

/// Sends one request after another, on one connection or on one each.
pub(crate) fn ask(address: SocketAddr, kind: &str, requests: u32) {
    let connect = || std::net::TcpStream::connect(address).expect("it listens");
    let mut stream = connect();
    let mut buffer = vec![0; 2 * BODY];
    for _ in 0..requests {
        if kind == "rejected" {
            stream = connect();
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .expect("written");
            while stream.read(&mut buffer).expect("answered") != 0 {}
            continue;
        }
        let (path, body) = if kind == "body" { ("/body", BODY) } else { ("/", 6) };
        // In one piece, as clients send it.
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        let mut read = 0;
        loop {
            read += stream.read(&mut buffer[read..]).expect("answered");
            let end = buffer[..read].windows(4).position(|window| window == b"\r\n\r\n");
            if end.is_some_and(|end| read >= end + 4 + body) {
                break;
            }
        }
    }
}

/// Opens one stream after another on one connection.
pub(crate) fn ask_streams(address: SocketAddr, requests: u32) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let socket = TcpStream::connect(address).await.expect("it listens");
        let (mut client, connection) = client::handshake(socket).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        for _ in 0..requests {
            client = client.ready().await.expect("it is open");
            let request = Request::get("http://localhost/").body(()).expect("a request");
            let (response, _) = client.send_request(request, true).expect("it is sent");
            let mut body = response.await.expect("answered").into_body();
            while let Some(chunk) = body.data().await {
                body.flow_control().release_capacity(chunk.expect("a chunk").len()).expect("received");
            }
        }
        connection.abort();
    });
}
