//! What is wrong with settings, each in a message.

use std::{error::Error, fs};

use super::{Outcome, environment, refusal, set};
use crate::{
    locale::Language,
    settings::{Layers, Settings},
};

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
        "shutdown.signals=[\"SIGKILL\", \"SIGTERM\", \"SIGSEGV\", \"SIGFOO\"]",
        "refused: SIGKILL: no process can catch it; SIGSEGV: it reports a fault, after which the process cannot go on; \"SIGFOO\" is no signal that is known; allowed: ",
    ),
    (
        "log={ file = \"data/cache.db\" }",
        "cache.store = \"sqlite://data/cache.db\" (default): refused: log.file names the same file; allowed: a file of its own",
    ),
    (
        "report.path=./data/cache.spool",
        "cache.spool = \"data/cache.spool\" (default): refused: report.path names the same file",
    ),
    (
        "cache.store=sqlite:data/cache.spool?mode=rwc",
        "cache.spool = \"data/cache.spool\" (default): refused: cache.store names the same file",
    ),
    (
        "admin.token_file=data/cache.spool",
        "cache.spool = \"data/cache.spool\" (default): refused: admin.token_file names the same file",
    ),
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
    (
        "servers.business={ bind = \"unix:b.sock\", tls = { certificate = \"c.pem\", key = \"k.pem\" } }",
        "servers.business.tls.certificate = \"c.pem\" (--set): refused: servers.business.bind has a Unix socket, which would be served without TLS; allowed: TLS where all",
    ),
    (
        "servers.admin={ bind = [\"[::1]:1\", \"unix:/a\"], tls = { certificate = \"c.pem\", key = \"k.pem\" } }",
        "servers.admin.tls.certificate = \"c.pem\" (--set): refused: servers.admin.bind has a Unix socket",
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
fn what_is_wrong_with_keys_together_is_told_beside_other_mistakes_unless_it_follows_from_them() {
    let lines = |pairs: &[&str]| refusal(set(pairs)).lines().map(str::to_owned).collect::<Vec<_>>();
    let three =
        lines(&["servers.admin.tls.certificate=x", "shutdown.timeout=0", "admin.token_for_reads=true"]);
    assert_eq!(three.len(), 3, "{three:#?}");
    for key in ["shutdown.timeout = ", "servers.admin.tls.certificate = ", "admin.token_for_reads = "] {
        assert!(three.iter().any(|line| line.starts_with(key)), "{key}: {three:#?}");
    }
    let one = lines(&["admin.token_for_reads=true", "admin.token=short"]);
    assert_eq!(one.len(), 1, "it is set, and wrong: {one:#?}");
    let one = lines(&["admin.token_for_reads=true", "admin.token"]);
    assert_eq!(one.len(), 1, "it may be what was meant: {one:#?}");
}

#[test]
fn each_key_of_an_unknown_section_is_a_mistake_of_its_own() {
    let refusal =
        refusal(set(&["servers.web={ bind = \"x\", tls = { key = \"y\" } }", "log={ levle = 1, fil = 2 }"]));
    for key in ["servers.web.bind = ", "servers.web.tls.key = ", "log.levle = ", "log.fil = "] {
        assert!(refusal.lines().any(|line| line.starts_with(key)), "{key}: {refusal}");
    }
    assert_eq!(refusal.lines().count(), 4, "{refusal}");
}

#[test]
fn a_file_may_be_read_by_several_keys_and_a_device_written() {
    let certificates = ["admin", "business"]
        .map(|server| format!("servers.{server}.tls={{ certificate = \"a.pem\", key = \"a.pem\" }}"));
    assert!(set(&[&certificates[0], &certificates[1]]).is_ok());
    assert_eq!(set(&["log.file=/dev/tty", "report.path=/dev/tty"]).is_ok(), cfg!(unix));
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
            format!("shutdwon.timeout = \"8s\" ({name}, line 2): unknown key; did you mean"),
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
