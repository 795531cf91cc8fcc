//! The timeline of an exit as a picture.

use std::fmt::Write;

use graceful_exit::{
    Language, Report,
    locale::{escaped, rounded},
    report::{self, PhaseReport, verdict},
    sequence::{EndedBy, Kind, PhaseKind, TaskStatus},
};

const MARGIN: u64 = 24;
/// Where the bars begin at the least: left of them are the phases' names.
const BARS: u64 = 190;
/// How long the longest bar is.
const LENGTH: u64 = 370;
/// The least width on the right, for how long each phase took and what ended it.
const RIGHT: u64 = 186;
const ROW: u64 = 30;
const LINE: u64 = 20;
/// How wide a column of text is drawn, at the most; a Chinese character takes two.
const COLUMN: u64 = 8;
/// The same of the title.
const TITLE_COLUMN: u64 = 11;
/// The widest name that is drawn in one line, in columns.
const WIDEST_NAME: usize = 40;
/// How many phases and how many failures are drawn.
const MOST: usize = 40;

const STYLE: &str = "\
text{font:14px system-ui,'Segoe UI','Noto Sans','Noto Sans CJK SC','PingFang SC','Microsoft YaHei',sans-serif;fill:#16201f}\
.ground{fill:#fff;stroke:#dfe3e4}.title{font-size:18px;font-weight:650}.quiet{fill:#576462}.track{fill:#e9edec}\
.done{fill:#0f766e}.timeout{fill:#8a4b00}.failed,.deadline,.signal{fill:#a8201a}\
@media(prefers-color-scheme:dark){text{fill:#e6edeb}.ground{fill:#171e1d;stroke:#2a3433}.quiet{fill:#9aaba8}\
.track{fill:#212a29}.done{fill:#3fb8a9}.timeout{fill:#f3bd6b}.failed,.deadline,.signal{fill:#ff9a92}}";

/// An SVG of its own, light or dark as its reader's screen is. Text is broken into lines, never cut.
pub(super) fn draw(report: &Report, language: Language) -> String {
    let mut rows: Vec<Row> = report::phase_names(report, language)
        .into_iter()
        .zip(&report.phases)
        .enumerate()
        .map(|(index, (name, phase))| Row::new(report, index, &name, phase, language))
        .collect();
    let more_rows = rows.len().saturating_sub(MOST);
    rows.truncate(MOST);
    let mut failures = report::failures(report, language);
    let more = more_rows + failures.len().saturating_sub(MOST);
    failures.truncate(MOST);
    failures.extend((more > 0).then(|| language.more(more)));

    let widest =
        |texts: &mut dyn Iterator<Item = &str>| texts.map(columns).max().unwrap_or(0) as u64 * COLUMN;
    let names = widest(&mut rows.iter().flat_map(|row| row.name.iter().map(String::as_str)));
    let ends = widest(&mut rows.iter().map(|row| row.end.as_str()));
    let bars = BARS.max(MARGIN + names + MARGIN);
    let width = bars + LENGTH + 14 + ends.max(RIGHT - 14) + if ends > RIGHT - 14 { MARGIN } else { 14 };
    let text_columns = usize::try_from((width - 2 * MARGIN) / COLUMN).unwrap_or(usize::MAX);

    let mut text = String::new();
    let mut y = 38;
    let outcome = language.outcome(report.outcome);
    let summary = language.summary(outcome, report.exit_code, report.duration, &report.reason);
    let title_columns = usize::try_from((width - 2 * MARGIN) / TITLE_COLUMN).unwrap_or(usize::MAX);
    for line in wrapped(&summary, title_columns) {
        let _ = writeln!(text, "<text class=\"title\" x=\"{MARGIN}\" y=\"{y}\">{}</text>", markup(&line));
        y += 24;
    }
    let verdict = verdict(report, language);
    let started = humantime::format_rfc3339_millis(report.started_at).to_string();
    for (class, paragraph) in [(" class=\"quiet\"", started.as_str()), ("", verdict.as_str())] {
        for line in wrapped(paragraph, text_columns) {
            let _ = writeln!(text, "<text{class} x=\"{MARGIN}\" y=\"{}\">{}</text>", y - 2, markup(&line));
            y += LINE;
        }
    }
    y += 2;
    for row in &rows {
        y = row.draw(&mut text, y, bars);
    }
    let end = bars + LENGTH;
    let _ = writeln!(
        text,
        "<text class=\"quiet\" x=\"{bars}\" y=\"{y}\">0</text>\
         <text class=\"quiet\" x=\"{end}\" y=\"{y}\" text-anchor=\"end\">{}</text>",
        rounded(report::span(report))
    );
    y += 12;
    for line in failures.iter().flat_map(|failure| wrapped(failure, text_columns)) {
        y += LINE;
        let _ = writeln!(text, "<text x=\"{MARGIN}\" y=\"{y}\">{}</text>", markup(&line));
    }
    let height = y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"ground\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n\
         {text}</svg>\n",
        markup(&verdict),
        width - 1,
        height - 1,
    )
}

