//! The phases of an exit: their names, and what the log says as each begins.

use std::time::Duration;

use super::{
    Language, rounded,
    sentences::{fixed_sentences, sentences},
};
use crate::sequence::PhaseKind;

fixed_sentences! {
    ready_delay_phase { en: "not ready, yet serving", zh: "未就绪但继续服务", zh_hant: "未就緒但繼續服務" }
    drain_phase { en: "drain", zh: "等待请求完结", zh_hant: "等待請求完結" }
    close_servers_phase { en: "close servers", zh: "关闭服务器", zh_hant: "關閉伺服器" }
    callbacks_phase { en: "callbacks", zh: "执行回调", zh_hant: "執行回呼" }
    release_phase { en: "release", zh: "释放资源", zh_hant: "釋放資源" }
    close_last_phase { en: "close last servers", zh: "关闭最后的服务器", zh_hant: "關閉最後的伺服器" }

    draining { en: "waiting for the requests in flight", zh_any: "等待正在执行请求完结" }
    closing_servers { en: "closing the servers", zh_any: "开始关闭服务器" }
    running_callbacks { en: "running the callbacks", zh_any: "开始执行自定义回调" }
    releasing { en: "releasing resources", zh_any: "开始释放资源" }
    closing_last {
        en: "closing the last servers",
        zh: "开始关闭最后的服务器",
        zh_hant: "開始關閉最後的伺服器",
    }
}

sentences! {
    not_ready(delay: Duration => rounded) {
        en: "not ready, but serving for another {delay}",
        zh: "已标记为未就绪，继续服务 {delay}",
        zh_hant: "已標記為未就緒，繼續服務 {delay}",
    }
}

impl Language {
    /// A phase begins.
    #[must_use]
    pub fn phase(self, kind: PhaseKind, delay: Duration) -> String {
        match kind {
            PhaseKind::ReadyDelay => self.not_ready(delay),
            PhaseKind::Drain => self.draining().to_owned(),
            PhaseKind::CloseServers => self.closing_servers().to_owned(),
            PhaseKind::Callbacks => self.running_callbacks().to_owned(),
            PhaseKind::Release => self.releasing().to_owned(),
            PhaseKind::CloseLast => self.closing_last().to_owned(),
        }
    }

    /// The words for a phase.
    #[must_use]
    pub const fn phase_name(self, kind: PhaseKind) -> &'static str {
        match kind {
            PhaseKind::ReadyDelay => self.ready_delay_phase(),
            PhaseKind::Drain => self.drain_phase(),
            PhaseKind::CloseServers => self.close_servers_phase(),
            PhaseKind::Callbacks => self.callbacks_phase(),
            PhaseKind::Release => self.release_phase(),
            PhaseKind::CloseLast => self.close_last_phase(),
        }
    }
}
