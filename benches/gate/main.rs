//! The gate's cost for each request, in instructions, which do not depend on the machine's load.
//!
//! `cargo bench --bench gate [-- --json FILE]` needs Valgrind. It runs itself under callgrind, once for each layer
//! and kind of request, and counts the instructions of a connection's task: actix-http's dispatcher, the application
//! and the layer, without the kernel, tokio's driver and the client.
//!
//! The crate gungraun needs a separately installed runner of exactly its own version, and counts whole functions;
//! counting the polls of one task needs a single option of callgrind.
//!
//! HTTP/2 runs each handler as a task of its own. Of streams, all instructions of the server's thread are counted: the
//! connection, the handlers and tokio.
//!
//! Under Valgrind reading the clock is a system call, whose instructions are not counted: without Valgrind it is
//! some fifty instructions more.
#![expect(clippy::expect_used, reason = "a failed measurement ends the benchmark")]

mod client;
mod nothing;

use std::{
    env,
    future::Future,
    io,
    pin::Pin,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, map_config};
use actix_web::{App, HttpResponse, body::MessageBody, dev::AppConfig, web};
use graceful_exit::drain::{Connection, Drain, GuardedFactory, Policy};
use graceful_exit::server::{Io, Stream};
use tokio::net::TcpListener;

use client::{BODY, ask, ask_streams};
use nothing::nothing;

/// The layers that are compared.
const LAYERS: [&str; 4] = ["none", "nothing", "wrap_fn", "gate"];
const KINDS: [&str; 4] = ["trivial", "body", "rejected", STREAM];
/// A trivial request as a stream of HTTP/2.
const STREAM: &str = "stream";
/// Requests of the short and of the long run: their difference leaves out the one-time costs.
const SHORT: u32 = 50;
const LONG: u32 = 250;
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["--child", layer, kind, requests] => {
            child(layer, kind, requests.parse().unwrap_or(LONG));
            Ok(())
        }
        [] => table(None),
        ["--json", path] => table(Some(path)),
        _ => Err(io::Error::other("there is only --json FILE")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(json: Option<&str>) -> io::Result<()> {
    println!("instructions of a connection's task for one request, and more than without a layer");
    println!(
        "| request | no layer | one that does nothing | `wrap_fn` that does nothing | the gate | over nothing |"
    );
    println!("|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for kind in KINDS {
        let mut counts = Vec::new();
        for layer in LAYERS {
            counts.push(
                (instructions(layer, kind, LONG)? - instructions(layer, kind, SHORT)?)
                    / f64::from(LONG - SHORT),
            );
        }
        let share = |count: f64, base: f64| 100.0 * (count - base) / counts[0];
        println!(
            "| {kind} | {:.0} | {:+.2} % | {:+.2} % | {:+.2} % ({:+.0}) | {:+.2} % |",
            counts[0],
            share(counts[1], counts[0]),
            share(counts[2], counts[0]),
            share(counts[3], counts[0]),
            counts[3] - counts[0],
            share(counts[3], counts[1]),
        );
        rows.push(serde_json::json!({ "request": kind, "layers": LAYERS, "instructions": counts }));
    }
    json.map_or(Ok(()), |path| std::fs::write(path, format!("{:#}\n", serde_json::Value::from(rows))))
}

/// The instructions counted in one run.
fn instructions(layer: &str, kind: &str, requests: u32) -> io::Result<f64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("callgrind.out");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*counted_from_here*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .args(["--child", layer, kind, &requests.to_string()])
        .stderr(Stdio::null())
        .status()?;
    let text = std::fs::read_to_string(out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok());
    total.filter(|_| status.success()).ok_or_else(|| io::Error::other(format!("callgrind: {status}")))
}

/// Serves `requests` requests behind a layer.
fn child(layer: &str, kind: &str, requests: u32) {
    let mut serve = || actix_web::rt::System::new().block_on(serve_behind(layer, kind, requests));
    if kind == STREAM { all_counted_from_here(&mut serve) } else { serve() }
}

async fn serve_behind(layer: &str, kind: &str, requests: u32) {
    let app = || {
        App::new()
            .route("/", web::get().to(|| async { HttpResponse::Ok().body("hello\n") }))
            .route("/body", web::get().to(|| async { HttpResponse::Ok().body(vec![b'x'; BODY]) }))
    };
    let (kind, once) = (kind.to_owned(), kind == "rejected");
    match layer {
        "none" => serve(app(), Drain::new(1), kind, requests).await,
        "nothing" => serve(nothing(app()), Drain::new(1), kind, requests).await,
        "wrap_fn" => {
            let app = app().wrap_fn(|request, app| actix_web::dev::Service::call(app, request));
            serve(app, Drain::new(1), kind, requests).await;
        }
        _ => {
            let drain = Drain::new(1);
            let policy = Policy::default();
            let app = GuardedFactory::new(app(), Arc::clone(&drain.gate), 0, policy);
            if once {
                drain.gate.reject();
            }
            serve(app, drain, kind, requests).await;
        }
    }
}

async fn serve<S, B>(app: impl IntoServiceFactory<S, Request>, drain: Drain, kind: String, requests: u32)
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Error: Into<Response<actix_web::body::BoxBody>> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let config = move |()| AppConfig::__priv_test_new(false, address.to_string(), address);
    let service = HttpService::build()
        .on_connect_ext(|stream: &Stream, data| {
            data.insert::<Arc<Connection>>(Arc::clone(stream.connection()));
        })
        .finish(map_config(app.into_factory(), config));
    let service = service.new_service(()).await.map_err(drop).expect("the application starts");
    let is_stream = kind == STREAM;
    let client =
        thread::spawn(
            move || {
                if is_stream { ask_streams(address, requests) } else { ask(address, &kind, requests) }
            },
        );
    while !client.is_finished() {
        let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
        let Ok(Ok((socket, peer))) = accepted else { continue };
        let guard = drain.connections.register(0);
        let (io, connection) = (Io::Tcp(socket), Arc::clone(guard.connection()));
        let (stream, protocol) = if is_stream {
            (Stream::http2(io, connection, DISCONNECT_TIMEOUT), Protocol::Http2)
        } else {
            (Stream::new(io, connection), Protocol::Http1)
        };
        let served = service.call((stream, protocol, Some(peer)));
        let task = async move {
            drop(served.await);
            drop(guard);
        };
        if is_stream {
            actix_web::rt::spawn(task);
        } else {
            actix_web::rt::spawn(Counted(Box::pin(task)));
        }
    }
    client.join().expect("every request is answered");
}

/// A task whose polls are counted.
struct Counted(Pin<Box<dyn Future<Output = ()>>>);

impl Future for Counted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        counted_from_here(self.0.as_mut(), cx)
    }
}

#[inline(never)]
fn counted_from_here(task: Pin<&mut dyn Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<()> {
    std::hint::black_box(task.poll(cx))
}

#[inline(never)]
fn all_counted_from_here(serve: &mut dyn FnMut()) {
    serve();
    std::hint::black_box(());
}
