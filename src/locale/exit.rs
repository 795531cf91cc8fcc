//! The lines of an exit, from its beginning to its end.

use std::time::Duration;

use super::{
    Language, rounded,
    sentences::{fixed_sentences, sentences},
};
use crate::sequence::Kind;

fixed_sentences! {
    /// The exit begins.
    pub begun { en: "shutting down: no new requests from here on", zh_any: "开始关闭应用，停止接收新请求" }

    /// A second signal came.
    pub forced { en: "forced to exit", zh_any: "強制退出" }

    /// The deadline passed.
    pub deadline { en: "out of time: forced to exit", zh_any: "超時強制退出" }

    /// The exit is over, and clean.
    pub clean { en: "shut down", zh_any: "应用关闭" }

    /// The exit is over, and something was abandoned or failed.
    pub incomplete {
        en: "shut down, but not everything was finished",
        zh: "应用关闭，但有工作未完成",
        zh_hant: "應用關閉，但有工作未完成",
    }

    /// What the hard stop writes when the deadline has passed and no other thread can write.
    pub hard_stop_deadline {
        en: "out of time: forced to exit (by the hard stop)\n",
        zh: "超时强制退出（由守护线程执行）\n",
        zh_hant: "超時強制退出（由守護執行緒執行）\n",
    }

    /// The exit is over, and what the program does after it takes too long.
    pub after_run {
        en: "out of time after the exit: forced to exit",
        zh: "关闭之后的工作超时：强制退出",
        zh_hant: "關閉之後的工作超時：強制退出",
    }

    /// What the hard stop writes when the program takes too long after the exit and no other thread can write.
    pub hard_stop_after_run {
        en: "out of time after the exit: forced to exit (by the hard stop)\n",
        zh: "关闭之后的工作超时：强制退出（由守护线程执行）\n",
        zh_hant: "關閉之後的工作超時：強制退出（由守護執行緒執行）\n",
    }

    /// What the hard stop writes when a second signal came and no other thread can write.
    pub hard_stop_forced {
        en: "forced to exit (by the hard stop)\n",
        zh: "强制退出（由守护线程执行）\n",
        zh_hant: "強制退出（由守護執行緒執行）\n",
    }
}

sentences! {
    /// A server begins to close.
    pub closing(server: &str) { en: "server {server} is closing", zh_any: "服务器{server}关闭中" }

    /// A server has closed.
    pub closed(server: &str) { en: "server {server} is closed", zh_any: "服务器{server}已关闭" }

    /// A server ended without having been asked.
    pub server_failed(server: &str) {
        en: "server {server} failed",
        zh: "服务器{server}异常终止",
        zh_hant: "伺服器{server}異常終止",
    }

    /// A member's timeout is over, or the deadline came first.
    pub timed_out(label: &str) { en: "{label}: timed out", zh_any: "{label}超时" }

    /// A member answered with an error.
    pub failed(label: &str, error: &str) {
        en: "{label}: failed: {error}",
        zh: "{label}失败：{error}",
        zh_hant: "{label}失敗：{error}",
    }

    /// A member panicked.
    pub panicked(label: &str, error: &str) {
        en: "{label}: panicked: {error}",
        zh: "{label}崩溃：{error}",
        zh_hant: "{label}崩潰：{error}",
    }

    /// A member could not be asked.
    pub unreachable(label: &str) {
        en: "{label}: cannot be reached, its actor has stopped",
        zh: "{label}无法联系：其 actor 已停止",
        zh_hant: "{label}無法聯繫：其 actor 已停止",
    }

    /// What is lost because a member did not finish.
    pub lost(label: &str, what: &str) {
        en: "{label}: lost: {what}",
        zh: "{label}丢失：{what}",
        zh_hant: "{label}遺失：{what}",
    }

    /// Requests of one name are cut off; the oldest had this age.
    pub abandoned(server: &str, request: &str, age: Duration => rounded) {
        en: "server {server}: cut off {request} after {age}",
        zh: "服务器{server}：已中断 {request}（已执行 {age}）",
        zh_hant: "伺服器{server}：已中斷 {request}（已執行 {age}）",
    }

    label_of_server(name: &str) { en: "server {name}", zh: "服务器{name}", zh_hant: "伺服器{name}" }
    label_of_worker(name: &str) { en: "worker {name}", zh: "后台任务{name}", zh_hant: "背景工作{name}" }
    label_of_checkpoint(name: &str) { en: "checkpoint {name}", zh: "检查点{name}", zh_hant: "檢查點{name}" }
    label_of_resource(name: &str) { en: "releasing {name}", zh: "释放资源{name}", zh_hant: "釋放資源{name}" }
}

#[doc(hidden)]
impl Language {
    /// What the log calls a member that was given no label.
    #[must_use]
    pub fn label(self, kind: Kind, name: &str) -> String {
        match kind {
            Kind::Callback => name.to_owned(),
            Kind::Resource => self.label_of_resource(name),
            Kind::BackgroundWorker => self.label_of_worker(name),
            Kind::Checkpoint => self.label_of_checkpoint(name),
            Kind::ServerFirst | Kind::ServerLast => self.label_of_server(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::PhaseKind;

    #[test]
    fn the_lines_of_the_transcripts_are_the_same_in_every_chinese() {
        let lines = |language: Language| {
            let phase = |kind| language.phase(kind, Duration::ZERO);
            [
                language.started().to_owned(),
                language.begun().to_owned(),
                phase(PhaseKind::Drain),
                phase(PhaseKind::CloseServers),
                language.closing("admin"),
                language.closed("admin"),
                phase(PhaseKind::Callbacks),
                phase(PhaseKind::Release),
                language.timed_out("刷新缓存"),
                language.deadline().to_owned(),
                language.forced().to_owned(),
                language.clean().to_owned(),
            ]
        };
        let fixed = [
            "Server 啟動",
            "开始关闭应用，停止接收新请求",
            "等待正在执行请求完结",
            "开始关闭服务器",
            "服务器admin关闭中",
            "服务器admin已关闭",
            "开始执行自定义回调",
            "开始释放资源",
            "刷新缓存超时",
            "超時強制退出",
            "強制退出",
            "应用关闭",
        ];
        assert_eq!(lines(Language::Zh), fixed);
        assert_eq!(lines(Language::ZhHant), fixed);
    }
}
