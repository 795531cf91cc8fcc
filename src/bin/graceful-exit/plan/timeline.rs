//! The plan on a terminal: the timeline of an exit in which every phase takes all its time.

use std::{env, fmt::Write, io, io::IsTerminal, time::Duration};

use graceful_exit::{
    locale::rounded,
    report::bar,
    sequence::{Phase, Plan},
};

/// How long a bar may be, in columns.
const COLUMNS: usize = 40;

/// Whether, and how, it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Canvas {
    /// Standard output is no terminal.
    None,
    /// A terminal whose user wants no colors (`NO_COLOR`), or that has none.
    Plain,
    Colored,
}

impl Canvas {
    pub(super) fn of_stdout() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        match io::stdout().is_terminal() {
            false => Self::None,
            true if is_set("NO_COLOR") || env::var_os("TERM").is_some_and(|term| term == "dumb") => {
                Self::Plain
            }
            true => Self::Colored,
        }
    }

    fn paint(self, color: &str, text: &str) -> String {
        match self {
            Self::Colored if !text.is_empty() => format!("\x1b[{color}m{text}\x1b[0m"),
            Self::Colored | Self::Plain | Self::None => text.to_owned(),
        }
    }
}

const WITHIN: &str = "36";
const SLACK: &str = "32";
const OVERRUN: &str = "1;31";

/// A line a phase, then the slack or the overrun at the deadline.
pub(super) fn draw(plan: &Plan, members: impl Fn(&Phase) -> Vec<String>, canvas: Canvas) -> String {
    let (worst, deadline) = (plan.worst_case(), plan.timeouts().timeout);
    let span = worst.max(deadline);
    let mut text = String::new();
    let mut start = Duration::ZERO;
    for phase in plan.phases() {
        let timeout = phase.timeout();
        // What lies beyond the deadline does not happen: the exit is forced there.
        let within = timeout.min(deadline.saturating_sub(start));
        let drawn = bar(start, timeout, span, COLUMNS);
        let drawn = drawn.trim_end();
        let kept = bar(start, within, span, COLUMNS).trim_end().chars().count();
        let kept = if within.is_zero() { 0 } else { kept };
        let (inside, beyond): (String, String) =
            (drawn.chars().take(kept).collect(), drawn.chars().skip(kept).collect());
        let (inside_painted, beyond_painted) =
            (canvas.paint(WITHIN, &inside), canvas.paint(OVERRUN, &beyond));
        let pad = " ".repeat(COLUMNS.saturating_sub(drawn.chars().count()));
        let _ = writeln!(
            text,
            "{:<14} {inside_painted}{beyond_painted}{pad} {:>7}  {}",
            phase.kind.name(),
            rounded(timeout),
            members(phase).join(", ")
        );
        start = start.saturating_add(timeout);
    }
    let (label, from, length, color) = if worst > deadline {
        ("overrun", deadline, plan.overrun(), OVERRUN)
    } else {
        ("slack", worst, deadline.saturating_sub(worst), SLACK)
    };
    if !length.is_zero() {
        let drawn = bar(from, length, span, COLUMNS).replace('█', "░");
        let _ = writeln!(
            text,
            "{label:<14} {} {}",
            canvas.paint(color, &drawn),
            canvas.paint(color, &format!("{:>7}", rounded(length)))
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use graceful_exit::{
        Timeouts,
        sequence::{Kind, Member},
    };

    use super::*;

    fn plan(deadline: u64) -> Plan {
        let member = |kind, name: &str| Member::new(kind, name);
        let members = vec![
            member(Kind::ServerFirst, "business"),
            member(Kind::Callback, "flush"),
            member(Kind::Resource, "store"),
        ];
        Plan::new(Timeouts::default().timeout(Duration::from_secs(deadline)), members).unwrap()
    }

    fn drawn(deadline: u64, canvas: Canvas) -> String {
        let plan = plan(deadline);
        let members = |phase: &Phase| {
            phase.tasks.iter().map(|task| plan.members()[task.member.0].name.clone()).collect()
        };
        draw(&plan, members, canvas)
    }

    #[test]
    fn the_phases_follow_one_another_up_to_the_slack() {
        let expected = "\
drain          ████████████████████                       10.0s  business
close_servers                      ██                      1.0s  business
callbacks                            ██████                3.0s  flush
release                                    ██              1.0s  store
slack                                        ░░░░░░░░░░    5.0s
";
        let text = drawn(20, Canvas::Plain);
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn what_lies_beyond_the_deadline_is_in_another_color() {
        let text = drawn(12, Canvas::Colored);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains(WITHIN) && !lines[0].contains(OVERRUN), "{text}");
        assert!(
            lines[2].contains(WITHIN) && lines[2].contains(OVERRUN),
            "the deadline is in the middle of it: {text}"
        );
        assert!(!lines[3].contains(WITHIN) || lines[3].contains(OVERRUN), "{text}");
        assert!(lines[4].starts_with("overrun") && lines[4].contains("3.0s"), "{text}");
        assert!(!drawn(12, Canvas::Plain).contains('\x1b'));
    }
}
