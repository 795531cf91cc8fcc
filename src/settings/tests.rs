//! Settings, from every layer, right and wrong.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use toml::de::{DeTable, DeValue};

use super::{BindAddress, DEFAULTS, Layers, Settings, SettingsError, Source, keys};
use crate::locale::Language;
use crate::logging::Format;
use crate::os::signals::SignalName;
use crate::sequence::Timeouts;

type Outcome = Result<(), Box<dyn Error>>;

fn set(pairs: &[&str]) -> Result<Settings, SettingsError> {
    Settings::load(&Layers { set: pairs.iter().map(ToString::to_string).collect(), ..Layers::default() })
}

fn environment(variables: &[(&str, &str)]) -> Layers {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Layers { environment, ..Layers::default() }
}

/// The one message of settings that must not load.
fn refusal(loaded: Result<Settings, SettingsError>) -> String {
    match loaded {
        Ok(settings) => panic!("loaded {settings:?}"),
        Err(error) => error.to_string(),
    }
}

/// Every key of a document with its value.
fn leaves(section: &str, table: &DeTable<'_>, into: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let key = format!("{section}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => leaves(&format!("{key}."), table, into),
            value => into.push((key, shown(value))),
        }
    }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Array(list) => {
            format!("[{}]", list.iter().map(|value| shown(value.get_ref())).collect::<Vec<_>>().join(","))
        }
        DeValue::Integer(number) => number.to_string(),
        value => value.as_bool().map_or_else(String::new, |flag| flag.to_string()),
    }
}

#[test]
fn the_default_file_holds_every_key_with_its_default_and_no_other() -> Outcome {
    let mut written = Vec::new();
    leaves("", DeTable::parse(DEFAULTS)?.get_ref(), &mut written);
    let entries = Layers::default().load()?;
    let mut ours: Vec<_> =
        entries.entries().map(|entry| (entry.key.to_owned(), entry.value.to_string())).collect();
    written.sort();
    ours.sort();
    assert_eq!(written, ours);
    assert!(entries.entries().all(|entry| entry.source == Source::Default));

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("default.toml");
    fs::write(&path, DEFAULTS)?;
    let laid = Settings::load(&Layers { files: vec![path], ..Layers::default() })?;
    assert_eq!(laid, Settings::default(), "the file itself is accepted, and changes nothing");
    Ok(())
}

#[test]
fn every_key_of_the_default_file_has_a_comment() {
    let lines: Vec<_> = DEFAULTS.lines().collect();
    for key in keys::names() {
        let (section, name) = key.rsplit_once('.').unwrap_or_default();
        let is_documented = if section.starts_with("servers.") {
            let of_both =
                format!("# {}: ", if section.rsplit('.').next() == Some("tls") { "tls" } else { name });
            lines.iter().any(|line| line.starts_with(&of_both))
        } else {
            let header = format!("[{section}]");
            let section = lines.iter().skip_while(|line| **line != header).collect::<Vec<_>>();
            let at = section.iter().position(|line| line.starts_with(&format!("{name} = ")));
            at.is_some_and(|at| section[at - 1].starts_with('#'))
        };
        assert!(is_documented, "{key}");
    }
}

#[test]
fn every_timeout_of_the_library_has_a_key() {
    // Debug names every field, so that a new one is missed here.
    let fields = format!("{:?}", Timeouts::default());
    for field in
        fields.trim_start_matches("Timeouts { ").split(", ").filter_map(|field| field.split_once(": "))
    {
        assert!(keys::find(&format!("shutdown.{}", field.0)).is_some(), "{}", field.0);
    }
}

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

