//! `GET /events`: the status as server-sent events, one for each change.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    rt::time::{Instant, sleep_until},
    web::Bytes,
};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::status::StatusSource;
use crate::{exit::ExitHandle, report::Status, sequence::PhaseKind, sync::lock};

/// What all event streams share: the latest status, and the number of streams that may be open.
///
/// However many streams there are, the status is taken at most twenty times a second, and never while there are none.
/// No task does it: each stream takes the status itself, or uses one that another stream has just taken.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    latest: Arc<Mutex<Option<Snapshot>>>,
    permits: Arc<Semaphore>,
}

/// The permit of one event stream; dropping it frees it.
pub(super) type Permit = OwnedSemaphorePermit;

/// The most streams that are open at once, unless it is said otherwise.
pub(super) const MAX_STREAMS: usize = 256;

/// A stream has at most one event in this time.
const INTERVAL: Duration = Duration::from_millis(100);
/// A snapshot no older than this serves for the next stream as well.
const FRESH: Duration = Duration::from_millis(50);
/// After so long without an event a stream has a `beat`, by which a client tells a silent server from a dead one.
const BEAT: Duration = Duration::from_secs(10);

/// The status at one instant, as an event.
#[derive(Clone, Debug)]
struct Snapshot {
    taken: Instant,
    /// The status without the values that time alone changes: two equal ones are one event.
    essence: Arc<str>,
    event: Bytes,
}

/// Until when an event stream lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// To the end of the exit: its last event has the outcome.
    Exited,
    /// Until requests are rejected.
    Rejecting,
}

impl StreamEnd {
    /// Its name on the page.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Rejecting => "rejecting",
        }
    }

    fn is_reached(self, phase: &str) -> bool {
        match self {
            Self::Exited => phase == "exited",
            Self::Rejecting => {
                let phase_kind = PhaseKind::from_name(phase);
                phase != "running" && phase_kind.is_none_or(|phase| phase > PhaseKind::ReadyDelay)
            }
        }
    }
}

/// One open event stream.
struct Subscriber {
    feed: Feed,
    exit: ExitHandle,
    source: StatusSource,
    changes: watch::Receiver<u64>,
    _permit: Permit,
    end: StreamEnd,
    /// The essence of its last event.
    seen: Option<Arc<str>>,
    /// No event is sent before this.
    next: Instant,
    /// When its last event was, or its last beat.
    last: Instant,
    /// Its last event has been sent.
    over: bool,
}

impl Feed {
    /// With at most so many streams open at once.
    pub(super) fn new(max_streams: usize) -> Self {
        let permits = Semaphore::new(max_streams.min(Semaphore::MAX_PERMITS));
        Self { latest: Arc::default(), permits: Arc::new(permits) }
    }

    /// A permit for one more stream, if one is left.
    pub(super) fn reserve(&self) -> Option<Permit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// The events: the status as it is, then one for each change, up to `end`. `None` before the servers are bound.
    pub(super) fn events(
        &self,
        exit: ExitHandle,
        source: StatusSource,
        end: StreamEnd,
        permit: Permit,
    ) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
        let changes = exit.changes()?;
        let now = Instant::now();
        let (feed, seen) = (self.clone(), None);
        let subscriber = Subscriber {
            feed,
            exit,
            source,
            changes,
            end,
            _permit: permit,
            seen,
            next: now,
            last: now,
            over: false,
        };
        Some(stream::unfold(subscriber, |mut subscriber| async {
            let event = subscriber.next().await?;
            Some((Ok(event), subscriber))
        }))
    }

    /// The status, taken now or at most [`FRESH`] ago; with `newest` it is taken now.
    fn snapshot(&self, source: &StatusSource, newest: bool) -> Option<Snapshot> {
        let mut latest = lock(&self.latest);
        let stale = |snapshot: &Snapshot| newest || snapshot.taken.elapsed() > FRESH;
        if latest.as_ref().is_none_or(stale) {
            *latest = Snapshot::take(source);
        }
        latest.clone()
    }
}

impl Subscriber {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            // Between two events only the phase is read, which is cheap: an exit with ten thousand callbacks changes as
            // many times.
            while self.goes_on() && Instant::now() < self.next {
                tokio::select! {
                    Ok(()) = self.changes.changed() => {}
                    () = sleep_until(self.next) => {}
                }
            }
            self.over = !self.goes_on();
            let snapshot = self.feed.snapshot(&self.source, self.over)?;
            self.next = Instant::now() + INTERVAL;
            if self.over || self.seen.as_ref() != Some(&snapshot.essence) {
                self.seen = Some(snapshot.essence);
                self.last = Instant::now();
                return Some(snapshot.event);
            }
            if self.last.elapsed() > BEAT {
                self.last = Instant::now();
                return Some(Bytes::from_static(b"event: beat\ndata:\n\n"));
            }
        }
        None
    }

    fn goes_on(&self) -> bool {
        !self.end.is_reached(self.exit.phase())
    }
}

impl Snapshot {
    fn take(source: &StatusSource) -> Option<Self> {
        let mut answer = source.take()?;
        let json = answer.to_json()?;
        without_time(&mut answer.status);
        let essence = answer.to_json()?.into();
        Some(Self { taken: Instant::now(), essence, event: format!("data: {json}\n\n").into() })
    }
}

/// Removes the values that time alone changes: the clients count the time themselves.
fn without_time(status: &mut Status) {
    status.deadline_left_ms = status.deadline_left_ms.map(|_| 0);
    for request in status.servers.iter_mut().flat_map(|server| &mut server.oldest) {
        request.age = Duration::ZERO;
    }
}
