//! A service with an actor whose callback runs at the exit.
//!
//! `cargo run --example callback_actor`, then `curl 'localhost:8080/slow'` and Ctrl-C: the answer arrives, the
//! counter is saved, and the process ends with 0. A second Ctrl-C ends it at once, with 1.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::prelude::*;
use actix_web::{App, web};
use graceful_exit::{GracefulExit, JobError, RunCallback, Server, StartError};

/// Saves the number of visits when the service stops.
struct SaveVisits(Arc<AtomicU64>);

impl Actor for SaveVisits {
    type Context = Context<Self>;
}

impl Handler<RunCallback> for SaveVisits {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, RunCallback(context): RunCallback, _: &mut Context<Self>) -> Self::Result {
        let visits = self.0.load(Ordering::Relaxed);
        Box::pin(async move {
            tokio::select! {
                // A long callback should end itself once its timeout has passed.
                () = context.cancelled() => Err(JobError::new("no time to save the visits")),
                () = actix_web::rt::time::sleep(Duration::from_millis(100)) => {
                    println!("saved: {visits} visits");
                    Ok(())
                }
            }
        })
    }
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let visits = Arc::new(AtomicU64::new(0));
    let save = SaveVisits(Arc::clone(&visits)).start();

    let server = Server::new("web", move || {
        let visits = Arc::clone(&visits);
        App::new().route(
            "/slow",
            web::get().to(move || {
                visits.fetch_add(1, Ordering::Relaxed);
                async {
                    actix_web::rt::time::sleep(Duration::from_secs(3)).await;
                    "done\n"
                }
            }),
        )
    });

    let report = GracefulExit::builder()
        .server(server.bind(address))
        .callback("save-visits", save.recipient())
        .run()
        .await?;
    report.exit()
}