/// What is set, and a part of the message that refuses it.
const REFUSALS: &[(&str, &str)] = &[
    (
        "shutdown.timeout=8x",
        "shutdown.timeout = \"8x\" (--set): refused; allowed: a duration from 1ms to 24h, such as \"300ms\", \"5s\" or \"1m\"",
    ),
    ("shutdown.timeout=8", "shutdown.timeout = \"8\" (--set): refused; allowed: a duration from 1ms to 24h"),
    ("shutdown.timeout=0s", "shutdown.timeout = \"0s\" (--set): refused; allowed: a duration from 1ms"),
    (
        "shutdown.drain_timeout=25h",
        "shutdown.drain_timeout = \"25h\" (--set): refused; allowed: a duration from 0s to 24h",
    ),
    (
        "shutdown.progress_interval=1us",
        "(--set): refused; allowed: \"0s\" for never, or a duration from 10ms to 24h",
    ),
    ("reject.status=200", "reject.status = 200 (--set): refused; allowed: a whole number from 400 to 599"),
    ("reject.status=5e2", "reject.status = 5e2 (--set): refused"),
    ("exit_codes.forced=0", "exit_codes.forced = 0 (--set): refused; allowed: a whole number from 1 to 255"),
    ("log.summary=yes", "log.summary = \"yes\" (--set): refused; allowed: true or false"),
    (
        "log.level=loud",
        "log.level = \"loud\" (--set): refused; allowed: \"off\", \"error\", \"warn\", \"info\"",
    ),
    (
        "servers.admin.workers=0",
        "servers.admin.workers = \"0\" (--set): refused; allowed: \"cores\", or a whole number from 1 to 512",
    ),
    ("servers.admin.workers=513", "servers.admin.workers = \"513\" (--set): refused"),
    (
        "servers.admin.bind=8081",
        "servers.admin.bind = \"8081\" (--set): refused; allowed: an address with a port",
    ),
    ("servers.admin.bind=256.0.0.1:80", "servers.admin.bind = \"256.0.0.1:80\" (--set): refused"),
    ("servers.admin.bind=localhost:65536", "servers.admin.bind = \"localhost:65536\" (--set): refused"),
    ("servers.admin.bind=localhost:+80", "servers.admin.bind = \"localhost:+80\" (--set): refused"),
    ("cache.spool=", "cache.spool = \"\" (--set): refused; allowed: a path"),
    (
        "cache.store=mysql://me:pw@host",
        "cache.store = \"mysql://host/***\" (--set): refused; allowed: an address that begins with",
    ),
    ("admin.token=a b", "admin.token = *** (--set): refused; allowed: at least 16 visible ASCII"),
    ("admin.token=hushhushhushhus", "admin.token = *** (--set): refused; allowed: at least 16"),
    ("admin.token=\"open", "admin.token = *** (--set): refused: the quote that it begins with is not closed"),
    (
        "shutdown.signals=[]",
        "shutdown.signals = [] (--set): refused: it holds no signal of this platform, and nothing could start the exit; allowed: a list with at least one of SIGHUP",
    ),
    ("shutdown.signals=SIGTERM", "shutdown.signals = \"SIGTERM\" (--set): refused; allowed: a list"),
    (
        "shutdown.signals=[\"SIGTERM\", \"SIGKILL\"]",
        "= [\"SIGTERM\", \"SIGKILL\"] (--set): refused: SIGKILL: no process can catch it; allowed: a list",
    ),
    ("shutdown.signals=[\"SIGKILL\"]", "refused: SIGKILL: no process can catch it; allowed: a list"),
    ("shutdown.signals=[\"SIGSTOP\"]", "refused: SIGSTOP: no process can catch it; "),
    ("shutdown.signals=[\"SIGSEGV\"]", "refused: SIGSEGV: it reports a fault"),
    ("shutdown.signals=[\"SIGBUS\"]", "refused: SIGBUS: it reports a fault"),
    ("shutdown.signals=[\"SIGFPE\"]", "refused: SIGFPE: it reports a fault"),
    (
        "shutdown.signals=[\"SIGTREM\"]",
        "refused: \"SIGTREM\" is no signal that is known; did you mean SIGTERM?; allowed: ",
    ),
    ("shutdown.signals=[\"TERMINATE\"]", "refused: \"TERMINATE\" is no signal that is known; allowed: "),
    ("shutdown.signals=[15]", "shutdown.signals = [15] (--set): refused"),
    ("shutdown.timeot=8s", "shutdown.timeot = \"8s\" (--set): unknown key; did you mean shutdown.timeout?"),
    ("drain_timeout=8s", "drain_timeout = \"8s\" (--set): unknown key; did you mean shutdown.drain_timeout?"),
    ("shutdown=8s", "shutdown = \"8s\" (--set): unknown key; it is a section; allowed: shutdown.signals, "),
    ("log.elephant=1", "log.elephant = 1 (--set): unknown key; allowed: log.language, log.level, "),
    (
        "elephant.trunk=1",
        "allowed: keys of shutdown, reject, servers, admin, log, report, exit_codes, cache, demo",
    ),
    (
        "servers.admin.bind=[]",
        "servers.admin.bind = \"[]\" (--set): refused; allowed: an address with a port",
    ),
    ("servers.admin.bind=unix:", "servers.admin.bind = \"unix:\" (--set): refused"),
    ("servers.admin.unix_mode=0888", "(--set): refused; allowed: three or four octal digits"),
    ("servers.admin.unix_mode=7777", "(--set): refused; allowed: three or four octal digits"),
    ("cache.max_dirty_bytes=64MB", "(--set): refused; allowed: a size from 1 byte to 1024 GiB"),
    ("cache.max_dirty_bytes=0", "(--set): refused; allowed: a size"),
    ("cache.max_dirty_bytes=99999999999GiB", "(--set): refused; allowed: a size"),
    ("servers.admin.max_connections=0", "= 0 (--set): refused; allowed: a whole number from 1 to 1000000"),
    (
        "servers.admin.tls.key=key.pem",
        "servers.admin.tls.key = \"key.pem\" (--set): refused: servers.admin.tls.certificate is not set; allowed: both",
    ),
    (
        "servers.business.tls={ certificate = \"c.pem\" }",
        "servers.business.tls.certificate = \"c.pem\" (--set): refused: servers.business.tls.key is not set",
    ),
    ("admin.token_for_reads=true", "admin.token_for_reads = true (--set): refused: admin.token is not set"),
    (
        "admin={ token = \"hushhushhushhush\", token_file = \"t\" }",
        "admin.token_file = \"t\" (--set): refused: admin.token is set too; allowed: one of both",
    ),
    ("admin.tken=hush", "admin.tken = *** (--set): unknown key; did you mean admin.token?"),
    ("adnin.tken=hush", "adnin.tken = *** (--set): unknown key; did you mean admin.token?"),
    (
        "admin.elephant=hush",
        "admin.elephant = *** (--set): unknown key; allowed: admin.token, admin.token_file, ",
    ),
    ("log.level", "--set log.level: no `=`; allowed: KEY=VALUE"),
    ("admin.token hush", "--set admin.token: no `=`"),
    ("=1", " = 1 (--set): unknown key"),
];

