//! Every sentence that an operator reads in the log, in each language.

use std::{env, fmt::Display, io, path::Path, time::Duration};

use crate::{
    os::signals::SignalName,
    sequence::{Kind, PhaseKind},
};

/// The language of the log's sentences and of the default rejection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// 中文.
    Zh,
}

impl Language {
    /// By `LC_ALL`, or by `LANG` where that is unset or empty: Chinese if it starts with `zh`, otherwise English.
    #[must_use]
    pub fn from_environment() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        match set("LC_ALL").or_else(|| set("LANG")) {
            Some(locale) if locale.starts_with("zh") => Self::Zh,
            Some(_) | None => Self::En,
        }
    }

    const fn either(self, en: &'static str, zh: &'static str) -> &'static str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    /// Everything is up.
    #[must_use]
    pub const fn started(self) -> &'static str {
        self.either("server started", "Server 啟動")
    }

    /// A server listens.
    #[must_use]
    pub fn listening(self, server: &str, address: &dyn Display) -> String {
        match self {
            Self::En => format!("server {server} listens on http://{address}"),
            Self::Zh => format!("服务器{server}监听 http://{address}"),
        }
    }

    /// The bounds add up to more than the deadline.
    #[must_use]
    pub fn overrun(self, worst: Duration, deadline: Duration) -> String {
        let (worst, deadline) = (rounded(worst), rounded(deadline));
        match self {
            Self::En => format!(
                "the phases' bounds add up to {worst}, more than shutdown.timeout ({deadline}): an exit that uses them up is forced"
            ),
            Self::Zh => format!(
                "各阶段时限合计 {worst}，超过 shutdown.timeout（{deadline}）：用满时限的退出会被强制结束"
            ),
        }
    }

    /// These ask for an exit, and the system waits less for it than the deadline allows.
    #[must_use]
    pub fn cut_short(self, names: &[SignalName], wait: Duration, deadline: Duration) -> String {
        let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        let (names, wait, deadline) = (names.join(self.either(", ", "、")), rounded(wait), rounded(deadline));
        match self {
            Self::En => format!(
                "after {names} Windows ends the process within {wait}, before shutdown.timeout ({deadline}): set it lower, or HungAppTimeout and WaitToKillAppTimeout in the registry higher"
            ),
            Self::Zh => format!(
                "收到 {names} 后，Windows 会在 {wait} 内结束进程，早于 shutdown.timeout（{deadline}）：请调低它，或调高注册表中的 HungAppTimeout 和 WaitToKillAppTimeout"
            ),
        }
    }

    /// The exit begins.
    #[must_use]
    pub const fn begun(self) -> &'static str {
        self.either("shutting down: no new requests from here on", "开始关闭应用，停止接收新请求")
    }

    /// A phase begins.
    #[must_use]
    pub fn phase(self, kind: PhaseKind, delay: Duration) -> String {
        match kind {
            PhaseKind::ReadyDelay => {
                let delay = rounded(delay);
                match self {
                    Self::En => format!("not ready, but serving for another {delay}"),
                    Self::Zh => format!("已标记为未就绪，继续服务 {delay}"),
                }
            }
            PhaseKind::Drain => {
                self.either("waiting for the requests in flight", "等待正在执行请求完结").into()
            }
            PhaseKind::CloseServers => self.either("closing the servers", "开始关闭服务器").into(),
            PhaseKind::Callbacks => self.either("running the callbacks", "开始执行自定义回调").into(),
            PhaseKind::Release => self.either("releasing resources", "开始释放资源").into(),
            PhaseKind::CloseLast => self.either("closing the last servers", "开始关闭最后的服务器").into(),
        }
    }

    /// A server begins to close.
    #[must_use]
    pub fn closing(self, server: &str) -> String {
        match self {
            Self::En => format!("server {server} is closing"),
            Self::Zh => format!("服务器{server}关闭中"),
        }
    }

    /// A server has closed.
    #[must_use]
    pub fn closed(self, server: &str) -> String {
        match self {
            Self::En => format!("server {server} is closed"),
            Self::Zh => format!("服务器{server}已关闭"),
        }
    }

    /// A server ended without having been asked.
    #[must_use]
    pub fn server_failed(self, server: &str) -> String {
        match self {
            Self::En => format!("server {server} failed"),
            Self::Zh => format!("服务器{server}异常终止"),
        }
    }

    /// What the log calls a member that was given no label.
    #[must_use]
    pub fn label(self, kind: Kind, name: &str) -> String {
        match (self, kind) {
            (_, Kind::Callback) => name.to_owned(),
            (Self::En, Kind::Resource) => format!("releasing {name}"),
            (Self::En, Kind::Worker) => format!("worker {name}"),
            (Self::En, Kind::ServerFirst | Kind::ServerLast) => format!("server {name}"),
            (Self::Zh, Kind::Resource) => format!("释放资源{name}"),
            (Self::Zh, Kind::Worker) => format!("后台任务{name}"),
            (Self::Zh, Kind::ServerFirst | Kind::ServerLast) => format!("服务器{name}"),
        }
    }

    /// Somebody's bound is over, or the deadline came first.
    #[must_use]
    pub fn timed_out(self, label: &str) -> String {
        match self {
            Self::En => format!("{label}: timed out"),
            Self::Zh => format!("{label}超时"),
        }
    }

    /// Somebody answered with an error.
    #[must_use]
    pub fn failed(self, label: &str, error: &str) -> String {
        match self {
            Self::En => format!("{label}: failed: {error}"),
            Self::Zh => format!("{label}失败：{error}"),
        }
    }

    /// Somebody panicked.
    #[must_use]
    pub fn panicked(self, label: &str, error: &str) -> String {
        match self {
            Self::En => format!("{label}: panicked: {error}"),
            Self::Zh => format!("{label}崩溃：{error}"),
        }
    }

    /// Somebody could not be asked.
    #[must_use]
    pub fn unreachable(self, label: &str) -> String {
        match self {
            Self::En => format!("{label}: cannot be reached, its actor has stopped"),
            Self::Zh => format!("{label}无法联系：其 actor 已停止"),
        }
    }

    /// What is lost with somebody who did not finish.
    #[must_use]
    pub fn lost(self, label: &str, what: &str) -> String {
        match self {
            Self::En => format!("{label}: lost: {what}"),
            Self::Zh => format!("{label}丢失：{what}"),
        }
    }

    /// A request is cut off.
    #[must_use]
    pub fn abandoned(self, server: &str, method: &str, path: &str, age: Duration) -> String {
        let age = rounded(age);
        match self {
            Self::En => format!("server {server}: cut off {method} {path} after {age}"),
            Self::Zh => format!("服务器{server}：已中断 {method} {path}（已执行 {age}）"),
        }
    }

    /// A second signal came.
    #[must_use]
    pub const fn forced(self) -> &'static str {
        self.either("forced to exit", "強制退出")
    }

    /// The deadline passed.
    #[must_use]
    pub const fn deadline(self) -> &'static str {
        self.either("out of time: forced to exit", "超時強制退出")
    }

    /// The exit is over, and clean.
    #[must_use]
    pub const fn clean(self) -> &'static str {
        self.either("shut down", "应用关闭")
    }

    /// The exit is over, and something was abandoned or failed.
    #[must_use]
    pub const fn incomplete(self) -> &'static str {
        self.either("shut down, but not everything was finished", "应用关闭，但有工作未完成")
    }

    /// What the exit guard writes when the deadline has passed and nothing else can write any more.
    #[must_use]
    pub const fn guard_deadline(self) -> &'static str {
        self.either("out of time: forced to exit (by the guard)\n", "超時強制退出（由守护线程执行）\n")
    }

    /// What the exit guard writes when a second signal came and nothing else can write any more.
    #[must_use]
    pub const fn guard_forced(self) -> &'static str {
        self.either("forced to exit (by the guard)\n", "強制退出（由守护线程执行）\n")
    }

    /// The default rejection's body.
    #[must_use]
    pub const fn rejection(self) -> &'static str {
        self.either("shutting down, please try again\n", "服务正在关闭，请稍后重试\n")
    }

    /// While waiting: how many requests are left, the oldest, and how much time they have.
    #[must_use]
    pub fn progress_requests(
        self,
        left: u64,
        oldest: Option<(&str, &str, Duration)>,
        bound: Duration,
    ) -> String {
        let bound = rounded(bound);
        let oldest = oldest.map(|(method, path, age)| {
            let age = rounded(age);
            match self {
                Self::En => format!(", the oldest {method} {path} ({age})"),
                Self::Zh => format!("，最早的是 {method} {path}（{age}）"),
            }
        });
        let oldest = oldest.unwrap_or_default();
        match self {
            Self::En if left == 1 => format!("still waiting for 1 request{oldest}; {bound} left"),
            Self::En => format!("still waiting for {left} requests{oldest}; {bound} left"),
            Self::Zh => format!("仍在等待 {left} 个请求{oldest}；剩余 {bound}"),
        }
    }

    /// While waiting: who is left, and how much time they have.
    #[must_use]
    pub fn progress_members(self, labels: &[String], more: usize, bound: Duration) -> String {
        let bound = rounded(bound);
        let names = labels.join(self.either(", ", "、"));
        match (self, more) {
            (Self::En, 0) => format!("still waiting for {names}; {bound} left"),
            (Self::En, more) => format!("still waiting for {names} and {more} more; {bound} left"),
            (Self::Zh, 0) => format!("仍在等待 {names}；剩余 {bound}"),
            (Self::Zh, more) => format!("仍在等待 {names} 等另外 {more} 个；剩余 {bound}"),
        }
    }

    /// A summary's first line.
    #[must_use]
    pub fn summary(self, outcome: &str, code: u8, total: Duration, reason: &str) -> String {
        let total = rounded(total);
        match self {
            Self::En => format!("the exit was {outcome}: exit code {code}, {total}, asked for by {reason}"),
            Self::Zh => format!("退出结果：{outcome}，退出码 {code}，用时 {total}，由 {reason} 发起"),
        }
    }

    /// An outcome, by its name in a report.
    #[must_use]
    pub fn outcome(self, name: &str) -> &str {
        match name {
            "clean" => self.either("clean", "正常"),
            "incomplete" => self.either("incomplete", "未全部完成"),
            "timed_out" => self.either("timed out", "超时"),
            "forced" => self.either("forced", "强制"),
            name => name,
        }
    }

    /// A phase, by its name in a report.
    #[must_use]
    pub fn phase_name(self, name: &str) -> &str {
        match name {
            "ready_delay" => self.either("not ready, yet serving", "未就绪但继续服务"),
            "drain" => self.either("drain", "等待请求完结"),
            "close_servers" => self.either("close servers", "关闭服务器"),
            "callbacks" => self.either("callbacks", "执行回调"),
            "release" => self.either("release", "释放资源"),
            "close_last" => self.either("close last servers", "关闭最后的服务器"),
            name => name,
        }
    }

    /// What ended a phase, by its name in a report; nothing where there was nothing left to wait for.
    #[must_use]
    pub fn ended_by(self, name: &str) -> &str {
        match name {
            "done" => "",
            "timeout" => self.either("timed out", "超时"),
            "deadline" => self.either("cut by the deadline", "因总时限中断"),
            "signal" => self.either("cut by a second signal", "因第二个信号中断"),
            name => name,
        }
    }

    /// What became of a callback, a resource or a worker, by its name in a report.
    #[must_use]
    pub fn fate(self, name: &str) -> &str {
        match name {
            "not_started" => self.either("not started", "未开始"),
            "running" => self.either("running", "进行中"),
            "done" => self.either("done", "完成"),
            "failed" => self.either("failed", "失败"),
            "panicked" => self.either("panicked", "崩溃"),
            "unreachable" => self.either("unreachable", "无法联系"),
            "timed_out" => self.either("timed out", "超时"),
            "cut_off" => self.either("cut off", "中断"),
            name => name,
        }
    }

    /// A member, with its kind: in a summary nothing else says which it is.
    #[must_use]
    pub fn member(self, kind: Kind, name: &str) -> String {
        let kind = match kind {
            Kind::ServerFirst | Kind::ServerLast => self.either("server ", "服务器"),
            Kind::Worker => self.either("worker ", "后台任务"),
            Kind::Callback => self.either("callback ", "回调"),
            Kind::Resource => self.either("resource ", "资源"),
        };
        format!("{kind}{name}")
    }

    /// A member that did not do its part: what became of it, when, and with what error.
    #[must_use]
    pub fn failure(self, label: &str, fate: &str, after: Option<Duration>, error: Option<&str>) -> String {
        let after = after.map(rounded);
        let (after, colon) = match self {
            Self::En => (after.map(|after| format!(" after {after}")), ": "),
            Self::Zh => (after.map(|after| format!("（{after}）")), "："),
        };
        let error = error.map(|error| format!("{colon}{error}")).unwrap_or_default();
        format!("{label}{colon}{fate}{}{error}", after.unwrap_or_default())
    }

    /// So many more are not named.
    #[must_use]
    pub fn more(self, more: usize) -> String {
        match self {
            Self::En => format!("and {more} more"),
            Self::Zh => format!("等另外 {more} 个"),
        }
    }

    /// The log could not write some lines, and can again.
    #[must_use]
    pub fn log_lost(self, lines: u64) -> String {
        match (self, lines) {
            (Self::En, 1) => "1 line of the log was lost: it could not be written".to_owned(),
            (Self::En, _) => format!("{lines} lines of the log were lost: they could not be written"),
            (Self::Zh, _) => format!("有 {lines} 行日志无法写出，已丢失"),
        }
    }

    /// What one output of the log says of another; without a path that is standard error.
    #[must_use]
    pub fn log_unwritable(self, path: Option<&Path>, error: &io::Error) -> String {
        match (self, path) {
            (Self::En, Some(path)) => format!("the log file {} cannot be written: {error}", path.display()),
            (Self::En, None) => format!("the log cannot be written to standard error: {error}"),
            (Self::Zh, Some(path)) => format!("日志文件 {} 无法写入：{error}", path.display()),
            (Self::Zh, None) => format!("日志无法写到标准错误输出：{error}"),
        }
    }

    /// The report cannot be written.
    #[must_use]
    pub fn report_failed(self, path: &dyn Display, error: &dyn Display) -> String {
        match self {
            Self::En => format!("the report cannot be written to {path}: {error}"),
            Self::Zh => format!("报告无法写入 {path}：{error}"),
        }
    }
}

/// A duration as a person reads it: `5.0s`, `120ms`.
#[must_use]
pub fn rounded(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else if duration < Duration::from_mins(2) {
        format!("{:.1}s", duration.as_secs_f64())
    } else {
        format!("{}m{:02}s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}
