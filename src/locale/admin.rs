//! What the log says of callers of the admin routes.

use std::fmt::Display;

use super::{
    Language,
    sentences::{fixed_sentences, sentences},
};

sentences! {
    /// A request to stop was accepted.
    pub admin_accepted(request: &str) {
        en: "accepted: {request}",
        zh: "已接受：{request}",
        zh_hant: "已接受：{request}",
    }

    admin_refused_once(method: &str, path: &str, peer: &dyn Display, reason: &str) {
        en: "refused: {method} {path} from {peer}: {reason}",
        zh: "已拒绝：来自 {peer} 的 {method} {path}：{reason}",
        zh_hant: "已拒絕：來自 {peer} 的 {method} {path}：{reason}",
    }

    admin_refused_more(line: &str, more: u64) {
        en: "{line} ({more} more were refused since the last such line)",
        zh: "{line}（自上次记录以来另有 {more} 次被拒绝）",
        zh_hant: "{line}（自上次記錄以來另有 {more} 次被拒絕）",
    }
}

fixed_sentences! {
    /// Why a request was refused: its token is not the one that is set.
    pub admin_wrong_token {
        en: "the token is wrong",
        zh: "令牌不正确",
        zh_hant: "權杖不正確",
    }
}

impl Language {
    /// A request was refused, and so were others of which no line told.
    #[must_use]
    pub fn admin_refused(
        self,
        method: &str,
        path: &str,
        peer: &dyn Display,
        reason: &str,
        more: u64,
    ) -> String {
        let line = self.admin_refused_once(method, path, peer, reason);
        if more == 0 { line } else { self.admin_refused_more(&line, more) }
    }
}
