//! A program of a library user's: its exit, and its admin routes.

use std::{
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
};

use actix_web::{App, rt::System, web};
use graceful_exit::{ExitHandle, GracefulExit, Report, Server, admin::Admin};

use super::{
    client::{Client, Response},
    wait::wait_until,
};

/// A program with one server and the admin routes, which catches no signals and goes on after its exit.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) exit: ExitHandle,
    run: JoinHandle<Report>,
}

impl Service {
    /// Serves the admin routes as a server of its own.
    pub(crate) fn with_server(admin: impl FnOnce(Admin) -> Admin + Send + 'static) -> Self {
        Self::start(move |exit, listener| {
            let server = admin(Admin::new(&exit)).unbound_server().listen(listener);
            exit.server(server)
        })
    }

    /// Mounts the admin routes in a server of its own, in a scope.
    pub(crate) fn with_mount(admin: impl FnOnce(Admin) -> Admin + Send + 'static) -> Self {
        Self::start(move |exit, listener| {
            let admin = admin(Admin::new(&exit));
            let server = Server::new("web", move || {
                let admin = admin.clone();
                App::new()
                    .service(web::scope("/ops").configure(|config| admin.configure(config)))
                    .route("/", web::get().to(|| async { "hello\n" }))
                    .route("/held", web::get().to(std::future::pending::<&str>))
            });
            exit.server(server.listen(listener).h1_allow_half_closed(false))
        })
    }

    pub(crate) fn start(
        configure: impl FnOnce(GracefulExit, TcpListener) -> GracefulExit + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (send_handle, handle) = std::sync::mpsc::channel();
        let run = thread::spawn(move || {
            System::new().block_on(async move {
                let exit = GracefulExit::builder().signals(Vec::new()).ends_process(false);
                let exit = configure(exit, listener);
                send_handle.send(exit.handle()).expect("the test waits for it");
                exit.run().await.expect("it starts")
            })
        });
        let service = Self { address, exit: handle.recv().expect("it starts"), run };
        wait_until("it serves", || service.exit.is_ready());
        service
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        Client::request(self.address, "GET", path, headers, b"")
    }

    pub(crate) fn stream(&self, path: &str) -> (u16, Client) {
        let mut client = Client::connect(self.address);
        client.send("GET", path, &[]).expect("sent");
        let (status, _) = client.read_head().expect("answered");
        (status, client)
    }

    /// Sends a request that is never answered, and waits until it is in flight.
    pub(crate) fn hold(&self) -> Client {
        let mut client = Client::connect(self.address);
        client.send("GET", "/held", &[]).expect("sent");
        let in_flight = || self.exit.status().is_some_and(|status| status.servers[0].in_flight == 1);
        wait_until("it is in flight", in_flight);
        client
    }

    pub(crate) fn stop(self) -> Report {
        self.exit.stop("test");
        self.report()
    }

    pub(crate) fn report(self) -> Report {
        self.run.join().expect("no panic")
    }
}