#[test]
fn every_refusal_names_the_key_the_value_what_is_allowed_and_the_source() {
    for (pair, message) in REFUSALS {
        let refusal = refusal(set(&[pair]));
        assert!(refusal.contains(message), "{pair}\n  gave     {refusal}\n  expected {message}");
        assert!(!refusal.contains("hush") && !refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_a_line_each() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("my.toml");
    fs::write(&path, "[shutdown]\ntimeout = 8\ncoalesce = \"1h\"\n[log]\nlevle = \"info\"\n")?;
    let mut layers =
        environment(&[("GRACEFUL_EXIT__REJECT__STATUS", "200"), ("GRACEFUL_EXIT__LOG__LANGUAGE", "zh")]);
    layers.files = vec![path.clone(), folder.path().join("missing.toml")];
    layers.set = ["admin.token=hush", "log.color"].map(str::to_owned).to_vec();
    let error = layers.load().map(|_| "loaded").expect_err("seven mistakes");
    assert_eq!(error.language, Language::Zh, "log.language counts for its own errors");
    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    let name = path.display();
    for (line, part) in [
        (0, format!("shutdown.coalesce = \"1h\"（{name}，第 3 行）：不可用；允许：0s 至 10s 的时长")),
        (1, format!("shutdown.timeout = 8（{name}，第 2 行）：不可用；允许：1ms 至 24h 的时长")),
        (2, format!("log.levle = \"info\"（{name}，第 5 行）：未知的键；是否指 log.level？")),
        (3, format!("设置文件 {} 无法读取：", layers.files[1].display())),
        (4, "reject.status = 200（环境变量 GRACEFUL_EXIT__REJECT__STATUS）：不可用".to_owned()),
        (5, "admin.token = ***（--set）：不可用".to_owned()),
        (6, "--set log.color：缺少 `=`".to_owned()),
    ] {
        assert!(lines.iter().any(|found| found.starts_with(&part)), "{line}: {part}\nis missing in\n{text}");
    }
    assert_eq!(lines.len(), 7, "{text}");
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

#[test]
fn a_list_with_no_signal_of_this_platform_is_refused() {
    let (foreign, native) = if cfg!(windows) { ("SIGTERM", "CTRL_C") } else { ("CTRL_C", "SIGTERM") };
    let message = refusal(set(&[&format!("shutdown.signals=[\"{foreign}\"]")]));
    assert!(message.contains("no signal of this platform"), "{message}");
    assert!(set(&[&format!("shutdown.signals=[\"{foreign}\", \"{native}\"]")]).is_ok());
}

#[test]
fn a_refusal_names_the_file_and_the_line_or_the_variable() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("my.toml");
    let load = |text: &[u8]| -> Result<String, Box<dyn Error>> {
        fs::write(&path, text)?;
        Ok(refusal(Settings::load(&Layers { files: vec![path.clone()], ..Layers::default() })))
    };
    let name = path.display();
    for (text, message) in [
        ("\n[shutdown]\n\ntimeout = 8\n", format!("shutdown.timeout = 8 ({name}, line 4): refused")),
        (
            "[shutdwon]\ntimeout = \"8s\"",
            format!("shutdwon.timeout = \"8s\" ({name}, line 1): unknown key; did you mean"),
        ),
        (
            "[servers.web]\n",
            format!("servers.web = {{…}} ({name}, line 1): unknown key; allowed: servers.admin.bind"),
        ),
        ("[shutdown]\ntimeout = { s = 8 }", format!("shutdown.timeout = {{…}} ({name}, line 2): refused")),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"", format!("{name}, line 3: not TOML: duplicate key")),
        ("a.b.c.d.e.f = 1", format!("a.b.c.d = {{…}} ({name}, line 1): unknown key")),
    ] {
        let refusal = load(text.as_bytes())?;
        assert!(refusal.starts_with(&message), "{text}\n  gave     {refusal}\n  expected {message}");
    }
    let broken = load(b"[admin]\ntoken = \"hush\n")?;
    assert!(broken.contains("line 2: not TOML") && !broken.contains("hush"), "{broken}");
    assert!(load(b"\xff")?.starts_with(&format!("the settings file {name} cannot be read: ")));
    assert!(load(" ".repeat(1 << 21).as_bytes())?.ends_with("it is larger than 1 MiB"));
    fs::remove_file(&path)?;
    let missing = refusal(Settings::load(&Layers { files: vec![path.clone()], ..Layers::default() }));
    assert!(missing.starts_with(&format!("the settings file {name} cannot be read: ")), "{missing}");

    let variable = environment(&[("GRACEFUL_EXIT__LOG__LEVEL", "loud")]);
    let message = refusal(Settings::load(&variable));
    assert!(
        message.starts_with("log.level = \"loud\" (the variable GRACEFUL_EXIT__LOG__LEVEL): refused"),
        "{message}"
    );
    let unknown = refusal(Settings::load(&environment(&[("GRACEFUL_EXIT__LOG__LEVLE", "info")])));
    assert!(unknown.ends_with("did you mean log.level?"), "{unknown}");
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_named() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

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

#[test]
fn the_scenarios_differ_from_the_defaults_as_the_contract_says() -> Outcome {
    for (name, flush_delay, release_delay, checkpoint) in [
        ("forced", 0, 0, true),
        ("timed-out-flushed", 1, 60, true),
        ("timed-out-lost", 5, 0, false),
        ("clean", 0, 0, true),
    ] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("config/scenarios/{name}.toml"));
        let scenario = Settings::load(&Layers { files: vec![path], ..Layers::default() })?;
        let expected = set(&[
            "log.language=zh",
            "log.summary=false",
            "log.failures=false",
            &format!("cache.checkpoint={checkpoint}"),
            "shutdown.drain_timeout=5s",
            "shutdown.callback_timeout=3s",
            "shutdown.release_timeout=5s",
            "shutdown.timeout=8s",
            "shutdown.progress_interval=0s",
            "servers.admin.stop=first",
            "servers.business.stop=first",
            &format!("demo.flush_delay={flush_delay}s"),
            &format!("demo.release_delay={release_delay}s"),
        ])?;
        assert_eq!(scenario, expected, "{name}");
    }
    Ok(())
}

