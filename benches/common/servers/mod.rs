//! The measured servers: the same routes in this crate's library, stock actix-web and stock axum, each written as its own
//! project recommends. A benchmark starts itself as one of them: `--serve FRAMEWORK TRANSPORT`, or `--serve callbacks N`.
//!
//! | variable | |
//! |---|---|
//! | `WORKERS` | the number of worker threads, instead of one a core |
//! | `CERTIFICATE` | the directory of the certificate, for TLS |
//! | `SOCKET` | the path of a Unix socket that is served as well |

mod actix;
mod axum;
mod callbacks;
mod library;
mod options;
mod routes;

pub(crate) use options::{Framework, Transport, command};

use std::io;

use options::Options;

/// Serves until a signal ends it.
pub(crate) fn main(what: &[String]) -> io::Result<()> {
    let words: Vec<_> = what.iter().map(String::as_str).collect();
    match words[..] {
        ["callbacks", count] => callbacks::serve(count.parse().map_err(io::Error::other)?),
        [framework, transport] => {
            let options = Options::new(transport)?;
            match Framework::named(framework)? {
                Framework::Library => library::serve(options),
                Framework::Actix => actix::serve(options),
                Framework::Axum => axum::serve(options),
            }
        }
        _ => Err(io::Error::other("--serve is FRAMEWORK TRANSPORT, or callbacks N")),
    }
}
