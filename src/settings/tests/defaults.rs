//! `config/default.toml`, the keys and the scenarios agree.

use std::{fs, path::PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Outcome, set};
use crate::{
    sequence::Timeouts,
    settings::{DEFAULTS, Layers, Settings, Source, keys},
};

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
