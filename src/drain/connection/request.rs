//! The requests of a connection by method and path: [`Requests`]; one of them in flight, for reports: [`InFlight`].

use std::time::{Duration, Instant};

use actix_web::{dev::RequestHead, http::Method};

#[cfg(feature = "http2")]
use super::streams::StreamTable;

/// The longest path that is kept of a request in flight, in bytes.
pub(super) const PATH: usize = 96;

/// The requests of a connection, and when it was last used. In this order: see [`Connection`](super::Connection).
#[derive(Debug)]
#[repr(C)]
pub(super) struct Requests {
    /// When the last one began; before the first one, when the connection was opened. Of HTTP/2: when frames were read
    /// or written last.
    began: Instant,
    /// How long it took, in milliseconds; 0 until it is answered.
    took_ms: u32,
    /// Its answer is endless. Of HTTP/1; an HTTP/2 stream has a flag of its own.
    is_endless: bool,
    pub(super) named: Named,
}

/// The requests in flight.
#[derive(Debug)]
pub(super) enum Named {
    /// HTTP/1 has one at a time. Between two requests this is the last one.
    Single(Name),
    /// HTTP/2 has many, each with its stream.
    #[cfg(feature = "http2")]
    Streams(Box<StreamTable<Begun>>),
}

/// A request's name. The path is the end of a connection's record.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Name {
    method: Method,
    /// A shorter path ends with a zero, which no path contains.
    path: [u8; PATH],
}

/// A request of HTTP/2.
#[cfg(feature = "http2")]
#[derive(Debug)]
pub(super) struct Begun {
    at: Instant,
    name: Name,
}

/// A request in flight, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Its method.
    pub method: String,
    /// Its path, without the query; at most 96 bytes of it.
    pub path: String,
    /// How long it has been running.
    pub age: Duration,
}

/// What a request is known by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestName<'a> {
    method: &'a Method,
    path: &'a str,
}

impl<'a> RequestName<'a> {
    /// By its head.
    #[inline]
    pub(in crate::drain) fn of(head: &'a RequestHead) -> Self {
        Self { method: &head.method, path: head.uri.path() }
    }
}

#[cfg(test)]
impl RequestName<'static> {
    pub(crate) const GET: Self = Self::get("/");

    pub(crate) const fn get(path: &'static str) -> Self {
        Self { method: &Method::GET, path }
    }
}

/// The stream that the application is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(in crate::drain) stream: u32,
    /// A body may follow the request's head.
    pub(in crate::drain) has_body: bool,
    /// The client has not reset it yet.
    pub(in crate::drain) is_wanted: bool,
}

impl Requests {
    pub(super) fn none() -> Self {
        Self { began: Instant::now(), took_ms: 0, is_endless: false, named: Named::Single(Name::none()) }
    }

    /// A request begins. Returns its stream, if the connection speaks HTTP/2.
    #[inline]
    pub(super) fn begin(&mut self, request: RequestName<'_>, counted: bool) -> Option<Called> {
        #[cfg(not(feature = "http2"))]
        let _ = counted;
        match &mut self.named {
            Named::Single(name) => {
                name.set(request);
                self.is_endless = false;
                self.touch();
                None
            }
            #[cfg(feature = "http2")]
            Named::Streams(streams) => {
                let mut name = Name::none();
                name.set(request);
                // Its frames were read just now, in one go with others: the clock costs as much as the rest of this.
                let called = streams.call(Begun { at: self.began, name }, counted);
                called.map(|(stream, has_body, is_wanted)| Called { stream, has_body, is_wanted })
            }
        }
    }

    /// An answer has no end of its own.
    pub(super) fn set_endless(&mut self, stream: Option<u32>) {
        match &mut self.named {
            #[cfg(feature = "http2")]
            Named::Streams(streams) => stream.into_iter().for_each(|stream| streams.set_endless(stream)),
            Named::Single(_) => {
                let _ = stream;
                self.is_endless = true;
            }
        }
    }

    /// True if the answer has no end of its own, on a connection that speaks HTTP/1.
    pub(super) fn is_endless(&self) -> bool {
        self.is_endless
    }

    /// The connection is used at this moment.
    #[inline]
    pub(super) fn touch(&mut self) {
        self.began = Instant::now();
        self.took_ms = 0;
    }

    /// The last request is answered.
    pub(super) fn mark_end(&mut self) {
        self.took_ms = u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX);
    }

    /// When the connection was opened, or last began or finished a request.
    pub(super) fn last_used(&self) -> Instant {
        let took = Duration::from_millis(self.took_ms.into());
        self.began.checked_add(took).unwrap_or(self.began)
    }

    /// Adds the requests in flight. Called for HTTP/1 only while its request is in flight.
    pub(super) fn add_in_flight(&self, now: Instant, found: &mut Vec<InFlight>) {
        match &self.named {
            Named::Single(name) => found.push(name.in_flight(now.saturating_duration_since(self.began))),
            #[cfg(feature = "http2")]
            Named::Streams(streams) => found.extend(
                streams
                    .in_flight()
                    .map(|request| request.name.in_flight(now.saturating_duration_since(request.at))),
            ),
        }
    }
}

impl Name {
    fn none() -> Self {
        Self { method: Method::GET, path: [0; PATH] }
    }

    #[inline]
    fn set(&mut self, RequestName { method, path }: RequestName<'_>) {
        if self.method != *method {
            self.method.clone_from(method);
        }
        let length = path.len().min(PATH);
        self.path[..length].copy_from_slice(&path.as_bytes()[..length]);
        if let Some(end) = self.path.get_mut(length) {
            *end = 0;
        }
    }

    fn in_flight(&self, age: Duration) -> InFlight {
        let length = self.path.iter().position(|&byte| byte == 0).unwrap_or(PATH);
        // One that was cut may end in the middle of a character.
        let whole = self.path[..length].utf8_chunks().next().map(|chunk| chunk.valid());
        InFlight { method: self.method.to_string(), path: whole.unwrap_or_default().to_owned(), age }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_was_last_used_when_its_request_began_or_was_answered() {
        /// Waits until the clock, which is read in milliseconds, has gone on.
        fn later() -> Instant {
            let (begun, step) = (Instant::now(), Duration::from_millis(2));
            while begun.elapsed() < step {
                std::thread::yield_now();
            }
            begun + step / 2
        }
        let mut requests = Requests::none();
        let opened = requests.last_used();
        let after_opening = later();
        requests.begin(RequestName::GET, true);
        assert!(opened < after_opening && requests.last_used() >= after_opening);
        let after_beginning = later();
        assert!(requests.last_used() < after_beginning);
        requests.mark_end();
        assert!(requests.last_used() >= after_beginning);
    }

    #[test]
    fn a_long_path_is_cut_after_a_whole_character_and_a_shorter_one_behind_it_is_whole() {
        let mut name = Name::none();
        for (path, kept) in [("a".to_owned() + &"é".repeat(60), 95), ("é".repeat(60), 96), ("/é".into(), 3)]
        {
            name.set(RequestName { method: &Method::PUT, path: &path });
            let found = name.in_flight(Duration::ZERO);
            assert_eq!((found.method.as_str(), found.path.as_str()), ("PUT", &path[..kept]));
        }
    }
}
