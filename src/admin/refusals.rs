//! Refused requests: they are counted, logged at a limited rate, and answered late if the token was wrong.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::access::Refusal;
use crate::sync::lock;

/// The refusals of one admin server, or of one application that mounts the routes.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: [AtomicU64; Cause::ALL.len()],
    log: Mutex<Option<LastLine>>,
    /// When the answer to the next wrong token is due at the earliest.
    next_wrong_token: Mutex<Option<Instant>>,
}

/// What a refused request is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Token,
    NotLocal,
    Host,
    Streams,
}

#[derive(Debug)]
struct LastLine {
    at: Instant,
    /// Refusals since then.
    untold: u64,
}

/// At most one line in this time.
const LINE_EACH: Duration = Duration::from_secs(10);
/// Wrong tokens are answered one after another, at this distance.
const WRONG_TOKEN_EACH: Duration = Duration::from_millis(100);
/// The longest delay of such an answer, however many wrong tokens come.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

impl Cause {
    pub(super) const ALL: [Self; 4] = [Self::Token, Self::NotLocal, Self::Host, Self::Streams];

    /// Its name in the metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::NotLocal => "not_local",
            Self::Host => "host",
            Self::Streams => "streams",
        }
    }
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TokenMissing | Refusal::TokenWrong => Self::Token,
            Refusal::NotLocal(_) => Self::NotLocal,
            Refusal::ForeignHost => Self::Host,
        }
    }
}

impl Refusals {
    pub(super) fn count(&self, cause: Cause) {
        self.counts[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were so far, of each cause.
    pub(super) fn counts(&self) -> [(Cause, u64); Cause::ALL.len()] {
        Cause::ALL.map(|cause| (cause, self.counts[cause as usize].load(Ordering::Relaxed)))
    }

    /// Returns how many refusals were not logged since the last line, if one may be logged now.
    pub(super) fn may_log(&self, now: Instant) -> Option<u64> {
        let mut last = lock(&self.log);
        match &mut *last {
            Some(line) if now.saturating_duration_since(line.at) < LINE_EACH => {
                line.untold += 1;
                None
            }
            _ => Some(last.replace(LastLine { at: now, untold: 0 }).map_or(0, |line| line.untold)),
        }
    }

    /// How long the answer to one more wrong token is to be delayed. The right one is never delayed.
    pub(super) fn wrong_token_delay(&self, now: Instant) -> Duration {
        let mut next = lock(&self.next_wrong_token);
        let due = next.map_or(now, |next| next.max(now)) + WRONG_TOKEN_EACH;
        let due = due.min(now + LONGEST_DELAY);
        *next = Some(due);
        due - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_cause() {
        let refusals = Refusals::default();
        for (times, cause) in (1..).zip(Cause::ALL) {
            (0..times).for_each(|_| refusals.count(cause));
        }
        assert_eq!(refusals.counts(), [1, 2, 3, 4].map(|times| (Cause::ALL[times - 1], times as u64)));
    }

    #[test]
    fn a_line_each_ten_seconds_tells_how_many_there_were_since_the_last() {
        let refusals = Refusals::default();
        let start = Instant::now();
        assert_eq!(refusals.may_log(start), Some(0));
        for ms in 1..=1000 {
            assert_eq!(refusals.may_log(start + Duration::from_millis(ms)), None);
        }
        assert_eq!(refusals.may_log(start + LINE_EACH), Some(1000));
        assert_eq!(refusals.may_log(start + LINE_EACH * 2), Some(0));
    }

    #[test]
    fn wrong_tokens_are_answered_one_after_another_and_none_later_than_five_seconds() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let delays: Vec<_> = (0..100).map(|_| refusals.wrong_token_delay(start)).collect();
        assert_eq!(&delays[..3], &[1, 2, 3].map(|count| WRONG_TOKEN_EACH * count));
        assert_eq!(delays[99], LONGEST_DELAY);
        assert_eq!(refusals.wrong_token_delay(start + LONGEST_DELAY), WRONG_TOKEN_EACH, "it is forgotten");
    }
}
