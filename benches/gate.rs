//! The gate's cost for each request, in instructions, which do not depend on the machine's load.
//!
//! `cargo bench --bench gate [-- --json FILE]` needs Valgrind. It runs itself under callgrind, once for each layer
//! and kind of request, and counts the instructions of a connection's task: actix-http's dispatcher, the application
//! and the layer, without the kernel, tokio's driver and the client.
//!
//! The crate gungraun needs a separately installed runner of exactly its own version, and counts whole functions;
//! counting the polls of one task needs a single option of callgrind.
//!
//! Under Valgrind reading the clock is a system call, whose instructions are not counted: without Valgrind it is
//! some fifty instructions more.
#![expect(clippy::expect_used, reason = "a failed measurement ends the benchmark")]

use std::{
    env,
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    pin::Pin,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    task::{Context, Poll},
    thread,
};

use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, map_config};
use actix_web::{App, HttpResponse, body::MessageBody, dev::AppConfig, web};
use graceful_exit::drain::{Connection, Drain, GuardedFactory, Policy};
use graceful_exit::server::{Io, Stream};
use tokio::net::TcpListener;

/// The layers that are compared.
const LAYERS: [&str; 4] = ["none", "nothing", "wrap_fn", "gate"];
const KINDS: [&str; 3] = ["trivial", "body", "rejected"];
/// Requests of the short and of the long run: their difference leaves out the one-time costs.
const SHORT: u32 = 50;
const LONG: u32 = 250;
const BODY: usize = 1 << 20;

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
    actix_web::rt::System::new().block_on(async {
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
    });
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
    let client = thread::spawn(move || ask(address, &kind, requests));
    while !client.is_finished() {
        let accepted = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
        let Ok(Ok((socket, peer))) = accepted else { continue };
        let guard = drain.connections.register(0);
        let stream = Stream::new(Io::Tcp(socket), Arc::clone(guard.connection()));
        let served = service.call((stream, Protocol::Http1, Some(peer)));
        actix_web::rt::spawn(Counted(Box::pin(async move {
            drop(served.await);
            drop(guard);
        })));
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

/// Sends one request after another, on one connection or on one each.
fn ask(address: SocketAddr, kind: &str, requests: u32) {
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
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
            .expect("written");
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

/// A layer that passes everything through without touching the body, in place of the gate.
fn nothing<S>(app: impl IntoServiceFactory<S, Request>) -> NothingFactory<S>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
{
    NothingFactory(app.into_factory())
}

struct NothingFactory<S>(S);

impl<S> ServiceFactory<Request> for NothingFactory<S>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Config = AppConfig;
    type Service = Nothing<S::Service>;
    type InitError = S::InitError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Service, Self::InitError>>>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let app = self.0.new_service(config);
        Box::pin(async move { Ok(Nothing(app.await?)) })
    }
}

struct Nothing<S>(S);

impl<S: Service<Request>> Service<Request> for Nothing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = NothingFuture<S::Future>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&self, request: Request) -> Self::Future {
        NothingFuture { app: self.0.call(request) }
    }
}

pin_project_lite::pin_project! {
    struct NothingFuture<F> {
        #[pin]
        app: F,
    }
}

impl<F: Future> Future for NothingFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().app.poll(cx)
    }
}
