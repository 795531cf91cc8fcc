//! The live page: one answer that holds its style and its script, and lets the browser run nothing else.

use actix_web::{HttpResponse, http::header, web::Bytes};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// The page as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Page {
    html: Bytes,
    policy: String,
}

const HTML: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/app.js");

impl Page {
    /// Puts it together; `needs_token` says whether its button asks for one.
    pub(super) fn new(needs_token: bool) -> Self {
        let html = HTML.replace("/* style.css */", STYLE).replace("/* app.js */", SCRIPT);
        let html = if needs_token { html.replace("data-token=\"no\"", "data-token=\"yes\"") } else { html };
        // The browser runs the script and applies the style whose hashes are here, talks to this server alone,
        // and shows the page in no frame, where its button could be hidden under another's.
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
            hash(SCRIPT),
            hash(STYLE)
        );
        Self { html: html.into(), policy }
    }

    /// The answer to a GET of `/`.
    pub(super) fn response(&self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::CONTENT_SECURITY_POLICY, self.policy.as_str()))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .body(self.html.clone())
    }
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_needs_nothing_from_elsewhere() {
        let page = Page::new(false);
        let html = String::from_utf8_lossy(&page.html);
        assert!(html.contains(STYLE) && html.contains(SCRIPT), "the style and the script are in it");
        assert!(!html.contains(" style=") && !html.contains("onclick="), "the policy would refuse these");
        let hosts = html.matches("://").count() - html.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(hosts, 0, "no foreign host");
        assert!(html.contains("data-token=\"no\""));
        assert!(String::from_utf8_lossy(&Page::new(true).html).contains("data-token=\"yes\""));
    }
}
