//! The applications, written as actix-web's documentation describes their kinds.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix::prelude::*;
use actix_session::{Session, SessionMiddleware, config::BrowserSession, storage::CookieSessionStore};
use actix_web::{
    Error, HttpRequest, HttpResponse, Responder,
    cookie::Key,
    dev::{Service, ServiceResponse},
    http::{StatusCode, header},
    middleware::{DefaultHeaders, ErrorHandlerResponse, ErrorHandlers, NormalizePath},
    rt::time::sleep,
    web::{self, ServiceConfig},
};
use actix_web_actors::ws;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

/// A response that begins at once and goes on for half a second: in flight when a server stops.
async fn slow() -> impl Responder {
    let lines = stream::iter(0..5).then(|line| async move {
        sleep(Duration::from_millis(100)).await;
        Ok::<_, Error>(web::Bytes::from(format!("{line}\n")))
    });
    HttpResponse::Ok().streaming(lines)
}

fn slow_route(config: &mut ServiceConfig) {
    config.route("/slow", web::get().to(slow));
}

pub(super) fn hello_world(config: &mut ServiceConfig) {
    async fn hello(name: web::Path<String>) -> String {
        format!("Hello {name}!")
    }
    slow_route(config);
    config
        .route("/", web::get().to(|| async { "Hello world!" }))
        .route("/hello/{name}", web::get().to(hello));
}

pub(super) fn state(config: &mut ServiceConfig) {
    async fn count(counter: web::Data<AtomicU32>) -> String {
        counter.fetch_add(1, Ordering::Relaxed).to_string()
    }
    slow_route(config);
    config.app_data(web::Data::new(AtomicU32::new(0))).route("/count", web::get().to(count));
}

#[derive(Deserialize)]
struct Person {
    name: String,
    age: u8,
}

pub(super) fn form(config: &mut ServiceConfig) {
    async fn greet(person: web::Form<Person>) -> String {
        format!("{} is {}", person.name, person.age)
    }
    slow_route(config);
    config.route("/form", web::post().to(greet));
}

pub(super) fn multipart(config: &mut ServiceConfig) {
    async fn upload(mut parts: actix_multipart::Multipart) -> Result<String, Error> {
        let mut sizes = Vec::new();
        while let Some(mut field) = parts.try_next().await? {
            let mut size = 0;
            while let Some(chunk) = field.try_next().await? {
                size += chunk.len();
            }
            sizes.push(format!("{}: {size}", field.name().unwrap_or_default()));
        }
        Ok(sizes.join(", "))
    }
    slow_route(config);
    config.route("/upload", web::post().to(upload));
}

#[derive(Serialize, Deserialize)]
struct Item {
    name: String,
    n: i32,
}

pub(super) fn json(config: &mut ServiceConfig) {
    async fn echo(item: web::Json<Item>) -> web::Json<Item> {
        item
    }
    slow_route(config);
    config.app_data(web::JsonConfig::default().limit(4096)).route("/json", web::post().to(echo));
}

pub(super) fn middleware(config: &mut ServiceConfig) {
    #[expect(clippy::unnecessary_wraps, reason = "the type of an error handler")]
    fn render<B>(response: ServiceResponse<B>) -> Result<ErrorHandlerResponse<B>, Error> {
        let (request, response) = response.into_parts();
        let response = ServiceResponse::new(request, response.set_body("short and stout"));
        Ok(ErrorHandlerResponse::Response(response.map_into_boxed_body().map_into_right_body()))
    }
    let scope = web::scope("")
        .wrap(ErrorHandlers::new().handler(StatusCode::IM_A_TEAPOT, render))
        .wrap(DefaultHeaders::new().add(("X-Version", "0.2")))
        .wrap_fn(|request, service| {
            let response = service.call(request);
            async move {
                let mut response = response.await?;
                response.headers_mut().insert(header::VIA, header::HeaderValue::from_static("1.1 test"));
                Ok(response)
            }
        })
        .wrap(NormalizePath::trim())
        .route("/slow", web::get().to(slow))
        .route("/teapot", web::get().to(|| async { HttpResponse::ImATeapot().finish() }))
        .route("/a/b", web::get().to(|| async { "b" }))
        .route("/", web::get().to(|| async { "a" }));
    config.service(scope);
}

