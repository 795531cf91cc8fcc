//! A service that tests its own shutdown. The tests are at the end of this file.
//!
//! `cargo test --example shutdown_test`. `GracefulExit::for_tests` catches no signals, does not end the process, and listens
//! on free ports, so that tests run side by side.

use std::time::Duration;

use actix_web::{App, web};
use graceful_exit::{GracefulExit, Server, StartError};

/// All of the service but its signals: the tests run it too.
fn service(exit: GracefulExit) -> GracefulExit {
    let slow = || async {
        actix_web::rt::time::sleep(Duration::from_millis(300)).await;
        "done\n"
    };
    let server = Server::new("web", move || App::new().route("/slow", web::get().to(slow)));
    exit.server(server.bind("127.0.0.1:8080")).callback_fn("flush", |_| async { Ok(()) })
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    service(GracefulExit::builder()).run().await?.exit()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    use graceful_exit::Outcome;

    use super::*;

    #[actix_web::test]
    async fn a_request_in_flight_is_answered_before_the_service_ends()
    -> Result<(), Box<dyn std::error::Error>> {
        let exit = service(GracefulExit::for_tests());
        let handle = exit.handle();
        let run = actix_web::rt::spawn(exit.run());
        assert!(handle.ready().await);

        let address = handle.addrs("web")[0].tcp().ok_or("no TCP address")?;
        let mut client = TcpStream::connect(address)?;
        client.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        while handle.status().is_none_or(|status| status.servers[0].in_flight == 0) {
            actix_web::rt::time::sleep(Duration::from_millis(1)).await;
        }
        handle.stop("the test asks for it");

        let mut answer = String::new();
        let answer = web::block(move || client.read_to_string(&mut answer).map(|_| answer)).await??;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done\n"), "{answer}");
        assert_eq!(run.await??.outcome, Outcome::Clean);
        Ok(())
    }
}
