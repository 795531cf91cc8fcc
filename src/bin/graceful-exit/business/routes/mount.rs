//! Where each route is.

use actix_web::middleware::DefaultHeaders;
use actix_web::{Route, guard, http::header, web};

use super::state::Business;
use super::{cache, requests, streams};

/// The largest value that the cache takes, in bytes.
const MAX_VALUE: usize = 256 * 1024;

impl Business {
    /// Mounts the routes.
    pub(crate) fn configure(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(web::Data::new(self.clone()))
            .app_data(web::PayloadConfig::new(MAX_VALUE))
            .service(web::resource("/").route(read().to(requests::index)))
            .service(web::resource("/slow").route(read().to(requests::slow)))
            .service(web::resource("/stream").route(read().to(streams::numbered)))
            .service(web::resource("/events").route(read().to(streams::events)))
            .service(web::resource("/ws").route(read().to(streams::echo)))
            .service(
                web::resource("/cache/{key}").route(read().to(cache::get)).route(web::put().to(cache::put)),
            );
        if self.chaos {
            config
                .service(web::resource("/chaos/block").route(read().to(requests::block)))
                .service(web::resource("/chaos/panic").route(read().to(requests::panic)));
        }
    }

    /// The headers of every answer: a browser must not guess another content type.
    pub(crate) fn headers() -> DefaultHeaders {
        DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
    }
}

/// A route that answers GET and HEAD.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
