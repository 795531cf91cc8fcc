//! `GET /events`: the status as it changes, for as long as somebody looks.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::status::StatusSource;
use crate::{ExitHandle, report::Status};
use actix_web::{
    rt::time::{Instant, sleep_until},
    web::Bytes,
};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What everybody who looks sees. However many they are, the status is taken ten times a second, and never when
/// nobody looks: there is no task, each subscriber takes it or finds it taken.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    latest: Arc<Mutex<Option<Snapshot>>>,
    places: Arc<Semaphore>,
}

/// The right to one event stream; it is given back when it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// The most streams that are open at once, unless it is said otherwise.
pub(super) const MAX_STREAMS: usize = 256;

/// At most one event in this time.
const INTERVAL: Duration = Duration::from_millis(100);
/// Taken so lately, a snapshot serves for the next subscriber as well.
const FRESH: Duration = Duration::from_millis(50);
/// A sign of life after so long without an event.
const BEAT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
struct Snapshot {
    taken: Instant,
    /// The status without what time alone changes.
    essence: Arc<str>,
    event: Bytes,
}

/// Until when an event stream lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// To the end of the exit: its last event has the outcome.
    Exited,
    /// Until its server closes, with the drain behind it.
    Drained,
    /// Until requests are rejected.
    Rejecting,
}

impl StreamEnd {
    /// Its name on the page.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Drained => "drained",
            Self::Rejecting => "rejecting",
        }
    }

    fn is_reached(self, phase: &str) -> bool {
        match self {
            Self::Exited => phase == "exited",
            Self::Drained => !matches!(phase, "running" | "ready_delay" | "drain"),
            Self::Rejecting => !matches!(phase, "running" | "ready_delay"),
        }
    }
}

/// One open event stream.
struct Subscriber {
    feed: Feed,
    exit: ExitHandle,
    source: StatusSource,
    changes: watch::Receiver<u64>,
    _place: Place,
    end: StreamEnd,
    seen: Option<Arc<str>>,
    /// Not before this instant.
    next: Instant,
    last: Instant,
    over: bool,
}

impl Feed {
    /// With at most so many streams open at once.
    pub(super) fn new(max_streams: usize) -> Self {
        let places = Semaphore::new(max_streams.min(Semaphore::MAX_PERMITS));
        Self { latest: Arc::default(), places: Arc::new(places) }
    }

    /// A place for one more stream, if there is one.
    pub(super) fn reserve(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The events, from the status as it is to the last one, which has the outcome. It ends before that when
    /// `goes_on` refuses a phase: its server closes then.
    ///
    /// `None` before the servers are bound.
    pub(super) fn events(
        &self,
        exit: ExitHandle,
        source: StatusSource,
        end: StreamEnd,
        place: Place,
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
            _place: place,
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

    /// The status, taken now or a moment ago; `newest` has to be taken now.
    fn snapshot(&self, source: &StatusSource, newest: bool) -> Option<Snapshot> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
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
            // Between two events nothing is looked at but the phase, which costs next to nothing: an exit changes
            // ten thousand times when it has ten thousand callbacks.
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
        let json = serde_json::to_string(&answer).ok()?;
        without_time(&mut answer.status);
        let essence = serde_json::to_string(&answer).ok()?.into();
        Some(Self { taken: Instant::now(), essence, event: format!("data: {json}\n\n").into() })
    }
}

/// Clocks run by themselves wherever they are shown.
fn without_time(status: &mut Status) {
    status.deadline_left_ms = status.deadline_left_ms.map(|_| 0);
    for request in status.servers.iter_mut().flat_map(|server| &mut server.oldest) {
        request.age = Duration::ZERO;
    }
}
