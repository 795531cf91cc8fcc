//! Tracing: the spans of the last requests and callbacks are exported once nothing makes any more.
//!
//! `cargo run --example tracing`, `curl localhost:8080`, then Ctrl-C. What the program does after `run` has what is left of
//! `timeout`, and at least 5 s; if it takes longer, the process ends with exit code 1. `Report::exit` comes last: it drops
//! nothing, so drop guards before it.

use std::{
    env,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{App, web};
use graceful_exit::{GracefulExit, Server, StartError};
use tracing::{Instrument, Subscriber, info_span, span::Id};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// Buffers spans, as an OpenTelemetry exporter does.
#[derive(Clone, Default)]
struct Exporter(Arc<Mutex<Vec<&'static str>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Exporter {
    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span.name());
        }
    }
}

/// Exports what is buffered when it is dropped.
struct Guard(Exporter);

impl Drop for Guard {
    fn drop(&mut self) {
        let spans = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        println!("exported: {}", spans.join(", "));
    }
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let exporter = Exporter::default();
    tracing_subscriber::registry().with(exporter.clone()).init();
    let guard = Guard(exporter);

    let hello = || async { "hello\n" }.instrument(info_span!("request"));
    let server = Server::new("web", move || App::new().route("/", web::get().to(hello)));
    let flush = |_| async { Ok(()) }.instrument(info_span!("flush"));
    let exit = GracefulExit::builder().server(server.bind(address)).callback_fn("flush", flush);
    let report = exit.run().await?;
    drop(guard);
    report.exit()
}
