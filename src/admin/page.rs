//! The live page: one answer that holds its style, its script and its words, and lets the browser run nothing else.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{HttpResponse, http::header, web::Bytes};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{access::Access, events::StreamEnd};
use crate::{
    locale::Language,
    sequence::{EndedBy, Outcome, PhaseKind, TaskStatus},
};

/// The page as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Page {
    html: Bytes,
}

const HTML: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const WORDS: &str = include_str!("page/words.json");
/// One strict scope around the script's files.
const SCRIPT: &str = concat!(
    "\"use strict\";\n{\n",
    include_str!("page/words.js"),
    include_str!("page/model.js"),
    include_str!("page/view.js"),
    include_str!("page/connection.js"),
    include_str!("page/main.js"),
    "}\n"
);

/// What the browser may do. It runs the script and applies the style whose hashes are here, talks to this server alone,
/// and shows the page in no frame, where its button could be hidden under another's.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// One language's names of what the status holds. The lists are the library's own, so none can be missing.
#[derive(Serialize)]
struct Names {
    tag: &'static str,
    phase: BTreeMap<&'static str, &'static str>,
    /// Of the page while a phase lasts.
    headline: BTreeMap<&'static str, &'static str>,
    outcome: BTreeMap<&'static str, &'static str>,
    ended_by: BTreeMap<&'static str, &'static str>,
    state: BTreeMap<&'static str, &'static str>,
}

impl Names {
    fn in_language(language: Language) -> Self {
        Self {
            tag: language.tag(),
            phase: PhaseKind::ALL.iter().map(|it| (it.name(), language.phase_name(*it))).collect(),
            headline: PhaseKind::ALL.iter().map(|it| (it.name(), language.phase_headline(*it))).collect(),
            outcome: Outcome::ALL.iter().map(|it| (it.name(), language.outcome(*it))).collect(),
            ended_by: EndedBy::ALL.iter().map(|it| (it.name(), language.ended_by(*it))).collect(),
            state: TaskStatus::ALL.iter().map(|it| (it.name(), language.status(*it))).collect(),
        }
    }
}

impl Page {
    /// Puts it together for these rules and for event streams that end so.
    pub(super) fn new(access: &Access, stream_end: StreamEnd) -> Self {
        let token = match (access.needs_token(), access.reads_need_token()) {
            (false, _) => "no",
            (true, false) => "shutdown",
            (true, true) => "reads",
        };
        let names = serde_json::to_string(&Language::ALL.map(Names::in_language)).unwrap_or_default();
        let html = HTML
            .replace("{{token}}", token)
            .replace("{{ends}}", stream_end.name())
            .replace("/* style.css */", STYLE)
            .replace("/* words.json */", WORDS)
            .replace("/* names */", &names)
            .replace("/* script */", SCRIPT);
        Self { html: html.into() }
    }

