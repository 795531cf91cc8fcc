//! `graceful-exit status`: the state of the running application.

use std::{fmt::Write, process::ExitCode, time::Duration};

use clap::ValueEnum;
use graceful_exit::{
    Language,
    locale::{escaped, escaped_json, rounded},
    sequence::{Outcome, PhaseKind, TaskStatus},
};
use hyper::{Method, StatusCode};

use super::{connection::ClientError, target::Target};
use crate::{
    locale::say,
    output::{exit_code, fail, print},
    view::{Member, View},
};

/// How it is printed: for a person, or as `/status` answers.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Prints the status. The exit code is 0 while it serves, 3 while it exits, 4 if nothing answers.
pub(crate) async fn status(target: &Target, format: Format) -> ExitCode {
    match ask(target).await {
        Ok((view, json)) => {
            let printed = print(&match format {
                Format::Text => text(&view, target.language),
                Format::Json => escaped_json(format!("{json:#}\n")),
            });
            if printed != ExitCode::SUCCESS || view.is_running() {
                return printed;
            }
            ExitCode::from(exit_code::EXITING)
        }
        Err(error) => fail(exit_code::NO_ANSWER, &error),
    }
}

async fn ask(target: &Target) -> Result<(View, serde_json::Value), ClientError> {
    let answer = target.request(Method::GET, "/status").await?;
    // Without a status the application starts, or has no server bound any more.
    if answer.status() != StatusCode::OK {
        return Err(target.refused(answer.status()));
    }
    let body = answer.bytes(target).await?;
    let json: serde_json::Value = serde_json::from_slice(&body).map_err(|error| target.foreign(error))?;
    let view = serde_json::from_value(json.clone()).map_err(|error| target.foreign(error))?;
    Ok((view, json))
}

fn text(view: &View, language: Language) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", headline(view, language));
    let about = [
        view.version.as_ref().map(|version| format!("graceful-exit {version}")),
        view.pid.map(|pid| format!("pid {pid}")),
        view.started_at
            .as_ref()
            .map(|since| say!(language, en: "since {since}", zh: "自 {since}", zh_hant: "自 {since}")),
    ];
    let about: Vec<_> = about.into_iter().flatten().collect();
    if !about.is_empty() {
        let _ = writeln!(text, "{}", escaped(&about.join(", ")));
    }
    if let Some(verdict) = &view.verdict {
        let _ = writeln!(text, "{}", escaped(verdict));
    }
    for server in &view.servers {
        let (name, in_flight) = (escaped(&server.name), server.in_flight);
        let (completed, rejected) = (server.completed, server.rejected);
        let line = say!(language,
            en: "server {name:<12} {in_flight} in flight, {completed} answered, {rejected} rejected",
            zh: "服务器 {name:<12} {in_flight} 个进行中，{completed} 个已应答，{rejected} 个被拒绝",
            zh_hant: "伺服器 {name:<12} {in_flight} 個進行中，{completed} 個已應答，{rejected} 個被拒絕",
        );
        let _ = writeln!(text, "{line}");
        for request in &server.oldest {
            let _ = writeln!(text, "  {}  {}", escaped(&request.name()), rounded(request.age));
        }
    }
    if !view.is_running() {
        for (kind, members) in [
            (say!(language, en: "checkpoint", zh: "检查点", zh_hant: "檢查點"), &view.checkpoints),
            (say!(language, en: "worker", zh: "后台任务", zh_hant: "背景工作"), &view.workers),
            (say!(language, en: "callback", zh: "回调", zh_hant: "回呼"), &view.callbacks),
            (say!(language, en: "resource", zh: "资源", zh_hant: "資源"), &view.resources),
        ] {
            for Member { name, state, error } in members {
                let error = error.as_ref().map(|error| format!(": {}", escaped(error))).unwrap_or_default();
                let state = TaskStatus::from_name(state).map_or(state.as_str(), |it| language.status(it));
                let _ = writeln!(text, "{kind} {:<12} {}{error}", escaped(name), escaped(state));
            }
        }
    }
    text
}

fn headline(view: &View, language: Language) -> String {
    if view.is_running() {
        return say!(language, en: "serving", zh: "正在服务", zh_hant: "正在服務");
    }
    let reason = escaped(view.reason.as_deref().unwrap_or("?"));
    if let (Some(outcome), Some(code)) = (&view.outcome, view.exit_code) {
        let outcome = Outcome::from_name(outcome).map_or(outcome.as_str(), |it| language.outcome(it));
        let outcome = escaped(outcome);
        return say!(language,
            en: "ended: {outcome}, exit code {code}, asked for by {reason}",
            zh: "已结束：{outcome}，退出码 {code}，由 {reason} 发起",
            zh_hant: "已結束：{outcome}，結束碼 {code}，由 {reason} 發起",
        );
    }
    let phase = PhaseKind::from_name(&view.phase).map_or(view.phase.as_str(), |it| language.phase_name(it));
    let phase = escaped(phase);
    let left = rounded(Duration::from_millis(view.deadline_left_ms.unwrap_or_default()));
    say!(language,
        en: "exiting: {phase}, {left} left of shutdown.timeout, asked for by {reason}",
        zh: "正在退出：{phase}，距 shutdown.timeout 还有 {left}，由 {reason} 发起",
        zh_hant: "正在關閉：{phase}，距 shutdown.timeout 還有 {left}，由 {reason} 發起",
    )
}
