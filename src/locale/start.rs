//! The start: what listens, and what the timeouts will lead to.

use std::time::Duration;

use super::{
    Language, rounded,
    sentences::{fixed_sentences, sentences},
};
use crate::os::signals::SignalName;

fixed_sentences! {
    /// Everything is up.
    pub started { en: "server started", zh_any: "Server 啟動" }

    /// The run before left no report.
    pub previous_run_killed {
        en: "the previous run was killed: it left no report",
        zh: "上次运行被强行终止：没有留下报告",
        zh_hant: "上次執行被強行終止：沒有留下報告",
    }

    /// The default rejection's body.
    pub rejection {
        en: "shutting down, please try again\n",
        zh: "服务正在关闭，请稍后重试\n",
        zh_hant: "服務正在關閉，請稍後重試\n",
    }
}

sentences! {
    /// How the run before ended.
    pub previous_exit(verdict: &str) {
        en: "the previous exit: {verdict}",
        zh: "上次退出：{verdict}",
        zh_hant: "上次結束：{verdict}",
    }

    /// What the run before has left is no report.
    pub previous_report_unreadable(error: &str) {
        en: "how the previous run ended is not known: {error}",
        zh: "无法得知上次运行是如何结束的：{error}",
        zh_hant: "無法得知上次執行是如何結束的：{error}",
    }

    /// A server listens.
    pub listening(server: &str, url: &str) {
        en: "server {server} listens on {url}",
        zh: "服务器{server}监听 {url}",
        zh_hant: "伺服器{server}監聽 {url}",
    }

    /// The phases' timeouts add up to more than the deadline.
    pub overrun(worst: Duration => rounded, deadline: Duration => rounded) {
        en: "the phases' timeouts add up to {worst}, more than shutdown.timeout ({deadline}): an exit that uses them up is forced",
        zh: "各阶段时限合计 {worst}，超过 shutdown.timeout（{deadline}）：用满时限的退出会被强制结束",
        zh_hant: "各階段時限合計 {worst}，超過 shutdown.timeout（{deadline}）：用滿時限的關閉會被強制結束",
    }

    /// These events ask for an exit, and the system waits less for it than the deadline allows.
    pub ends_early(names: &str, wait: Duration => rounded, deadline: Duration => rounded) {
        en: "after {names} Windows ends the process within {wait}, before shutdown.timeout ({deadline}): set it lower, or HungAppTimeout and WaitToKillAppTimeout in the registry higher",
        zh: "收到 {names} 后，Windows 会在 {wait} 内结束进程，早于 shutdown.timeout（{deadline}）：请调低它，或调高注册表中的 HungAppTimeout 和 WaitToKillAppTimeout",
        zh_hant: "收到 {names} 後，Windows 會在 {wait} 內結束行程，早於 shutdown.timeout（{deadline}）：請調低它，或調高登錄檔中的 HungAppTimeout 和 WaitToKillAppTimeout",
    }
}

#[doc(hidden)]
impl Language {
    /// [`Language::ends_early`] for these signals.
    #[must_use]
    pub fn cut_short(self, names: &[SignalName], wait: Duration, deadline: Duration) -> String {
        let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        self.ends_early(&names.join(self.comma()), wait, deadline)
    }
}
