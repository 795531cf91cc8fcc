//! What a client of HTTP/2 may ask for: the limits, and what a connection costs at them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use actix_web::{App as WebApp, HttpResponse, web};
use graceful_exit::{GracefulExit, Outcome, Server};

use crate::{
    http2_protocol::frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, POST, WHOLE, block, frame,
    },
    support::{InProcess, STUCK_AFTER, wait_until},
};

const ENHANCE_YOUR_CALM: u32 = 11;

/// Between two looks at something that is to change no more.
const SETTLES: Duration = Duration::from_millis(100);

/// `/hang` never answers and does not read its body; `/length` reads all of it.
fn service(server: impl FnOnce(Server) -> Server) -> InProcess {
    let web = Server::new("web", || {
        WebApp::new()
            .route("/hang", web::to(std::future::pending::<HttpResponse>))
            .route("/length", web::post().to(|body: web::Bytes| async move { body.len().to_string() }))
            .default_service(web::to(|| async { "an answer" }))
    });
    let web = server(web.workers(1)).bind_auto_h2c("127.0.0.1:0");
    InProcess::start(GracefulExit::for_tests().server(web))
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("it is open");
    socket.set_read_timeout(Some(STUCK_AFTER)).expect("a socket");
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
    socket.write_all(&frame(4, 0, 0, &[])).expect("sent");
    socket
}

/// The next frame of a type; none at the end.
fn next(socket: &mut TcpStream, kind: u8) -> Option<Vec<u8>> {
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        socket.read_exact(&mut payload).ok()?;
        if head[3] == kind {
            return Some(payload);
        }
    }
}

fn error_of(goaway: Option<&Vec<u8>>) -> Option<u32> {
    goaway.map(|payload| u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]))
}

fn at(path: &str, begin: &[u8]) -> Vec<u8> {
    let path_field = [&[0x04, u8::try_from(path.len()).expect("a short path")][..], path.as_bytes()].concat();
    // Without the path of `GET` and `POST`.
    [&begin[..2], &path_field, &begin[3..]].concat()
}

#[test]
fn a_head_of_too_many_fields_or_bytes_ends_the_connection_and_its_client_is_told() {
    let service = service(|server| server);
    let many = [GET, &[0x90; 96]].concat();
    let long = block(GET, &[("x", &"y".repeat(126))]);
    let whole = |block: &[u8]| frame(HEADERS, WHOLE, 1, block);
    // A field each, in pieces that are small enough for a frame.
    let pieces: Vec<u8> = (0..5)
        .map(|piece| {
            let kind = if piece == 0 { HEADERS } else { CONTINUATION };
            let begin = if piece == 0 { GET } else { &[] };
            let text = [0x00, 1, b'x', 0x7f, 0x80 | 0x01, 0x7e].as_slice();
            frame(kind, END_STREAM & u8::from(piece == 0), 1, &[begin, text, &[b'y'; 16_256]].concat())
        })
        .collect::<Vec<_>>()
        .concat();
    for (name, bytes, is_small) in
        [("101 fields", whole(&[&many[..], &[0x90]].concat()), true), ("80 KiB", pieces, false)]
    {
        let mut socket = connect(service.address);
        let _ = socket.write_all(&bytes);
        // A reset may take the GOAWAY along where the server has not read all.
        let told = error_of(next(&mut socket, GOAWAY).as_ref());
        assert!(told == Some(ENHANCE_YOUR_CALM) || told.is_none() && !is_small, "{name}: {told:?}");
    }
    // What is within the limits is answered.
    for block in [&many[..], &long] {
        let mut socket = connect(service.address);
        socket.write_all(&whole(block)).expect("sent");
        assert!(next(&mut socket, HEADERS).is_some());
    }
    service.ask_to_stop();
    assert_eq!(service.wait().outcome, Outcome::Clean);
}

