//! What the modelled files use of actix-web, so that the model builds in seconds.

pub mod http {
    pub use ::http::Method;
}