/// Text that gets further into the parsers than random characters do.
fn near_toml() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\[\\]{}\"'=.,# \n0-9a-z_:+-]{0,60}",
        "[0-9]{1,40}(ns|us|ms|s|m|h|d|w|M|y|)( [0-9.]{1,30}(s|y))?",
        "(shutdown|log|servers\\.admin|admin|cache)\\.[a-z_]{1,12}[ =]{1,3}[\"0-9a-z\\[\\]{}]{0,12}",
    ]
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(text in near_toml(), section in "(\\[[a-z_.]{1,12}\\]\n)?") {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("any.toml");
        fs::write(&path, section + &text)?;
        let _ = Settings::load(&Layers { files: vec![path], ..Layers::default() });
    }

    #[test]
    fn no_pair_makes_it_panic(key in 0..keys::names().count(), value in near_toml(), pair in near_toml()) {
        for pair in [format!("{}={value}", keys::names().nth(key).unwrap_or_default()), pair] {
            if let Err(error) = set(&[&pair]) {
                assert_eq!(error.to_string().lines().count(), error.mistakes.len());
            }
        }
    }

    #[test]
    fn no_variable_makes_it_panic(key in 0..keys::names().count(), name in near_toml(), value in near_toml()) {
        for name in [name, keys::names().nth(key).unwrap_or_default().to_uppercase().replace('.', "__")] {
            let _ = Settings::load(&environment(&[(&format!("GRACEFUL_EXIT__{name}"), &value)]));
        }
    }
}
