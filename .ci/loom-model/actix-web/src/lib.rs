//! What the modelled files use of actix-web, so that the model builds in seconds.

pub mod http {
    pub use ::http::Method;
}

pub mod dev {
    /// What a request is known by.
    #[derive(Default)]
    pub struct RequestHead {
        pub method: ::http::Method,
        pub uri: ::http::Uri,
    }
}
