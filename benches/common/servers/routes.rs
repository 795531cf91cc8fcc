//! The routes, of an actix-web application.

use std::{io, net::SocketAddr, thread, time::Duration};

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;

pub(super) const TEXT: &str = "graceful-exit: the business server\n";

#[derive(Deserialize)]
struct Query {
    ms: u64,
}

/// `/`, `/slow?ms=N`, `/chaos/block?ms=N` as in this crate's application; `/worker` names the worker's thread, and
/// `/bytes/N` answers with so many bytes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(|| async { TEXT }))
        .route(
            "/slow",
            web::get().to(|query: web::Query<Query>| async move {
                tokio::time::sleep(Duration::from_millis(query.ms)).await;
                "done"
            }),
        )
        .route(
            "/chaos/block",
            web::get().to(|query: web::Query<Query>| async move {
                thread::sleep(Duration::from_millis(query.ms));
                "blocked\n"
            }),
        )
        .route("/worker", web::get().to(|| async { worker() }))
        .route(
            "/bytes/{n}",
            web::get().to(|n: web::Path<usize>| async move { HttpResponse::Ok().body(bytes(*n)) }),
        );
}

/// The name of the current thread.
pub(super) fn worker() -> String {
    format!("{:?}", thread::current().id())
}

/// One piece of memory for all answers: hundreds of megabytes of them, which the allocator may keep, take the system
/// tens of milliseconds to give back when the process ends.
pub(super) fn bytes(length: usize) -> Bytes {
    static LONGEST: [u8; 512 << 10] = [b'.'; 512 << 10];
    Bytes::from_static(&LONGEST[..length])
}

/// Prints the line that the benchmark waits for.
pub(super) fn say(address: SocketAddr) {
    eprintln!("listens on http://{address}");
}

/// The address of a server that must have one.
pub(super) fn only(addresses: &[SocketAddr]) -> io::Result<SocketAddr> {
    addresses.first().copied().ok_or_else(|| io::Error::other("no address"))
}
