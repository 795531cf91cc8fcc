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
    /// Why a request was refused: it has no token, or a wrong one.
    pub admin_token_needed { en: "a bearer token is needed", zh: "需要 bearer 令牌", zh_hant: "需要 bearer 權杖" }

    /// Why a request to stop was refused where no token is set: another user.
    pub admin_other_user {
        en: "no other user may do this, unless a token is set",
        zh: "未设置令牌时，其他用户不得执行此操作",
        zh_hant: "未設定權杖時，其他使用者不得執行此操作",
    }

    /// The same: another machine.
    pub admin_other_machine {
        en: "only a client on this machine may do this, unless a token is set",
        zh: "未设置令牌时，只有本机的客户端可以执行此操作",
        zh_hant: "未設定權杖時，只有本機的用戶端可以執行此操作",
    }

    /// The same: HTTP/1.0.
    pub admin_older_http {
        en: "HTTP/1.1 is needed, unless a token is set: a proxy may be speaking",
        zh: "未设置令牌时需要 HTTP/1.1：请求可能来自代理",
        zh_hant: "未設定權杖時需要 HTTP/1.1：請求可能來自代理",
    }

    /// The same: a proxy.
    pub admin_proxy {
        en: "no proxy may do this, unless a token is set",
        zh: "未设置令牌时，不得通过代理执行此操作",
        zh_hant: "未設定權杖時，不得透過代理執行此操作",
    }

    /// The same: a page of another site.
    pub admin_other_site {
        en: "no page of another site may do this",
        zh: "其他网站的页面不得执行此操作",
        zh_hant: "其他網站的頁面不得執行此操作",
    }

    /// The same: a host that is not this machine.
    pub admin_other_host {
        en: "Host does not name this machine",
        zh: "Host 指的不是本机",
        zh_hant: "Host 指的不是本機",
    }

    /// The same: a page of another origin.
    pub admin_other_origin {
        en: "no page of another origin may do this",
        zh: "其他来源的页面不得执行此操作",
        zh_hant: "其他來源的頁面不得執行此操作",
    }

    /// Why a request to read was refused.
    pub admin_foreign_host {
        en: "Host is not a name of this server: use its address, localhost or a name that the server was told",
        zh: "Host 不是本服务器的名称：请使用其地址、localhost 或已告知服务器的名称",
        zh_hant: "Host 不是本伺服器的名稱：請使用其位址、localhost 或已告知伺服器的名稱",
    }

    /// Why a request was refused: its token is not the one that is set.
    pub admin_wrong_token {
        en: "the token is wrong",
        zh: "令牌不正确",
        zh_hant: "權杖不正確",
    }
}

#[doc(hidden)]
impl Language {
    /// A request was refused, and others before it that were not logged.
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
