//! A report as a person reads it: the names of outcomes and phases, and the lines around them.

use std::time::Duration;

use super::{Language, rounded, sentences::sentences};
use crate::sequence::Kind;

sentences! {
    /// A summary's first line.
    pub summary(outcome: &str, code: u8, total: Duration => rounded, reason: &str) {
        en: "the exit was {outcome}: exit code {code}, {total}, asked for by {reason}",
        zh: "退出结果：{outcome}，退出码 {code}，用时 {total}，由 {reason} 发起",
        zh_hant: "退出結果：{outcome}，退出碼 {code}，用時 {total}，由 {reason} 發起",
    }
}

impl Language {
    const fn pick(self, en: &'static str, zh: &'static str, zh_hant: &'static str) -> &'static str {
        match self {
            Self::En => en,
            Self::Zh => zh,
            Self::ZhHant => zh_hant,
        }
    }

    /// An outcome, by its name in a report.
    #[must_use]
    pub fn outcome(self, name: &str) -> &str {
        match name {
            "clean" => self.pick("clean", "正常", "正常"),
            "incomplete" => self.pick("incomplete", "未全部完成", "未全部完成"),
            "timed_out" => self.pick("timed out", "超时", "超時"),
            "forced" => self.pick("forced", "强制", "強制"),
            name => name,
        }
    }

    /// A phase, by its name in a report.
    #[must_use]
    pub fn phase_name(self, name: &str) -> &str {
        match name {
            "ready_delay" => self.pick("not ready, yet serving", "未就绪但继续服务", "未就緒但繼續服務"),
            "drain" => self.pick("drain", "等待请求完结", "等待請求完結"),
            "close_servers" => self.pick("close servers", "关闭服务器", "關閉伺服器"),
            "callbacks" => self.pick("callbacks", "执行回调", "執行回呼"),
            "release" => self.pick("release", "释放资源", "釋放資源"),
            "close_last" => self.pick("close last servers", "关闭最后的服务器", "關閉最後的伺服器"),
            name => name,
        }
    }

    /// What ended a phase, by its name in a report; nothing where there was nothing left to wait for.
    #[must_use]
    pub fn ended_by(self, name: &str) -> &str {
        match name {
            "done" => "",
            "timeout" => self.pick("timed out", "超时", "超時"),
            "deadline" => self.pick("cut by the deadline", "因总时限中断", "因總時限中斷"),
            "signal" => self.pick("cut by a second signal", "因第二个信号中断", "因第二個訊號中斷"),
            name => name,
        }
    }

    /// How a callback, a resource or a worker ended, by its name in a report.
    #[must_use]
    pub fn fate(self, name: &str) -> &str {
        match name {
            "not_started" => self.pick("not started", "未开始", "未開始"),
            "running" => self.pick("running", "进行中", "進行中"),
            "done" => self.pick("done", "完成", "完成"),
            "failed" => self.pick("failed", "失败", "失敗"),
            "panicked" => self.pick("panicked", "崩溃", "崩潰"),
            "unreachable" => self.pick("unreachable", "无法联系", "無法聯繫"),
            "timed_out" => self.pick("timed out", "超时", "超時"),
            "cut_off" => self.pick("cut off", "中断", "中斷"),
            name => name,
        }
    }

    /// A member, with its kind: in a summary nothing else says which it is.
    #[must_use]
    pub fn member(self, kind: Kind, name: &str) -> String {
        let kind = match kind {
            Kind::ServerFirst | Kind::ServerLast => self.pick("server ", "服务器", "伺服器"),
            Kind::Worker => self.pick("worker ", "后台任务", "背景工作"),
            Kind::Checkpoint => self.pick("checkpoint ", "检查点", "檢查點"),
            Kind::Callback => self.pick("callback ", "回调", "回呼"),
            Kind::Resource => self.pick("resource ", "资源", "資源"),
        };
        format!("{kind}{name}")
    }

    /// A member that did not do its part: how it ended, when, and with what error.
    #[must_use]
    pub fn failure(self, label: &str, fate: &str, after: Option<Duration>, error: Option<&str>) -> String {
        let after = after.map(rounded);
        let (after, colon) = match self {
            Self::En => (after.map(|after| format!(" after {after}")), ": "),
            Self::Zh | Self::ZhHant => (after.map(|after| format!("（{after}）")), "："),
        };
        let error = error.map(|error| format!("{colon}{error}")).unwrap_or_default();
        format!("{label}{colon}{fate}{}{error}", after.unwrap_or_default())
    }
}
