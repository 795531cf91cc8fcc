//! The phases of an exit: their names, and what the log and the page say during each.

use std::time::Duration;

use super::{Language, rounded, sentences::in_each_language};
use crate::sequence::PhaseKind;

/// The words for each phase: its `name`, the page's `headline` while it lasts, and the `line` of the log as it begins,
/// which may say how long a delay lasts. A phase without an entry does not compile.
macro_rules! phases {
    ($delay:ident: $($Kind:ident {
        name: { $($name:tt)+ }
        headline: { $($headline:tt)+ }
        line: { $($line:tt)+ }
    })+) => {
        impl Language {
            /// The name of a phase.
            #[must_use]
            pub const fn phase_name(self, kind: PhaseKind) -> &'static str {
                match kind {
                    $(PhaseKind::$Kind => in_each_language!(self, concat, $($name)+),)+
                }
            }

            /// What is done in a phase, while it lasts.
            #[must_use]
            pub const fn phase_headline(self, kind: PhaseKind) -> &'static str {
                match kind {
                    $(PhaseKind::$Kind => in_each_language!(self, concat, $($headline)+),)+
                }
            }

            /// A phase begins.
            #[must_use]
            pub fn phase(self, kind: PhaseKind, $delay: Duration) -> String {
                let $delay = rounded($delay);
                match kind {
                    $(PhaseKind::$Kind => in_each_language!(self, format, $($line)+),)+
                }
            }
        }
    };
}

phases! {
    delay:
    ReadyDelay {
        name: { en: "not ready, yet serving", zh: "未就绪但继续服务", zh_hant: "未就緒但繼續服務" }
        headline: { en: "Not ready, still serving", zh: "未就绪，继续服务", zh_hant: "未就緒，繼續服務" }
        line: {
            en: "not ready, but serving for another {delay}",
            zh: "已标记为未就绪，继续服务 {delay}",
            zh_hant: "已標記為未就緒，繼續服務 {delay}",
        }
    }
    Drain {
        name: { en: "drain", zh: "等待请求完结", zh_hant: "等待請求完結" }
        headline: { en: "Draining", zh: "等待请求完结", zh_hant: "等待請求完結" }
        line: { en: "waiting for the requests in flight", zh_any: "等待正在执行请求完结" }
    }
    CloseServers {
        name: { en: "close servers", zh: "关闭服务器", zh_hant: "關閉伺服器" }
        headline: { en: "Closing servers", zh: "关闭服务器", zh_hant: "關閉伺服器" }
        line: { en: "closing the servers", zh_any: "开始关闭服务器" }
    }
    Callbacks {
        name: { en: "callbacks", zh: "执行回调", zh_hant: "執行回呼" }
        headline: { en: "Running callbacks", zh: "执行回调", zh_hant: "執行回呼" }
        line: { en: "running the callbacks", zh_any: "开始执行自定义回调" }
    }
    Release {
        name: { en: "release", zh: "释放资源", zh_hant: "釋放資源" }
        headline: { en: "Releasing resources", zh: "释放资源", zh_hant: "釋放資源" }
        line: { en: "releasing resources", zh_any: "开始释放资源" }
    }
    CloseLast {
        name: { en: "close last servers", zh: "关闭最后的服务器", zh_hant: "關閉最後的伺服器" }
        headline: { en: "Closing the last servers", zh: "关闭最后的服务器", zh_hant: "關閉最後的伺服器" }
        line: { en: "closing the last servers", zh: "开始关闭最后的服务器", zh_hant: "開始關閉最後的伺服器" }
    }
}
