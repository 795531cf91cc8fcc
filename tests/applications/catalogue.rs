//! Twelve applications of the kinds that actix-web's users have, and what clients send to them.

use actix_web::web::ServiceConfig;

use super::{exchanges, routes};
pub(super) use exchanges::Exchange;

/// An application, and what is sent to it.
pub(super) struct Application {
    pub(super) name: &'static str,
    pub(super) configure: fn(&mut ServiceConfig),
    pub(super) exchanges: fn() -> Vec<Exchange>,
    /// A request whose response begins at once and is not over when the server is asked to stop, or is whole by then.
    pub(super) in_flight: &'static str,
}

/// All of them.
pub(super) fn all() -> Vec<Application> {
    let slow = "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";
    vec![
        Application {
            name: "hello-world",
            configure: routes::hello_world,
            exchanges: exchanges::hello_world,
            in_flight: slow,
        },
        Application { name: "state", configure: routes::state, exchanges: exchanges::state, in_flight: slow },
        Application { name: "form", configure: routes::form, exchanges: exchanges::form, in_flight: slow },
        Application {
            name: "multipart",
            configure: routes::multipart,
            exchanges: exchanges::multipart,
            in_flight: slow,
        },
        Application { name: "json", configure: routes::json, exchanges: exchanges::json, in_flight: slow },
        Application {
            name: "middleware",
            configure: routes::middleware,
            exchanges: exchanges::middleware,
            in_flight: slow,
        },
        Application {
            name: "cookie-session",
            configure: routes::cookie_session,
            exchanges: exchanges::cookie_session,
            in_flight: slow,
        },
        Application {
            name: "static-files",
            configure: routes::static_files,
            exchanges: exchanges::static_files,
            in_flight: "GET /files/Cargo.lock HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        },
        Application {
            name: "chat with actors",
            configure: routes::chat_actors,
            exchanges: exchanges::chat,
            in_flight: exchanges::UPGRADE,
        },
        Application {
            name: "chat without actors",
            configure: routes::chat_actorless,
            exchanges: exchanges::chat,
            in_flight: exchanges::UPGRADE,
        },
        Application {
            name: "server-sent events",
            configure: routes::server_sent_events,
            exchanges: exchanges::server_sent_events,
            in_flight: "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        },
        Application {
            name: "background jobs",
            configure: routes::background_jobs,
            exchanges: exchanges::background_jobs,
            in_flight: slow,
        },
    ]
}
