//! A report as a person reads it: the names of outcomes, phases and states, and the lines around them.

use std::{fmt::Display, time::Duration};

use super::{
    Language, rounded,
    sentences::{fixed_sentences, sentences},
};
use crate::sequence::{EndedBy, Kind, Outcome, TaskStatus};

fixed_sentences! {
    clean_outcome { en: "clean", zh: "正常", zh_hant: "正常" }
    incomplete_outcome { en: "incomplete", zh: "未全部完成", zh_hant: "未全部完成" }
    timed_out_outcome { en: "timed out", zh: "超时", zh_hant: "超時" }
    forced_outcome { en: "forced", zh: "强制", zh_hant: "強制" }

    by_timeout { en: "timed out", zh: "超时", zh_hant: "超時" }
    by_deadline { en: "cut by the deadline", zh: "因总时限中断", zh_hant: "因總時限中斷" }
    by_signal { en: "cut by a second signal", zh: "因第二个信号中断", zh_hant: "因第二個訊號中斷" }

    not_started_status { en: "not started", zh: "未开始", zh_hant: "未開始" }
    running_status { en: "running", zh: "进行中", zh_hant: "進行中" }
    done_status { en: "done", zh: "完成", zh_hant: "完成" }
    failed_status { en: "failed", zh: "失败", zh_hant: "失敗" }
    panicked_status { en: "panicked", zh: "崩溃", zh_hant: "崩潰" }
    unreachable_status { en: "unreachable", zh: "无法联系", zh_hant: "無法聯繫" }
    timed_out_status { en: "timed out", zh: "超时", zh_hant: "超時" }
    cut_off_status { en: "cut off", zh: "中断", zh_hant: "中斷" }

    /// Why a file is no report.
    pub report_too_large { en: "it is larger than 8 MiB", zh: "大于 8 MiB", zh_hant: "大於 8 MiB" }

    pub(crate) colon { en: ": ", zh: "：", zh_hant: "：" }
}

sentences! {
    /// A summary's first line.
    pub summary(outcome: &str, code: u8, total: Duration => rounded, reason: &str) {
        en: "the exit was {outcome}: exit code {code}, {total}, asked for by {reason}",
        zh: "退出结果：{outcome}，退出码 {code}，用时 {total}，由 {reason} 发起",
        zh_hant: "關閉結果：{outcome}，結束碼 {code}，用時 {total}，由 {reason} 發起",
    }

    /// A summary's line for a server.
    pub server_counts(name: &str, in_flight: u64, answered: u64, rejected: u64) {
        en: "server {name}: {in_flight} in flight, {answered} answered, {rejected} rejected",
        zh: "服务器{name}：执行中 {in_flight}，已应答 {answered}，已拒绝 {rejected}",
        zh_hant: "伺服器{name}：執行中 {in_flight}，已回應 {answered}，已拒絕 {rejected}",
    }

    after(time: Duration => rounded) { en: " after {time}", zh: "（{time}）", zh_hant: "（{time}）" }

    /// A file is no report, and why.
    pub no_report(path: &str, why: &dyn Display) {
        en: "{path}: this is not a report: {why}",
        zh: "{path}：不是报告：{why}",
        zh_hant: "{path}：不是報告：{why}",
    }

    server_name(name: &str) { en: "server {name}", zh: "服务器{name}", zh_hant: "伺服器{name}" }
    worker_name(name: &str) { en: "worker {name}", zh: "后台任务{name}", zh_hant: "背景工作{name}" }
    checkpoint_name(name: &str) { en: "checkpoint {name}", zh: "检查点{name}", zh_hant: "檢查點{name}" }
    callback_name(name: &str) { en: "callback {name}", zh: "回调{name}", zh_hant: "回呼{name}" }
    resource_name(name: &str) { en: "resource {name}", zh: "资源{name}", zh_hant: "資源{name}" }
}

#[doc(hidden)]
impl Language {
    /// The word for an outcome.
    #[must_use]
    pub const fn outcome(self, outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::Clean => self.clean_outcome(),
            Outcome::Incomplete => self.incomplete_outcome(),
            Outcome::TimedOut => self.timed_out_outcome(),
            Outcome::Forced => self.forced_outcome(),
        }
    }

    /// The words for what ended a phase; empty where nothing was left to wait for.
    #[must_use]
    pub const fn ended_by(self, by: EndedBy) -> &'static str {
        match by {
            EndedBy::Done => "",
            EndedBy::Timeout => self.by_timeout(),
            EndedBy::Deadline => self.by_deadline(),
            EndedBy::Signal => self.by_signal(),
        }
    }

    /// The words for where a task stands, or how it ended.
    #[must_use]
    pub const fn status(self, status: TaskStatus) -> &'static str {
        match status {
            TaskStatus::NotStarted => self.not_started_status(),
            TaskStatus::Running => self.running_status(),
            TaskStatus::Done => self.done_status(),
            TaskStatus::Failed => self.failed_status(),
            TaskStatus::Panicked => self.panicked_status(),
            TaskStatus::Unreachable => self.unreachable_status(),
            TaskStatus::TimedOut => self.timed_out_status(),
            TaskStatus::CutOff => self.cut_off_status(),
        }
    }

    /// A member, with its kind: in a summary nothing else says which it is.
    #[must_use]
    pub fn member(self, kind: Kind, name: &str) -> String {
        match kind {
            Kind::ServerFirst | Kind::ServerLast => self.server_name(name),
            Kind::BackgroundWorker => self.worker_name(name),
            Kind::Checkpoint => self.checkpoint_name(name),
            Kind::Callback => self.callback_name(name),
            Kind::Resource => self.resource_name(name),
        }
    }

    /// How a member ended: `callback flush: failed after 2.5s: disk full`.
    #[must_use]
    pub fn ended(
        self,
        label: &str,
        status: TaskStatus,
        after: Option<Duration>,
        error: Option<&str>,
    ) -> String {
        let (colon, status) = (self.colon(), self.status(status));
        let after = after.map(|after| self.after(after)).unwrap_or_default();
        let error = error.map(|error| format!("{colon}{error}")).unwrap_or_default();
        format!("{label}{colon}{status}{after}{error}")
    }
}