    /// The answer to a GET of `/`.
    pub(super) fn response(&self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY.as_str()))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .body(self.html.clone())
    }
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::locale::is_misleading;

    fn page() -> String {
        let page = Page::new(&Access::default(), StreamEnd::Exited);
        String::from_utf8(page.html.to_vec()).expect("text")
    }

    #[test]
    fn the_page_is_whole_and_needs_nothing_from_elsewhere() {
        let html = page();
        assert!(html.contains(STYLE) && html.contains(SCRIPT) && html.contains(WORDS));
        assert!(!html.contains("{{") && !html.contains("/* names */"), "every placeholder is filled in");
        assert!(!html.contains(" style=") && !html.contains("onclick="), "the policy would refuse these");
        let hosts = html.matches("://").count() - html.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(hosts, 0, "no foreign host");
        assert!(!WORDS.contains('<'), "it stands in the page as it is");
    }

    #[test]
    fn the_page_escapes_the_same_characters_as_the_log_and_the_report() {
        let class =
            SCRIPT.split("\\p{Cc}|[").nth(1).and_then(|rest| rest.split("]/gu").next()).expect("a class");
        let bounds: Vec<Vec<u32>> = class.split_inclusive('}').fold(Vec::new(), |mut ranges, bound| {
            let digits = bound.trim_start_matches('-').trim_start_matches("\\u{").trim_end_matches('}');
            let bound = (u32::from_str_radix(digits, 16).expect("a character"), bound.starts_with('-'));
            match (bound, ranges.last_mut()) {
                ((end, true), Some(range)) => range.push(end),
                ((start, _), _) => ranges.push(vec![start]),
            }
            ranges
        });
        let in_page = |character: char| {
            let number = u32::from(character);
            let is_within = |range: &Vec<u32>| (range[0]..=range[range.len() - 1]).contains(&number);
            character.is_control() && !matches!(character, '\n' | '\t') || bounds.iter().any(is_within)
        };
        for character in ('\0'..=char::MAX).filter(|it| !matches!(it, '\n' | '\t')) {
            assert_eq!(in_page(character), is_misleading(character), "{character:?}");
        }
    }

    #[test]
    fn the_page_asks_for_a_token_where_one_is_needed() {
        let mut access = Access::default();
        let token = |access: &Access| {
            let page = Page::new(access, StreamEnd::Exited);
            let html = String::from_utf8(page.html.to_vec()).expect("text");
            html.split("data-token=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned)
        };
        assert_eq!(token(&access).as_deref(), Some("no"));
        access.set_token("0123456789abcdef".into());
        assert_eq!(token(&access).as_deref(), Some("shutdown"));
        access.set_token_for_reads(true);
        assert_eq!(token(&access).as_deref(), Some("reads"));
    }

    #[test]
    fn every_word_is_there_in_every_language() {
        let words: BTreeMap<String, Vec<String>> = serde_json::from_str(WORDS).expect("JSON");
        for (key, texts) in &words {
            assert_eq!(texts.len(), Language::ALL.len(), "{key}");
            let placeholders = |text: &String| {
                let mut found: Vec<_> =
                    text.split('{').skip(1).map(|it| it.split('}').next().map(str::to_owned)).collect();
                found.sort();
                found
            };
            assert!(
                texts.iter().all(|text| placeholders(text) == placeholders(&texts[0])),
                "{key}: {texts:?}"
            );
            assert!(key == "sentence" || texts.iter().all(|text| !text.is_empty()), "{key}");
        }
        // The script uses exactly the words that there are.
        let asked = |key: &str| SCRIPT.contains(&format!("\"{key}\"")) || SCRIPT.contains(&format!("{key}:"));
        let composed = ["waiting_", "gone_", "unlock_", "ask_", "lost_"];
        for key in words.keys() {
            assert!(
                asked(key) || composed.iter().any(|prefix| key.starts_with(prefix)),
                "nothing says {key}"
            );
        }
        for call in SCRIPT.split("say(\"").skip(1) {
            let key = call.split('"').next().unwrap_or_default();
            assert!(words.contains_key(key), "{key} has no words");
        }
    }

    /// The contrast of two colors of a theme, as the Web Content Accessibility Guidelines define it: 1 to 21.
    fn contrast(theme: &str, one: &str, other: &str) -> f64 {
        let luminance = |name: &str| {
            let color = theme.split(&format!("--{name}: #")).nth(1).and_then(|rest| rest.get(..6));
            let color = u32::from_str_radix(color.expect(name), 16).expect("a color");
            let linear = |shift: u32| {
                let value = f64::from(color >> shift & 0xff) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(16) + 0.7152 * linear(8) + 0.0722 * linear(0)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_bar_is_told_from_its_track_in_both_themes() {
        let themes: Vec<_> = STYLE.split(":root {").skip(1).collect();
        assert_eq!(themes.len(), 2);
        for theme in themes {
            for bar in ["fill", "plan", "warn", "bad"] {
                let found = contrast(theme, bar, "track");
                println!("{bar}: {found:.1}");
                assert!(found >= 3.0, "{bar}: {found:.2}");
            }
            for (text, ground) in [
                ("quiet", "card"),
                ("quiet", "track"),
                ("good", "good-ground"),
                ("warn", "warn-ground"),
                ("bad", "bad-ground"),
            ] {
                let found = contrast(theme, text, ground);
                assert!(found >= 4.5, "{text} on {ground}: {found:.2}");
            }
        }
    }

    #[test]
    fn every_name_that_a_status_can_hold_has_a_word_of_its_own() {
        for language in Language::ALL {
            let names: Value = serde_json::to_value(Names::in_language(language)).expect("JSON");
            for kind in ["phase", "headline", "outcome", "ended_by", "state"] {
                for (name, word) in names[kind].as_object().expect("a table") {
                    let is_raw = word == name && (language != Language::En || name.contains('_'));
                    assert!(!is_raw, "{language:?} has no word for {kind} {name}");
                }
            }
        }
    }
}
