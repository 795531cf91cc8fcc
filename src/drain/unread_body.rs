//! What becomes of the body of an HTTP/2 request that the application does not read to its end: [`UnreadBody`].

use std::{cell::RefCell, sync::Arc, time::Duration};

use actix_http::{RequestHead, StatusCode, error::PayloadError, h2::Payload};
use actix_web::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::{runtime::Handle, time::timeout};

use super::connection::Connection;

/// The longest body that is read on behind a success: the window has room for it.
const FITS: u64 = 64 << 10;

/// The longest time that a body is read on.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// What the application leaves unread of a body. A stream whose answer ends before its request has to be reset, and curl
/// takes the answer for failed then, however whole it is: what is left of the body is read and discarded, in the
/// background. It holds no request in flight.
///
/// That ends early, and the stream is reset, when the body makes no progress, takes too long, or takes too much of what is
/// read of all such bodies of its connection. Behind a success it is done for a short body alone: curl goes on sending
/// then, reads nothing more, and does not learn that there is room for the rest.
#[derive(Debug)]
pub(super) struct UnreadBody {
    connection: Arc<Connection>,
    stream: u32,
    progress_timeout: Duration,
    /// It has a length, which is short.
    fits: bool,
    rest: RefCell<Rest>,
}

/// What is left of it.
#[derive(Default)]
enum Rest {
    /// Nothing yet: the application has the body.
    #[default]
    None,
    /// This. There is no answer yet.
    Unanswered(Payload),
    /// There is an answer, and the application has the body still.
    Answered { is_read_on: bool },
}

impl UnreadBody {
    /// A request's, which begins.
    pub(super) fn new(
        connection: &Arc<Connection>,
        stream: u32,
        head: &RequestHead,
        timeout: Option<Duration>,
    ) -> Self {
        let length = head.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Self {
            connection: Arc::clone(connection),
            stream,
            progress_timeout: timeout.unwrap_or(DISCARD_TIMEOUT),
            fits: length.is_some_and(|length: u64| length <= FITS),
            rest: RefCell::default(),
        }
    }

    /// The application does not read it any more.
    pub(super) fn leave(&self, body: Payload) {
        match self.rest.take() {
            Rest::None => {
                self.rest.replace(Rest::Unanswered(body));
            }
            Rest::Answered { is_read_on: true } => self.read_on(body),
            Rest::Unanswered(_) | Rest::Answered { is_read_on: false } => {}
        }
    }

    /// The request is answered.
    pub(super) fn answer(&self, status: StatusCode) {
        let is_read_on = self.fits || !status.is_success();
        match self.rest.replace(Rest::Answered { is_read_on }) {
            Rest::Unanswered(body) if is_read_on => self.read_on(body),
            _ => {}
        }
    }

    fn read_on(&self, body: Payload) {
        // Without a runtime the connection is gone, too.
        let Ok(runtime) = Handle::try_current() else { return };
        if let Some(discard) = Discard::begin(Arc::clone(&self.connection), self.stream) {
            runtime.spawn(discard.run(body, self.progress_timeout));
        }
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Unanswered(_) => "Unanswered",
            Self::Answered { .. } => "Answered",
        })
    }
}

/// Counts one body as being discarded.
struct Discard {
    connection: Arc<Connection>,
    stream: u32,
}

impl Discard {
    /// Returns none if too many are.
    fn begin(connection: Arc<Connection>, stream: u32) -> Option<Self> {
        connection.begin_discard().then(|| Self { connection, stream })
    }

    async fn run(
        self,
        mut body: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
        progress_timeout: Duration,
    ) {
        let read = async {
            while let Ok(Some(Ok(piece))) = timeout(progress_timeout, body.next()).await {
                self.connection.take_data(self.stream);
                if !self.connection.discard(piece.len()) {
                    return;
                }
            }
        };
        // Either way what is left is let go.
        let _ = timeout(DISCARD_TIMEOUT, read).await;
    }
}

impl Drop for Discard {
    fn drop(&mut self) {
        self.connection.end_discard();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{drain::server::Drain, virtual_time::assert_virtual_time};

    const PROGRESS: Duration = Duration::from_secs(5);

    /// Discards a body, and returns how long that took and how many pieces of it were read.
    async fn discard(pieces: impl Stream<Item = Bytes>) -> (Duration, usize) {
        let guard = Drain::new(1).connections.register(0);
        guard.connection().speaks_http2();
        let begun = Instant::now();
        let mut read = 0;
        let body = pieces.map(Ok).inspect(|_| read += 1);
        let discard = Discard::begin(Arc::clone(guard.connection()), 1).expect("there is no other");
        discard.run(Box::pin(body), PROGRESS).await;
        (begun.elapsed(), read)
    }

    fn each(pause: Duration) -> impl Stream<Item = Bytes> {
        stream::repeat(()).then(move |()| async move {
            sleep(pause).await;
            Bytes::from_static(b"piece")
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_ends_is_read_to_its_end() {
        let (took, read) = discard(each(Duration::from_secs(1)).take(4)).await;
        assert_virtual_time(took, Duration::from_secs(4));
        assert_eq!(read, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_makes_no_progress_is_given_up() {
        let (took, _) = discard(stream::iter([Bytes::new()]).chain(stream::pending())).await;
        assert_virtual_time(took, PROGRESS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_in_is_given_up() {
        let (took, _) = discard(each(Duration::from_secs(3))).await;
        assert_virtual_time(took, DISCARD_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_end_is_given_up() {
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        let (took, read) = discard(stream::repeat(piece)).await;
        assert_virtual_time(took, Duration::ZERO);
        assert_eq!(read, 64);
    }
}