/// Empty ones take no window, so that flow control does not end them.
#[test]
fn a_connection_is_not_read_on_while_many_pieces_of_a_body_wait_for_the_application() {
    let service = service(|server| server);
    let empty = frame(DATA, 0, 1, &[]).repeat(64);
    let mut socket = connect(service.address);
    socket.write_all(&frame(HEADERS, END_HEADERS, 1, &at("/length", POST))).expect("sent");
    for _ in 0..1000 {
        socket.write_all(&empty).expect("it is read on");
    }
    socket.write_all(&frame(DATA, END_STREAM, 1, b"x")).expect("sent");
    assert_eq!(next(&mut socket, DATA).as_deref(), Some(&b"1"[..]), "those that are read are not limited");

    let mut socket = connect(service.address);
    socket.write_all(&frame(HEADERS, END_HEADERS, 1, &at("/hang", POST))).expect("sent");
    socket.set_nonblocking(true).expect("a socket");
    let mut sent = 0;
    let refused = || std::io::ErrorKind::WouldBlock;
    // What the kernel's buffers hold, and no more.
    wait_until("nothing more is taken", || {
        let before = sent;
        while sent < (64 << 20) {
            match socket.write(&empty) {
                Ok(length) => sent += length,
                Err(error) => {
                    assert_eq!(error.kind(), refused());
                    break;
                }
            }
        }
        std::thread::sleep(SETTLES);
        sent == before
    });
    assert!(sent < (64 << 20), "64 MiB of empty pieces were taken");
    drop(socket);
    service.ask_to_stop();
    let _ = service.wait();
}

#[test]
fn a_body_that_makes_no_progress_ends_within_the_request_timeout() {
    let service = service(|server| server.client_request_timeout(Duration::from_secs(1)));
    let mut socket = connect(service.address);
    let request = [frame(HEADERS, END_HEADERS, 1, &at("/length", POST)), frame(DATA, 0, 1, b"x")].concat();
    socket.write_all(&request).expect("sent");
    // An answer that says so, and not the length.
    assert!(next(&mut socket, HEADERS).is_some(), "it is answered, without the rest of the body");
    service.ask_to_stop();
    assert_eq!(service.wait().outcome, Outcome::Clean);
}

/// The memory of this machine's process, in KiB.
#[cfg(all(target_os = "linux", feature = "app"))]
fn resident(app: &crate::support::App) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// As many streams as may be open, each with as large a head as may be, or with an answer that its client does not read.
#[cfg(all(target_os = "linux", feature = "app"))]
#[test]
fn a_stream_costs_its_head_or_little_and_far_less_than_a_connection_of_http_1_may() {
    use crate::{
        http2_protocol::frames::{WINDOW_UPDATE, setting},
        support::{App, stop},
    };
    const CONNECTIONS: u64 = 4;
    const STREAMS: u64 = 250;
    let large = block(&at("/slow?ms=600000", GET), &[]);
    // 90 fields of 128 bytes.
    let fields = [&[0x00, 1, b'x', 0x7f, 0x00][..], &[b'y'; 127]].concat().repeat(90);
    let head = [&large[..], &fields].concat();
    let answers = at("/stream?n=1000000&ms=0", GET);
    for (name, block, most) in [("heads", head, 64), ("answers", answers, 16)] {
        let app = App::start(&["servers.business.h2c=true", "shutdown.drain_timeout=100ms"]);
        let before = resident(&app);
        let mut sockets = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut socket = connect(app.business);
            // As much of an answer as anyone wants.
            let window = 0x7fff_ffff_u32;
            let wide = frame(WINDOW_UPDATE, 0, 0, &(window - 65_535).to_be_bytes());
            socket.write_all(&[setting(4, window), wide].concat()).expect("sent");
            for stream in (1..).step_by(2).take(usize::try_from(STREAMS).expect("a number")) {
                socket.write_all(&frame(HEADERS, WHOLE, stream, &block)).expect("sent");
            }
            sockets.push(socket);
        }
        wait_until("the streams are open", || app.count_in_flight() == CONNECTIONS * STREAMS);
        let mut last = 0;
        wait_until("its memory grows no more", || {
            std::thread::sleep(SETTLES);
            let grown = resident(&app);
            std::mem::replace(&mut last, grown) == grown
        });
        let each = last.saturating_sub(before) / (CONNECTIONS * STREAMS);
        println!("{name}: {each} KiB a stream, {} KiB a connection", each * STREAMS);
        assert!(each <= most, "{name}: {each} KiB a stream");
        drop(sockets);
        assert!(stop(app).code().is_some());
    }
}