/// A phase: its name, its bar, and what stands to the right of it.
struct Row {
    name: Vec<String>,
    /// Where the bar begins and ends, from the first bar's beginning.
    begin: u64,
    width: u64,
    class: &'static str,
    /// The text to the right, and the same with its markup.
    end: String,
    end_markup: String,
}

impl Row {
    fn new(report: &Report, index: usize, name: &str, phase: &PhaseReport, language: Language) -> Self {
        let span = report::span(report).as_millis().max(1);
        let place = |at: std::time::Duration| {
            let share = at.as_millis().min(span) * u128::from(LENGTH) / span;
            u64::try_from(share).unwrap_or(0)
        };
        // Even the shortest bar is visible.
        let begin = place(phase.start).min(LENGTH - 3);
        let width = place(phase.start.saturating_add(phase.duration)).max(begin + 3) - begin;
        let failed = has_failed(report, index, phase.kind);
        let class = match phase.ended_by {
            EndedBy::Done if failed => "failed",
            by => by.name(),
        };
        let words = match language.ended_by(phase.ended_by) {
            "" if failed => language.status(TaskStatus::Failed),
            words => words,
        };
        let duration = rounded(phase.duration);
        let end_markup = match words {
            "" => duration.clone(),
            words => format!("{duration} <tspan class=\"{class}\">{}</tspan>", markup(words)),
        };
        Self {
            name: wrapped(name, WIDEST_NAME),
            begin,
            width,
            class,
            end: format!("{duration} {words}"),
            end_markup,
        }
    }

    /// Draws it at `y`. Returns the `y` of the next row.
    fn draw(&self, text: &mut String, y: u64, bars: u64) -> u64 {
        let (top, base) = (y - 2, y + 9);
        for (line, base) in self.name.iter().zip((base..).step_by(18)) {
            let _ = write!(text, "<text x=\"{MARGIN}\" y=\"{base}\">{}</text>", markup(line));
        }
        let _ = writeln!(
            text,
            "<rect class=\"track\" x=\"{bars}\" y=\"{top}\" width=\"{LENGTH}\" height=\"12\" rx=\"6\"/>\
             <rect class=\"{}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"12\" rx=\"{}\"/>\
             <text class=\"quiet\" x=\"{}\" y=\"{base}\">{}</text>",
            self.class,
            bars + self.begin,
            self.width,
            6.min(self.width / 2),
            bars + LENGTH + 14,
            self.end_markup,
        );
        y + ROW + 18 * (self.name.len().max(1) as u64 - 1)
    }
}

/// True if a job of the phase was not done, though the phase itself came to its end.
fn has_failed(report: &Report, index: usize, phase: PhaseKind) -> bool {
    let failed = |jobs: &[report::MemberReport]| jobs.iter().any(|job| job.status != TaskStatus::Done);
    let has_failed = |kind: &Kind| match kind {
        // Servers have an outcome of their own only when requests are waited for.
        Kind::ServerFirst | Kind::ServerLast => {
            phase == PhaseKind::Drain && report.servers.iter().any(|server| !server.abandoned.is_empty())
        }
        Kind::BackgroundWorker => failed(&report.workers),
        // The callbacks wait for the checkpoints, in the same phase.
        Kind::Checkpoint | Kind::Callback => failed(&report.callbacks) || failed(&report.checkpoints),
        Kind::Resource => {
            // One a phase, in the reverse of their order.
            let earlier = report.phases[..index].iter().filter(|earlier| earlier.kind == phase).count();
            report.resources.iter().rev().nth(earlier).is_some_and(|job| job.status != TaskStatus::Done)
        }
    };
    phase.members().iter().any(has_failed)
}

