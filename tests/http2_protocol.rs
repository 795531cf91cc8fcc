//! HTTP/2 frame by frame: the generic cases of h2spec, against this crate's server and actix-web's own.
//!
//! Each case is checked against RFC 9113 and RFC 7541, with the latitude that h2spec has. And this crate's answers are
//! the same as `HttpServer`'s, frame for frame: what the wire adds changes nothing of the protocol.

mod cases;
pub(crate) mod frames;
mod play;

use std::{net::SocketAddr, sync::mpsc, thread};

use actix_web::{App, HttpServer, dev::ServerHandle, rt::System, web};
use graceful_exit::{GracefulExit, Outcome, Server};

use self::{
    cases::{LENIENT, cases},
    play::{Seen, play},
};
use crate::support::InProcess;

/// actix-web's own server, on a thread of its own.
fn stock() -> (SocketAddr, ServerHandle, thread::JoinHandle<()>) {
    let (started, server) = mpsc::channel();
    let thread = thread::spawn(move || {
        System::new().block_on(async move {
            let server = HttpServer::new(|| App::new().default_service(web::to(answer)));
            let server = server.workers(1).disable_signals().bind_auto_h2c("127.0.0.1:0").expect("a port");
            let address = server.addrs()[0];
            let server = server.run();
            started.send((address, server.handle())).expect("it is waited for");
            server.await.expect("it runs");
        });
    });
    let (address, handle) = server.recv().expect("it starts");
    (address, handle, thread)
}

/// Reads the whole body first, so that what is wrong with it is known.
async fn answer(_: web::Bytes) -> &'static str {
    "an answer"
}

#[test]
fn each_case_is_answered_as_the_rfc_demands_and_as_httpserver_answers_it() {
    let ours = Server::new("web", || App::new().default_service(web::to(answer))).workers(1);
    let ours = InProcess::start(GracefulExit::for_tests().server(ours.bind_auto_h2c("127.0.0.1:0")));
    let (stock, handle, thread) = stock();
    let (mut not_as_demanded, mut different) = (Vec::new(), Vec::new());
    let cases = cases();
    for (name, bytes, expected) in &cases {
        let (ours, stock) = (play(ours.address, bytes, *expected), play(stock, bytes, *expected));
        if !expected.is_met(&ours) {
            not_as_demanded.push((*name, ours.clone()));
        }
        // How much of an answer is written before an error is a matter of time.
        let told = |seen: &[Seen]| -> Vec<Seen> {
            let is_told = |seen: &&Seen| !matches!(seen, Seen::Headers { .. } | Seen::Data { .. });
            seen.iter().filter(is_told).cloned().collect()
        };
        if told(&ours) != told(&stock) {
            different.push((*name, ours, stock));
        }
    }
    println!("{} cases", cases.len());
    let names: Vec<_> = not_as_demanded.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, LENIENT, "{not_as_demanded:#?}");
    assert!(different.is_empty(), "{different:#?}");
    drop(handle.stop(false));
    thread.join().expect("no panic");
    ours.ask_to_stop();
    assert_eq!(ours.wait().outcome, Outcome::Clean);
}
