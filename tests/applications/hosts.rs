//! The two servers that an application is served by.

use std::{
    net::SocketAddr,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle};
use graceful_exit::{ExitHandle, GracefulExit, Server};

use super::catalogue::Application;

/// A running server, on a thread of its own.
pub(super) struct Host {
    address: SocketAddr,
    stop: Stop,
    thread: JoinHandle<()>,
}

enum Stop {
    HttpServer(ServerHandle),
    Server(ExitHandle),
}

impl Host {
    /// actix-web's own server.
    pub(super) fn http_server(application: &Application) -> Self {
        let configure = application.configure;
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let served = actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || App::new().configure(configure)).workers(1);
                let server = server.disable_signals().shutdown_timeout(2).bind("127.0.0.1:0")?;
                let address = server.addrs()[0];
                let server = server.run();
                sender.send((address, Stop::HttpServer(server.handle()))).expect("the test waits");
                server.await
            });
            served.expect("it serves");
        });
        let (address, stop) = receiver.recv().expect("it starts");
        Self { address, stop, thread }
    }

    /// This crate's.
    pub(super) fn server(application: &Application) -> Self {
        let configure = application.configure;
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let report = actix_web::rt::System::new().block_on(async move {
                let server = Server::new("web", move || App::new().configure(configure)).workers(1);
                let exit = GracefulExit::for_tests().server(server.bind("127.0.0.1:0"));
                let exit = exit.drain_timeout(Duration::from_secs(5));
                let handle = exit.handle();
                actix_web::rt::spawn(async move {
                    if handle.ready().await {
                        let address = handle.addrs("web")[0].tcp().expect("a port");
                        sender.send((address, Stop::Server(handle))).expect("the test waits");
                    }
                });
                exit.run().await
            });
            let report = report.expect("it serves");
            assert_eq!(report.exit_code, 0, "{report:#?}");
        });
        let (address, stop) = receiver.recv().expect("it starts");
        Self { address, stop, thread }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.stop {
            Stop::HttpServer(_) => "HttpServer",
            Stop::Server(_) => "Server",
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to stop, and waits until it has.
    pub(super) fn stop(self) {
        match self.stop {
            Stop::HttpServer(handle) => drop(handle.stop(true)),
            Stop::Server(handle) => handle.stop("the test is over"),
        }
        self.thread.join().expect("it ends");
    }
}
