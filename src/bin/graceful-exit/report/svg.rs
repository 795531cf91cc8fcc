//! The timeline of an exit as a picture.

use std::{fmt::Write, time::Duration};

use graceful_exit::{Language, PhaseEntry, ReportFile, locale::rounded, summary};

const WIDTH: u64 = 760;
const MARGIN: u64 = 24;
/// Where the bars begin: left of them are the phases' names.
const BARS: u64 = 190;
/// Where the bars end: right of them is how long each took.
const END: u64 = 560;
const TOP: u64 = 84;
const ROW: u64 = 30;
const LINE: u64 = 20;
/// How many phases and how many failures are drawn.
const MOST: usize = 40;

const STYLE: &str = "\
text{font:14px system-ui,'Segoe UI','Noto Sans','Noto Sans CJK SC','PingFang SC','Microsoft YaHei',sans-serif;fill:#16201f}\
.ground{fill:#fff;stroke:#dfe3e4}.title{font-size:18px;font-weight:650}.quiet{fill:#576462}.track{fill:#e9edec}\
.done{fill:#0f766e}.timeout{fill:#8a4b00}.deadline,.signal{fill:#a8201a}\
@media(prefers-color-scheme:dark){text{fill:#e6edeb}.ground{fill:#171e1d;stroke:#2a3433}.quiet{fill:#9aaba8}\
.track{fill:#212a29}.done{fill:#3fb8a9}.timeout{fill:#f3bd6b}.deadline,.signal{fill:#ff9a92}}";

/// An SVG of its own, light or dark as its reader's screen is.
pub(super) fn draw(report: &ReportFile, language: Language) -> String {
    let total = Duration::from_millis(report.duration_ms);
    let outcome = language.outcome(&report.outcome);
    let span = report.phases.iter().map(|phase| phase.start_ms.saturating_add(phase.duration_ms));
    let span = span.max().unwrap_or(0).max(report.duration_ms).max(1);

    let mut rows = String::new();
    let mut y = TOP;
    let names = summary::phase_names(report, language);
    for (name, phase) in names.iter().zip(&report.phases).take(MOST) {
        row(&mut rows, y, name, phase, span, language);
        y += ROW;
    }
    let _ = write!(rows, "<text class=\"quiet\" x=\"{BARS}\" y=\"{y}\">0</text>");
    let _ = write!(
        rows,
        "<text class=\"quiet\" x=\"{END}\" y=\"{y}\" text-anchor=\"end\">{}</text>",
        rounded(Duration::from_millis(span))
    );
    y += 12;
    for failure in summary::failures(report, language).iter().take(MOST) {
        y += LINE;
        let _ = write!(rows, "<text x=\"{MARGIN}\" y=\"{y}\">{}</text>", escaped(&short(failure, 96)));
    }
    let height = y + MARGIN;
    let summary = language.summary(outcome, report.exit_code, total, &report.reason);
    let title = escaped(&short(&summary, 80));
    let started = escaped(&short(&report.started_at, 40));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"ground\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"38\">{title}</text>\n\
         <text class=\"quiet\" x=\"{MARGIN}\" y=\"60\">{started}</text>\n\
         {rows}\n</svg>\n",
        WIDTH - 1,
        height - 1,
    )
}

fn row(rows: &mut String, y: u64, name: &str, phase: &PhaseEntry, span: u64, language: Language) {
    let place = |at: u64| {
        let share = u128::from(at.min(span)) * u128::from(END - BARS) / u128::from(span);
        BARS + u64::try_from(share).unwrap_or(0)
    };
    let begin = place(phase.start_ms).min(END - 3);
    let end = place(phase.start_ms.saturating_add(phase.duration_ms)).max(begin + 3);
    let (top, base) = (y - 2, y + 9);
    let (length, width) = (END - BARS, end - begin);
    // The name is one of four words: a report with another was refused when it was read.
    let class = &phase.ended_by;
    let duration = rounded(Duration::from_millis(phase.duration_ms));
    let ended = match language.ended_by(&phase.ended_by) {
        "" => String::new(),
        words => format!(" <tspan class=\"{class}\">{}</tspan>", escaped(words)),
    };
    let _ = writeln!(
        rows,
        "<text x=\"{MARGIN}\" y=\"{base}\">{}</text>\
         <rect class=\"track\" x=\"{BARS}\" y=\"{top}\" width=\"{length}\" height=\"12\" rx=\"6\"/>\
         <rect class=\"{class}\" x=\"{begin}\" y=\"{top}\" width=\"{width}\" height=\"12\" rx=\"{}\"/>\
         <text class=\"quiet\" x=\"{}\" y=\"{base}\">{duration}{ended}</text>",
        escaped(&short(name, 20)),
        6.min(width / 2),
        END + 14,
    );
}

/// The first so many characters, and a mark where there are more.
fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// As text of XML, which has no control characters at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"outcome":"timed_out","reason":"a <b> & \"c\"","exit_code":1,"started_at":"2026-03-01T03:00:00.000Z",
        "duration_ms":8000,"phases":[{"name":"drain","start_ms":0,"duration_ms":5000,"ended_by":"timeout"},
        {"name":"callbacks","start_ms":5000,"duration_ms":3000,"ended_by":"deadline"}],
        "servers":[{"name":"business","in_flight_at_start":1,"completed":0,"rejected":0,
        "abandoned":[{"method":"GET","path":"/\u001b<script>","age_ms":6400}]}],
        "callbacks":[{"name":"flush-cache","outcome":"cut_off","duration_ms":3000,"error":null}],"resources":[]}"#;

    #[test]
    fn a_timeline_is_in_proportion_and_holds_no_markup_of_others() {
        let report: ReportFile = serde_json::from_str(REPORT).unwrap();
        let svg = draw(&report, Language::En);
        // 370 units are 8 s.
        assert!(svg.contains("class=\"timeout\" x=\"190\" y=\"82\" width=\"231\""), "{svg}");
        assert!(svg.contains("class=\"deadline\" x=\"421\" y=\"112\" width=\"139\""), "{svg}");
        assert!(svg.contains("a &lt;b&gt; &amp; &quot;c&quot;"), "{svg}");
        assert!(svg.contains("cut off GET /\u{fffd}&lt;script&gt; after 6.4s"), "{svg}");
        assert!(svg.contains("callback flush-cache: cut off after 3.0s"), "{svg}");
        assert!(!svg.contains("<script"));
    }

    #[test]
    fn numbers_that_make_no_sense_draw_something_all_the_same() {
        let mut report: ReportFile = serde_json::from_str(REPORT).unwrap();
        report.phases[0].start_ms = u64::MAX;
        report.phases[1].duration_ms = u64::MAX;
        report.duration_ms = 0;
        assert!(draw(&report, Language::Zh).ends_with("</svg>\n"));
        report.phases.clear();
        assert!(draw(&report, Language::Zh).ends_with("</svg>\n"));
    }
}
