//! The clauses of the verdict: how an exit ended and why.

use std::time::Duration;

use super::{
    Language, rounded,
    sentences::{fixed_sentences, sentences},
};
use crate::sequence::{Outcome, TaskStatus};

fixed_sentences! {
    clean_verdict { en: "Clean", zh: "正常结束", zh_hant: "正常結束" }
    incomplete_verdict { en: "Incomplete", zh: "未全部完成", zh_hant: "未全部完成" }
    timed_out_verdict { en: "Out of time", zh: "超时", zh_hant: "超時" }
    forced_verdict { en: "Forced", zh: "强制结束", zh_hant: "強制結束" }

    /// What stands between two clauses.
    pub semicolon { en: "; ", zh: "；", zh_hant: "；" }

    one_unanswered {
        en: "1 request ended without a full answer",
        zh: "1 个请求未得到完整应答即结束",
        zh_hant: "1 個請求未得到完整回應即結束"
    }
    nothing_in_flight { en: "no request was in flight", zh: "没有执行中的请求", zh_hant: "沒有執行中的請求" }
}

sentences! {
    one_cut(named: &str) {
        en: "1 request was cut off{named}",
        zh: "1 个请求被中断{named}",
        zh_hant: "1 個請求被中斷{named}",
    }
    many_cut(count: usize, named: &str) {
        en: "{count} requests were cut off{named}",
        zh: "{count} 个请求被中断{named}",
        zh_hant: "{count} 個請求被中斷{named}",
    }
    after_draining(time: Duration => rounded) {
        en: " after {time} of draining",
        zh: "（已等待 {time}）",
        zh_hant: "（已等待 {time}）",
    }
    in_brackets(names: &str) { en: " ({names})", zh: "（{names}）", zh_hant: "（{names}）" }

    many_unanswered(count: u64) {
        en: "{count} requests ended without a full answer",
        zh: "{count} 个请求未得到完整应答即结束",
        zh_hant: "{count} 個請求未得到完整回應即結束",
    }

    /// How many requests were answered and how many rejected.
    pub answered(answered: u64, rejected: u64) {
        en: "{answered} answered, {rejected} rejected",
        zh: "{answered} 个已应答，{rejected} 个被拒绝",
        zh_hant: "{answered} 個已回應，{rejected} 個被拒絕",
    }

    /// The deadline ended the exit.
    pub deadline_passed(total: Duration => rounded, phase: &str) {
        en: "the deadline passed after {total} ({phase})",
        zh: "总时限 {total} 已到（{phase}）",
        zh_hant: "總時限 {total} 已到（{phase}）",
    }

    /// A second signal ended the exit.
    pub second_signal(total: Duration => rounded, phase: &str) {
        en: "a second signal came after {total} ({phase})",
        zh: "{total} 后收到第二个信号（{phase}）",
        zh_hant: "{total} 後收到第二個訊號（{phase}）",
    }

    failed_clause(name: &str) { en: "{name} failed", zh: "{name}失败", zh_hant: "{name}失敗" }
    panicked_clause(name: &str) { en: "{name} panicked", zh: "{name}崩溃", zh_hant: "{name}崩潰" }
    unreachable_clause(name: &str) {
        en: "{name} could not be reached",
        zh: "{name}无法联系",
        zh_hant: "{name}無法聯繫",
    }
    timed_out_clause(name: &str, time: Duration => rounded) {
        en: "{name} timed out after {time}",
        zh: "{name}超时（{time}）",
        zh_hant: "{name}超時（{time}）",
    }
    cut_off_clause(name: &str, time: Duration => rounded) {
        en: "{name} was cut off after {time}",
        zh: "{name}被中断（{time}）",
        zh_hant: "{name}被中斷（{time}）",
    }
    not_started_clause(name: &str) { en: "{name} was not started", zh: "{name}未开始", zh_hant: "{name}未開始" }
    done_clause(name: &str) { en: "{name} was done", zh: "{name}已完成", zh_hant: "{name}已完成" }
}

#[doc(hidden)]
impl Language {
    /// The verdict's first word.
    #[must_use]
    pub const fn verdict(self, outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::Clean => self.clean_verdict(),
            Outcome::Incomplete => self.incomplete_verdict(),
            Outcome::TimedOut => self.timed_out_verdict(),
            Outcome::Forced => self.forced_verdict(),
        }
    }

    /// How many requests were cut off, after how long a drain, and which.
    #[must_use]
    pub fn requests_cut(self, count: usize, drained: Option<Duration>, names: &str) -> String {
        let after = drained.map(|drained| self.after_draining(drained)).unwrap_or_default();
        let ending = format!("{after}{}", self.in_brackets(names));
        if count == 1 { self.one_cut(&ending) } else { self.many_cut(count, &ending) }
    }

    /// How a job ended that was not done, and with what error.
    #[must_use]
    pub fn job_ended(self, name: &str, status: TaskStatus, time: Duration, error: Option<&str>) -> String {
        let clause = match status {
            TaskStatus::NotStarted => self.not_started_clause(name),
            TaskStatus::Done => self.done_clause(name),
            TaskStatus::Failed => self.failed_clause(name),
            TaskStatus::Panicked => self.panicked_clause(name),
            TaskStatus::Unreachable => self.unreachable_clause(name),
            TaskStatus::TimedOut => self.timed_out_clause(name, time),
            TaskStatus::Running | TaskStatus::CutOff => self.cut_off_clause(name, time),
        };
        let error = error.map(|error| format!("{}{error}", self.colon())).unwrap_or_default();
        format!("{clause}{error}")
    }

    /// How many requests were in flight when rejecting began, where none was answered, rejected or cut off.
    #[must_use]
    pub fn unanswered(self, in_flight: u64) -> String {
        match in_flight {
            0 => self.nothing_in_flight().to_owned(),
            1 => self.one_unanswered().to_owned(),
            _ => self.many_unanswered(in_flight),
        }
    }
}
