//! [`EventScanner`]: where an event stream may be ended without cutting an event.
//!
//! Pure. An event ends with an empty line; a line ends with CR, LF or both; a line that begins with a colon is a
//! comment and belongs to no event (WHATWG HTML, "Server-sent events").

/// Follows the bytes of a `text/event-stream`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EventScanner {
    line: Line,
    /// A line of an event has been seen whose empty line has not.
    in_event: bool,
    /// The last byte was CR: an LF behind it belongs to the same end of a line.
    after_cr: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    Middle,
}

impl EventScanner {
    /// Returns true if the stream may end here: no event has begun and not ended.
    pub(super) fn at_boundary(self) -> bool {
        self.line == Line::Start && !self.in_event
    }

    /// Takes the next bytes; returns the length of the longest part of them after which the stream may end, or
    /// `None` if it may not end anywhere in them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut end = None;
        for (index, &byte) in bytes.iter().enumerate() {
            let follows_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if follows_cr => {}
                b'\n' | b'\r' => {
                    if self.line == Line::Start {
                        self.in_event = false;
                    }
                    self.line = Line::Start;
                    self.after_cr = byte == b'\r';
                }
                _ => {
                    if self.line == Line::Start && byte != b':' {
                        self.in_event = true;
                    }
                    self.line = Line::Middle;
                }
            }
            if self.at_boundary() {
                end = Some(index + 1);
            }
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn ends(bytes: &str) -> Option<usize> {
        EventScanner::default().feed(bytes.as_bytes())
    }

    #[test]
    fn an_event_ends_with_an_empty_line_whatever_ends_its_lines() {
        for end in ["\n", "\r\n", "\r"] {
            let event = format!("event: tick{end}data: 1{end}{end}");
            assert_eq!(ends(&event), Some(event.len()), "{event:?}");
            assert_eq!(ends(&format!("data: 1{end}data: 2{end}")), None);
            let cut = format!("{event}data: 2");
            assert_eq!(ends(&cut), Some(event.len()), "{cut:?}");
        }
        assert!(EventScanner::default().at_boundary(), "nothing has been sent");
    }

    #[test]
    fn a_comment_is_no_part_of_an_event() {
        assert_eq!(ends(": keep-alive\n"), Some(13));
        assert_eq!(ends(": keep-al"), None);
        assert_eq!(ends("data: 1\n: in the middle\n"), None);
    }

    /// The slow way: the text is split into lines, and the lines into events.
    fn may_end_after(bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
        let Some((lines, "")) = text.rsplit_once('\n').or(text.is_empty().then_some(("", ""))) else {
            return false;
        };
        let since_empty = lines.split('\n').rev().take_while(|line| !line.is_empty());
        since_empty.into_iter().all(|line| line.starts_with(':'))
    }

    proptest! {
        #[test]
        fn a_stream_is_ended_after_whole_events_wherever_its_bytes_are_cut(
            parts in vec(select(&["\n", "\r\n", "\r", ":", "data", "é", "\n\n", " "][..]), 0..30),
            cuts in vec(1_usize..7, 1..20),
        ) {
            let bytes = parts.concat().into_bytes();
            let mut scanner = EventScanner::default();
            let mut read = 0;
            for length in cuts.iter().cycle() {
                let end = bytes.len().min(read + length);
                let found = scanner.feed(&bytes[read..end]);
                let expected = (read + 1..=end).rev().find(|&end| may_end_after(&bytes[..end]));
                prop_assert_eq!(found.map(|length| read + length), expected, "{:?}", &bytes[..end]);
                read = end;
                if read == bytes.len() {
                    break;
                }
            }
        }
    }
}
