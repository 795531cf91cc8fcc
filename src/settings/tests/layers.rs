//! Each layer, and which of them wins.

use std::{error::Error, fs, path::PathBuf};

use super::{Outcome, environment, set};
use crate::{
    locale::Language,
    logging::Format,
    os::signals::SignalName,
    settings::{BindAddress, Settings, Source, keys},
};

#[test]
fn later_layers_win_and_only_over_what_they_name() -> Outcome {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| -> std::io::Result<PathBuf> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    };
    let first = write(
        "first.toml",
        "[shutdown]\ntimeout = \"1s\"\nkeep_alive_grace = \"1s\"\ncoalesce = \"1s\"\nstop_timeout = \"1s\"",
    )?;
    // A byte order mark and Windows' line ends are no obstacle.
    let second = write(
        "second.toml",
        "\u{feff}[shutdown]\r\ntimeout = '2s'\r\nkeep_alive_grace = '2s'\r\ncoalesce = '2s'\r\n",
    )?;
    let mut layers = environment(&[
        ("GRACEFUL_EXIT__SHUTDOWN__TIMEOUT", "3s"),
        ("GRACEFUL_EXIT__SHUTDOWN__KEEP_ALIVE_GRACE", "3s"),
        ("GRACEFUL_EXIT__SERVERS__ADMIN__WORKERS", "3"),
        ("GRACEFUL_EXIT_SHUTDOWN", "of nothing"),
        ("PATH", "/bin"),
    ]);
    layers.files = vec![first, second];
    layers.set = ["shutdown.timeout=4s", "shutdown.timeout=5s"].map(str::to_owned).to_vec();
    let settings = Settings::load(&layers)?;
    let shutdown = &settings.shutdown;
    let times = shutdown.timeouts;
    let seconds = [times.stop_timeout, times.coalesce, times.keep_alive_grace, times.timeout]
        .map(|time| time.as_secs());
    assert_eq!(seconds, [1, 2, 3, 5]);
    assert_eq!(settings.servers.admin.workers, Some(3.try_into()?));
    assert_eq!(settings.servers.business.workers, None);
    Ok(())
}

#[test]
fn text_is_taken_as_it_stands_unless_it_is_quoted_and_the_rest_is_toml() -> Outcome {
    let settings = set(&[
        "reject.body=full [stop] = \"now\" \\n",
        "log.file='a\\b.log'",
        "report.path=\"a\\tb\"",
        "admin.token=8080808080808080",
        "log.format=json",
        "log.summary=false",
        "exit_codes.forced=0xFF",
        "servers.admin.workers=cores",
        "servers.business.workers=512",
        "shutdown.signals=[\"SIGTERM\", 'CTRL_C', \"SIGTERM\"]",
        "shutdown.progress_interval=0s",
        "cache={ spool = \"s\", store = \"postgres://me@host/db\" }",
        "servers.admin.bind=[::1]:0",
        "servers.business.bind=[\"localhost:80\", \"unix:/run/web.sock\"]",
        "servers.admin.unix_mode=0600",
        "servers.business.unix_mode=640",
        "cache.max_dirty_bytes=1000000",
        "log.language=zh-Hant",
    ])?;
    assert_eq!(settings.servers.admin.bind, [BindAddress::Tcp("[::1]:0".to_owned())]);
    let business = [BindAddress::Tcp("localhost:80".to_owned()), BindAddress::Unix("/run/web.sock".into())];
    assert_eq!(settings.servers.business.bind, business);
    assert_eq!((settings.servers.admin.unix_mode, settings.servers.business.unix_mode), (0o600, 0o640));
    assert_eq!(settings.cache.max_dirty_bytes, 1_000_000);
    assert_eq!(settings.log.language, Some(Language::ZhHant));
    assert_eq!(settings.reject.body.as_deref(), Some("full [stop] = \"now\" \\n"));
    assert_eq!(settings.log.file, Some("a\\b.log".into()));
    assert_eq!(settings.report.path, Some("a\tb".into()));
    assert_eq!(settings.admin.token.as_deref(), Some("8080808080808080"));
    assert_eq!((settings.log.format, settings.log.summary), (Format::Json, false));
    assert_eq!(settings.exit_codes.forced, 255);
    assert_eq!(settings.servers.business.workers, Some(512.try_into()?));
    assert_eq!(settings.shutdown.signals, [SignalName::Term, SignalName::CtrlC, SignalName::Term]);
    assert_eq!(settings.shutdown.progress_interval.as_secs(), 0);
    assert_eq!(settings.cache.spool, PathBuf::from("s"));
    Ok(())
}

