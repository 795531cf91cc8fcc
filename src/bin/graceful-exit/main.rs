//! The admin + business application.

#[cfg_attr(not(test), expect(dead_code, reason = "the routes that use the cache are wired separately"))]
mod business;

fn main() {}