pub(super) fn cookie_session(config: &mut ServiceConfig) {
    async fn visits(session: Session) -> Result<String, Error> {
        let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
        session.insert("visits", visits)?;
        Ok(format!("visit {visits}"))
    }
    async fn logout(session: Session) -> HttpResponse {
        session.purge();
        HttpResponse::SeeOther().insert_header((header::LOCATION, "/visits")).finish()
    }
    let sessions = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]))
        .session_lifecycle(BrowserSession::default())
        .build();
    let scope = web::scope("")
        .wrap(sessions)
        .route("/slow", web::get().to(slow))
        .route("/visits", web::get().to(visits))
        .route("/logout", web::get().to(logout));
    config.service(scope);
}

pub(super) fn static_files(config: &mut ServiceConfig) {
    slow_route(config);
    config.service(actix_files::Files::new("/files", env!("CARGO_MANIFEST_DIR")).use_last_modified(true));
}

struct ChatSession;

impl Actor for ChatSession {
    type Context = ws::WebsocketContext<Self>;
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for ChatSession {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, context: &mut Self::Context) {
        match message {
            Ok(ws::Message::Ping(bytes)) => context.pong(&bytes),
            Ok(ws::Message::Text(text)) => context.text(text),
            Ok(ws::Message::Close(reason)) => {
                context.close(reason);
                context.stop();
            }
            Ok(_) => {}
            Err(_) => context.stop(),
        }
    }
}

pub(super) fn chat_actors(config: &mut ServiceConfig) {
    async fn chat(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Error> {
        ws::start(ChatSession, &request, payload)
    }
    slow_route(config);
    config.route("/ws", web::get().to(chat));
}

pub(super) fn chat_actorless(config: &mut ServiceConfig) {
    async fn chat(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Error> {
        let (response, mut session, mut messages) = actix_ws::handle(&request, payload)?;
        actix_web::rt::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                let sent = match message {
                    actix_ws::Message::Ping(bytes) => session.pong(&bytes).await,
                    actix_ws::Message::Text(text) => session.text(text).await,
                    actix_ws::Message::Close(reason) => {
                        let _ = session.close(reason).await;
                        return;
                    }
                    _ => Ok(()),
                };
                if sent.is_err() {
                    return;
                }
            }
        });
        Ok(response)
    }
    slow_route(config);
    config.route("/ws", web::get().to(chat));
}

pub(super) fn server_sent_events(config: &mut ServiceConfig) {
    fn events(count: u32, pause: Duration) -> HttpResponse {
        let events = stream::iter(0..count).then(move |event| async move {
            sleep(pause).await;
            Ok::<_, Error>(web::Bytes::from(format!("data: {event}\n\n")))
        });
        HttpResponse::Ok().content_type("text/event-stream").streaming(events)
    }
    slow_route(config);
    // `HttpServer` waits for the first, `Server` ends it.
    config
        .route("/events", web::get().to(|| async { events(15, Duration::from_millis(100)) }))
        .route("/three-events", web::get().to(|| async { events(3, Duration::from_millis(5)) }));
}

pub(super) fn background_jobs(config: &mut ServiceConfig) {
    async fn start(jobs: web::Data<Mutex<Vec<String>>>, body: String) -> HttpResponse {
        actix_web::rt::spawn(sleep(Duration::from_millis(1)));
        if let Ok(mut jobs) = jobs.lock() {
            jobs.push(body);
        }
        HttpResponse::Accepted().finish()
    }
    async fn list(jobs: web::Data<Mutex<Vec<String>>>) -> web::Json<Vec<String>> {
        web::Json(jobs.lock().map(|jobs| jobs.clone()).unwrap_or_default())
    }
    slow_route(config);
    let jobs = web::Data::new(Mutex::new(Vec::<String>::new()));
    config.app_data(jobs).route("/jobs", web::post().to(start)).route("/jobs", web::get().to(list));
}
