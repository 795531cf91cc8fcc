//! Work after the exit: a tracer's spans are flushed once nothing writes any more.
//!
//! `cargo run --example after_run`, then Ctrl-C. What the program does after `run` has what is left of `timeout`, and at
//! least 5 s; if it takes longer, the process ends with exit code 1. `Report::exit` comes last: it drops nothing, so drop
//! guards before it.

use std::{
    env,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{App, web};
use graceful_exit::{GracefulExit, Server, StartError};

/// Stands for a tracer's provider: it buffers spans, and sends them when its guard is dropped.
#[derive(Clone, Default)]
struct Tracer(Arc<Mutex<Vec<String>>>);

struct Guard(Tracer);

impl Tracer {
    fn span(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let spans = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{} spans are flushed", spans.len());
    }
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let tracer = Tracer::default();
    let guard = Guard(tracer.clone());
    let for_callback = tracer.clone();
    let server = Server::new("web", move || {
        let tracer = tracer.clone();
        let hello = move || {
            tracer.span("GET /");
            async { "hello\n" }
        };
        App::new().route("/", web::get().to(hello))
    });
    let report = GracefulExit::builder()
        .server(server.bind(address))
        .callback_fn("last-span", move |_| async move {
            for_callback.span("callback");
            Ok(())
        })
        .run()
        .await?;
    drop(guard);
    report.exit()
}