/// The text in lines of at most so many columns, broken at spaces where there are any.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let text = escaped(text);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        if used > 0 && used + columns(word.trim_end()) > most {
            lines.push(String::new());
            used = 0;
        }
        for c in word.chars() {
            let wide = columns(c.encode_utf8(&mut [0; 4]));
            if used + wide > most && c != ' ' {
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().into_iter().for_each(|line| line.push(c));
            used += wide;
        }
    }
    lines
}

/// How many columns a text takes: Chinese characters take two.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum()
}

/// As text of XML, which has no control characters at all.
fn markup(text: &str) -> String {
    let mut safe = String::new();
    for c in escaped(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const REPORT: &str = r#"{"outcome":"timed_out","reason":"a <b> & \"c\"","exit_code":1,"started_at":"2026-03-01T03:00:00.000Z",
        "duration_ms":8000,"phases":[{"name":"drain","start_ms":0,"duration_ms":5000,"ended_by":"timeout"},
        {"name":"callbacks","start_ms":5000,"duration_ms":3000,"ended_by":"deadline"}],
        "servers":[{"name":"business","in_flight_at_start":1,"completed":0,"rejected":0,
        "abandoned":[{"method":"GET","path":"/\u001b<script>","age_ms":6400}]}],
        "callbacks":[{"name":"flush-cache","outcome":"cut_off","duration_ms":3000,"error":null}],"resources":[]}"#;

    #[test]
    fn a_timeline_is_in_proportion_and_holds_no_markup_of_others() {
        let report: Report = serde_json::from_str(REPORT).unwrap();
        let svg = draw(&report, Language::En);
        // 370 units are 8 s.
        assert!(svg.contains("class=\"timeout\" x=\"190\"") && svg.contains("width=\"231\""), "{svg}");
        assert!(svg.contains("class=\"deadline\" x=\"421\"") && svg.contains("width=\"139\""), "{svg}");
        assert!(svg.contains("a &lt;b&gt; &amp; &quot;c&quot;"), "{svg}");
        assert!(svg.contains("cut off GET /\\u{1b}&lt;script&gt; after 6.4s"), "{svg}");
        assert!(svg.contains("callback flush-cache: cut off after 3.0s"), "{svg}");
        assert!(!svg.contains("<script"));
    }

    #[test]
    fn numbers_that_make_no_sense_draw_something_all_the_same() {
        let mut report: Report = serde_json::from_str(REPORT).unwrap();
        report.phases[0].start = Duration::MAX;
        report.phases[1].duration = Duration::MAX;
        report.duration = Duration::ZERO;
        assert!(draw(&report, Language::Zh).ends_with("</svg>\n"));
        report.phases.clear();
        assert!(draw(&report, Language::Zh).ends_with("</svg>\n"));
    }

    #[test]
    fn a_failed_callback_is_not_drawn_as_done_and_no_text_is_cut() {
        let mut report: Report = serde_json::from_str(REPORT).unwrap();
        report.phases.truncate(1);
        report.phases[0].kind = PhaseKind::Callbacks;
        report.phases[0].ended_by = EndedBy::Done;
        report.callbacks[0].status = TaskStatus::Failed;
        report.callbacks[0].name = "n".repeat(300);
        report.callbacks[0].error = Some("the database is locked ".repeat(20));
        let svg = draw(&report, Language::En);
        assert!(svg.contains("<rect class=\"failed\"") && !svg.contains("<rect class=\"done\""), "{svg}");
        assert!(svg.matches('n').count() >= 600, "the name stands in the verdict and in its line");
        assert_eq!(svg.matches("locked").count(), svg.matches("database").count());
        assert!(!svg.contains('…'), "{svg}");
        let longest = svg
            .lines()
            .filter(|line| line.starts_with("<text") && !line.contains("<rect"))
            .map(columns)
            .max();
        assert!(longest < Some(200), "{longest:?}: {svg}");
    }
}
