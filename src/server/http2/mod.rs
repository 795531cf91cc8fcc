//! HTTP/2, by actix-http's own dispatcher, on a byte stream that knows frames.

mod frames;
