//! A program that has an actix `System` already: actors of its own run before the exit, and still run after it.
//!
//! `cargo run --example existing_system`, then Ctrl-C. With `ends_process(false)` the process goes on after the exit.

use std::env;

use actix::prelude::*;
use actix_web::{App, web};
use graceful_exit::{GracefulExit, Server, StartError};

/// An actor of the program's, which has nothing to do with the service.
#[derive(Default)]
struct Counter(u64);

#[derive(Message)]
#[rtype(u64)]
struct Increment;

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Increment> for Counter {
    type Result = u64;

    fn handle(&mut self, _: Increment, _: &mut Self::Context) -> u64 {
        self.0 += 1;
        self.0
    }
}

fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    System::new().block_on(async {
        let counter = Counter::default().start();
        let for_server = counter.clone();
        let server = Server::new("web", move || {
            let counter = for_server.clone();
            let count = move || {
                let counter = counter.clone();
                async move { counter.send(Increment).await.map_or(String::new(), |count| format!("{count}\n")) }
            };
            App::new().route("/", web::get().to(count))
        });
        let exit = GracefulExit::builder().server(server.bind(address)).ends_process(false);
        let report = exit.run().await?;
        println!("the exit was {:?}", report.outcome);
        println!("the counter still runs: {:?}", counter.send(Increment).await.ok());
        Ok(())
    })
}
