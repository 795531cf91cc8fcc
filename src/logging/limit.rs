//! Lines that repeat: one each 10 s, with a count of those that were left out.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Log, Metadata, Record};

use super::options::Options;
use crate::sync::lock;

/// A line that was written stands for those like it for so long.
const WINDOW: Duration = Duration::from_secs(10);

/// How many different lines are remembered. With more than that the oldest are forgotten, and what they stood for is
/// said at once.
const MOST: usize = 256;

/// The link of the chain that leaves out what repeats. Of the program's own lines these are warnings with the same
/// text and the same fields; of other crates' lines, all of one module.
pub(super) struct Limit {
    next: Box<dyn Log>,
    options: Options,
    seen: Mutex<HashMap<Likeness, Seen>>,
}

/// What makes lines alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Likeness {
    Text(String),
    Target(String),
}

/// A line that was written.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    level: Level,
    target: String,
    text: String,
    /// How many like it were left out since.
    more: u64,
}

impl Limit {
    pub(super) fn new(options: Options, next: Box<dyn Log>) -> Self {
        Self { next, options, seen: Mutex::default() }
    }

    /// Says of each line that was written longer ago than `window` how many like it were left out.
    pub(super) fn tell(&self, window: Duration) {
        let mut due = Vec::new();
        self.lock().retain(|_, seen| {
            let is_due = seen.at.elapsed() >= window;
            if is_due {
                due.push(seen.clone());
            }
            !is_due
        });
        for seen in &due {
            self.tell_of(seen);
        }
    }

    fn tell_of(&self, seen: &Seen) {
        if seen.more > 0 {
            let text = self.options.language.log_repeated(&seen.text, seen.more);
            let fields = [("event", Value::from("log_lines_left_out")), ("left_out", Value::from(seen.more))];
            let mut record = Record::builder();
            record.level(seen.level).target(&seen.target).key_values(&fields);
            self.next.log(&record.args(format_args!("{text}")).build());
        }
    }

    /// What makes a line one of many, if it may be left out at all.
    fn likeness(&self, record: &Record<'_>) -> Option<Likeness> {
        if !self.options.is_own(record.target()) {
            return Some(Likeness::Target(record.target().to_owned()));
        }
        (record.level() == Level::Warn).then(|| Likeness::Text(text_and_fields(record)))
    }

    /// Returns whether a line is written.
    fn lets_through(&self, record: &Record<'_>) -> bool {
        let Some(likeness) = self.likeness(record) else { return true };
        let mut forgotten = None;
        let mut seen = self.lock();
        if let Some(like) = seen.get_mut(&likeness) {
            like.more += 1;
            return false;
        }
        if seen.len() >= MOST {
            let oldest = seen.iter().min_by_key(|(_, seen)| seen.at).map(|(likeness, _)| likeness.clone());
            forgotten = oldest.and_then(|oldest| seen.remove(&oldest));
        }
        let now = Seen {
            at: Instant::now(),
            level: record.level(),
            target: record.target().to_owned(),
            text: record.args().to_string(),
            more: 0,
        };
        seen.insert(likeness, now);
        drop(seen);
        if let Some(forgotten) = forgotten {
            self.tell_of(&forgotten);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Likeness, Seen>> {
        lock(&self.seen)
    }
}

/// What a line says, to people and to machines.
fn text_and_fields(record: &Record<'_>) -> String {
    struct Fields(String);

    impl<'kvs> VisitSource<'kvs> for Fields {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
            // Writing to a string fails only where the value's own `Display` does.
            let _ = write!(self.0, "\n{key}={value}");
            Ok(())
        }
    }

    let mut fields = Fields(record.args().to_string());
    // The visitor returns no error.
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Log for Limit {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.next.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.tell(WINDOW);
        if self.lets_through(record) {
            self.next.log(record);
        }
    }

    fn flush(&self) {}
}
