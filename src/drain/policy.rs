//! What a server does about requests, whatever the application says: [`Policy`].

use std::{fmt, sync::Arc, time::Duration};

use actix_http::RequestHead;
use actix_web::http::StatusCode;
use bytes::Bytes;

use super::streams::StreamsEnd;

/// What a server does about requests, whatever the application says.
#[derive(Clone, Default)]
pub struct Policy {
    /// The answer to a request that comes too late.
    pub rejection: Rejection,
    /// Requests for which this returns true are answered to the end: they are neither rejected nor waited for.
    pub always_answer: Option<AlwaysAnswer>,
    /// How long the application waits for the next bytes of a request's body; `None` is without a limit.
    pub body_timeout: Option<Duration>,
    /// Tells endless answers to end; without it they are left to the application.
    pub streams: Option<Arc<StreamsEnd>>,
}

/// Returns true for a request that is always answered, by its head.
pub type AlwaysAnswer = Arc<dyn Fn(&RequestHead) -> bool + Send + Sync>;

impl Policy {
    #[inline]
    pub(super) fn always_answers(&self, head: &RequestHead) -> bool {
        self.always_answer.as_ref().is_some_and(|always| always(head))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("rejection", &self.rejection).finish_non_exhaustive()
    }
}

/// The answer to a request that comes too late. `Connection: close` is always added.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// By default 503 (Service Unavailable).
    pub status: StatusCode,
    /// Plain text, in UTF-8.
    pub body: Bytes,
    /// `Retry-After`, in whole seconds.
    pub retry_after_seconds: u64,
}

impl Default for Rejection {
    fn default() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: Bytes::from_static(b"shutting down, try another instance\n"),
            retry_after_seconds: 1,
        }
    }
}