#[test]
fn a_variable_that_sets_nothing_is_told_with_the_one_that_was_probably_meant() -> Outcome {
    let unused = |name: &str| -> Result<Option<String>, Box<dyn Error>> {
        let loaded = environment(&[(name, "1")]).load()?;
        Ok(loaded.unused.first().map(|unused| unused.message(Language::En)))
    };
    for (given, meant) in [
        ("GRACEFUL_EXIT_SHUTDOWN_TIMEOUT", Some("GRACEFUL_EXIT__SHUTDOWN__TIMEOUT")),
        ("GRACEFUL_EXIT_SHUTDOWN__DRAIN_TIMEOUT", Some("GRACEFUL_EXIT__SHUTDOWN__DRAIN_TIMEOUT")),
        ("GRACEFUL_EXIT_SERVERS_ADMIN_TLS_KEY", Some("GRACEFUL_EXIT__SERVERS__ADMIN__TLS__KEY")),
        ("GRACEFUL_EXIT_LOG_LEVLE", Some("GRACEFUL_EXIT__LOG__LEVEL")),
        ("GRACEFUL_EXIT_PLATYPUS", None),
    ] {
        let message = unused(given)?.unwrap_or_default();
        let expected = match meant {
            Some(meant) => {
                format!("the variable {given} sets nothing: it names no key; did you mean {meant}?")
            }
            None => format!("the variable {given} sets nothing: it names no key"),
        };
        assert_eq!(message, expected);
    }
    assert_eq!(unused("GRACEFUL_EXITS")?, None);
    assert_eq!(unused("GRACEFUL_EXIT")?, None);
    Ok(())
}

#[test]
fn every_setting_tells_its_value_and_its_source_and_no_secret() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("my.toml");
    fs::write(&path, "[shutdown]\n\ntimeout = \"80s\"\n")?;
    let mut layers = environment(&[("GRACEFUL_EXIT__ADMIN__TOKEN", "hushhushhushhush")]);
    layers.files = vec![path.clone()];
    layers.set = vec!["cache.store=postgres://me:hush@host/db".to_owned()];
    let loaded = layers.load()?;
    let entry = |key: &str| loaded.entries().find(|entry| entry.key == key);
    let shown = |key: &str| entry(key).map(|entry| (entry.value.to_string(), entry.source));
    let file = Source::File { path: path.as_path().into(), line: 3 };
    assert_eq!(shown("shutdown.timeout"), Some(("\"1m20s\"".to_owned(), file)));
    let variable = Source::Variable("GRACEFUL_EXIT__ADMIN__TOKEN".to_owned());
    assert_eq!(shown("admin.token"), Some(("\"***\"".to_owned(), variable)));
    assert_eq!(shown("cache.store"), Some(("\"postgres://host/***\"".to_owned(), Source::Set)));
    assert_eq!(shown("reject.status"), Some(("503".to_owned(), Source::Default)));
    assert_eq!(loaded.entries().count(), keys::names().count());
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_named() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    use super::refusal;
    use crate::settings::Layers;

    let layers = |name: &[u8], value: &[u8]| Layers {
        environment: vec![(OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec()))],
        ..Layers::default()
    };
    let message = refusal(Settings::load(&layers(b"GRACEFUL_EXIT__LOG__FILE", b"\xff")));
    assert_eq!(message, "the variable GRACEFUL_EXIT__LOG__FILE: not Unicode; allowed: text in UTF-8");
    assert!(Settings::load(&layers(b"GRACEFUL_EXIT__\xff", b"1")).is_err());
    assert!(Settings::load(&layers(b"OTHER", b"\xff")).is_ok());
}

#[test]
fn the_order_of_the_environment_changes_nothing() -> Outcome {
    // Two names of one key: the lower-case one sorts last, and wins.
    let mut layers =
        environment(&[("GRACEFUL_EXIT__log__level", "warn"), ("GRACEFUL_EXIT__LOG__LEVEL", "debug")]);
    assert_eq!(Settings::load(&layers)?.log.level, log::LevelFilter::Warn);
    layers.environment.reverse();
    assert_eq!(Settings::load(&layers)?.log.level, log::LevelFilter::Warn);
    Ok(())
}

#[test]
fn debug_output_shows_neither_the_token_nor_the_password() -> Outcome {
    let settings = set(&["admin.token=hushhushhushhush", "cache.store=postgres://me:hush@host/db"])?;
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hush") && shown.contains("postgres://host/***"), "{shown}");
    Ok(())
}
