//! `graceful-exit stop`: starts the running application's exit, and follows it to its end.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use graceful_exit::locale::escaped;
use hyper::{Method, StatusCode};
use tokio::time::timeout;

use super::{
    connection::{Answer, ClientError},
    target::Target,
};
use crate::{
    locale::say,
    output::{exit_code, fail, print},
    progress::Bar,
    view::View,
};

/// How often the bar is drawn.
const REDRAW: Duration = Duration::from_millis(100);

/// Starts the exit. With `wait` it ends with the application's own exit code, and with 4 where the application ends
/// without telling one.
pub(crate) async fn stop(target: &Target, wait: bool) -> ExitCode {
    match ask(target, wait).await {
        Ok(None) => {
            let language = target.language;
            print(&say!(language, en: "the exit has begun\n", zh: "退出已开始\n", zh_hant: "關閉已開始\n"))
        }
        Ok(Some(events)) => follow(target, events).await,
        Err(error) => fail(exit_code::NO_ANSWER, &error),
    }
}

/// Asks for the exit; with its events where they are waited for.
async fn ask(target: &Target, wait: bool) -> Result<Option<Answer>, ClientError> {
    // The events first: an exit can be over before a second connection is made.
    let events = if wait { Some(target.request(Method::GET, "/events").await?) } else { None };
    let events = match events {
        Some(events) if events.status() != StatusCode::OK => return Err(refusal(target, events).await),
        events => events,
    };
    let answer = target.request(Method::POST, "/shutdown").await?;
    if answer.status() == StatusCode::ACCEPTED { Ok(events) } else { Err(target.refused(answer.status())) }
}

/// Why there is no event stream.
async fn refusal(target: &Target, answer: Answer) -> ClientError {
    let status = answer.status();
    // The server refuses for other reasons with the same status.
    let is_full = status == StatusCode::SERVICE_UNAVAILABLE
        && answer.bytes(target).await.is_ok_and(|body| body.starts_with(b"too many event streams"));
    if is_full { target.too_many_streams() } else { target.refused(status) }
}

/// Shows the events until the last one, which has the exit code.
async fn follow(target: &Target, mut events: Answer) -> ExitCode {
    let language = target.language;
    let bar = Bar::on_terminal();
    let mut text = Vec::new();
    let mut last: Option<(View, Instant)> = None;
    loop {
        // Between two events, the time goes on.
        if let (Some(bar), Some((view, since))) = (&bar, &last) {
            bar.show(&view.later(since.elapsed()), language);
        }
        match timeout(REDRAW, events.piece()).await {
            Ok(Some(piece)) => text.extend_from_slice(&piece),
            Ok(None) => break,
            Err(_) => continue,
        }
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let view = line.strip_prefix(b"data:").and_then(|data| serde_json::from_slice::<View>(data).ok());
            last = view.map(|view| (view, Instant::now())).or(last);
        }
    }
    if let Some(bar) = &bar {
        bar.clear();
    }
    let ended = last.and_then(|(view, _)| Some((view.exit_code?, view)));
    let Some((code, view)) = ended else {
        return fail(
            exit_code::NO_ANSWER,
            &say!(language,
                en: "the application did not say how its exit ended: it was killed, or the connection broke",
                zh: "应用没有告知退出结果：它被强行终止，或连接已中断",
                zh_hant: "應用程式沒有告知關閉的結果：它被強行終止，或連線已中斷",
            ),
        );
    };
    let verdict = if let Some(verdict) = &view.verdict {
        escaped(verdict).into_owned()
    } else {
        let outcome = view.outcome.as_deref().unwrap_or_default();
        say!(language,
            en: "{outcome}, exit code {code}",
            zh: "{outcome}，退出码 {code}",
            zh_hant: "{outcome}，結束碼 {code}",
        )
    };
    print(&format!("{verdict}\n"));
    ExitCode::from(code)
}
