//! A checkpoint: what must not be lost is saved at the first request to stop, before anything is waited for.
//!
//! `cargo run --example checkpoint`, `curl -X POST localhost:8080/orders` a few times and `curl localhost:8080/slow`, then
//! Ctrl-C twice, or `kill -9` during the drain: the orders are in `orders.txt` all the same.
//!
//! A checkpoint runs beside the drain. Orders that come later, or during the drain, are saved by the callback.

use std::{
    env, fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpResponse, web};
use graceful_exit::{GracefulExit, JobError, Server, StartError};

const FILE: &str = "orders.txt";

fn save(orders: &AtomicU64) -> Result<(), JobError> {
    Ok(fs::write(FILE, orders.load(Ordering::Acquire).to_string())?)
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let saved = fs::read_to_string(FILE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let orders = Arc::new(AtomicU64::new(saved));
    let [for_server, for_checkpoint, for_callback] = [(); 3].map(|()| Arc::clone(&orders));

    let server = Server::new("web", move || {
        let orders = Arc::clone(&for_server);
        let order = move || {
            let number = orders.fetch_add(1, Ordering::AcqRel) + 1;
            async move { HttpResponse::Accepted().body(format!("order {number}\n")) }
        };
        let slow = || async {
            actix_web::rt::time::sleep(Duration::from_secs(60)).await;
            "done\n"
        };
        App::new().route("/orders", web::post().to(order)).route("/slow", web::get().to(slow))
    });

    GracefulExit::builder()
        .server(server.bind(address))
        .checkpoint_fn("save-orders", move |_| async move {
            save(&for_checkpoint)?;
            println!("saved at the beginning of the exit");
            Ok(())
        })
        .callback_fn("save-orders", move |_| async move { save(&for_callback) })
        .run()
        .await?
        .exit()
}
