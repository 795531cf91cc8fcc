//! The exit as the settings want it.

use actix_web::{http::StatusCode, web::Bytes};
use graceful_exit::{
    GracefulExit, Language, Rejection,
    logging::{Format, Logging},
    settings::Settings,
};

use crate::progress::Progress;

/// The exit that the settings ask for, without its members.
pub(crate) fn configured(
    settings: &Settings,
    language: Language,
    logging: &Logging,
    progress: Option<Progress>,
) -> GracefulExit {
    let shutdown = &settings.shutdown;
    let (logging, unlogged) = (logging.clone(), logging.clone());
    let mut exit = GracefulExit::builder()
        .timeouts(shutdown.timeouts)
        .progress_interval(shutdown.progress_interval)
        .exit_codes(settings.exit_codes)
        .language(language)
        // JSON has all of it in the fields of its events.
        .log_summary(settings.log.summary && settings.log.format == Format::Text)
        .rejection(rejection(settings, language))
        .hard_stop_line(move |event, sentence| unlogged.unlogged(event, sentence))
        .signals(shutdown.signals.clone())
        .flush_log(move |timeout| {
            if let Some(progress) = &progress {
                progress.clear(timeout);
            }
            logging.flush(timeout);
        });
    if let Some(path) = &settings.report.path {
        exit = exit.report_to(path).report_keep(settings.report.keep);
    }
    exit
}

fn rejection(settings: &Settings, language: Language) -> Rejection {
    let reject = &settings.reject;
    let body = reject.body.clone().unwrap_or_else(|| language.rejection().to_owned());
    Rejection {
        // The settings allow 400 to 599 alone.
        status: StatusCode::from_u16(reject.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
        body: Bytes::from(body),
        retry_after_seconds: reject.retry_after.as_secs() + u64::from(reject.retry_after.subsec_nanos() > 0),
    }
}
