//! Keys that only make sense together, that exclude each other, or that may not name the same file.

use std::path::{self, Path, PathBuf};

use super::address::BindAddress;
use super::error::{Cause, Source};
use super::keys;
use super::kind::Refusal;
use super::merge::Merge;
use super::model::Settings;
use crate::locale::Language;

/// What is wrong with a key beside another one, where each is right by itself.
struct Wrong {
    key: &'static str,
    /// The keys that decide it together with this one.
    others: &'static [&'static str],
    refusal: Refusal,
    allowed: fn(Language) -> String,
}

impl Merge {
    /// Checks the keys beside each other. A key that was refused decides nothing, and neither does any key when a whole
    /// layer is missing: what is wrong with it would be the reason.
    pub(super) fn check_pairs(&mut self) {
        let mut refused = Vec::new();
        for mistake in &self.mistakes {
            match &mistake.0 {
                Cause::Refused { key, .. } => refused.push(*key),
                Cause::UnknownKey { .. } => {}
                _ => return,
            }
        }
        let together = together(&self.settings).into_iter().chain(same_files(&self.settings));
        for Wrong { key, others, refusal, allowed } in together {
            if refused.contains(&key) || others.iter().any(|other| refused.contains(other)) {
                continue;
            }
            let value = keys::find(key).map(|key| (key.show)(&self.settings).to_string()).unwrap_or_default();
            let source = self.sources.get(key).cloned().unwrap_or(Source::Default);
            self.wrong(Cause::Refused { key, value, refusal: Box::new(refusal), allowed, source });
        }
    }
}

fn together(Settings { servers, admin, .. }: &Settings) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let needs = |key, others: &'static [&'static str], allowed| Wrong {
        key,
        others,
        refusal: Refusal::Needs(others[0]),
        allowed,
    };
    let both_files: fn(Language) -> String = |language| language.settings_both_files().to_owned();
    for (server, certificate, key, bind) in [
        (
            &servers.admin,
            &["servers.admin.tls.certificate"],
            &["servers.admin.tls.key"],
            &["servers.admin.bind"],
        ),
        (
            &servers.business,
            &["servers.business.tls.certificate"],
            &["servers.business.tls.key"],
            &["servers.business.bind"],
        ),
    ] {
        match (&server.tls.certificate, &server.tls.key) {
            (Some(_), None) => wrong.push(needs(certificate[0], key, both_files)),
            (None, Some(_)) => wrong.push(needs(key[0], certificate, both_files)),
            (Some(_), Some(_)) if server.bind.iter().any(BindAddress::is_unix) => wrong.push(Wrong {
                key: certificate[0],
                others: bind,
                refusal: Refusal::UnixSocket(bind[0]),
                allowed: |language| language.settings_tls_on_tcp().to_owned(),
            }),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    if admin.token.is_some() && admin.token_file.is_some() {
        wrong.push(Wrong {
            key: "admin.token_file",
            others: &["admin.token"],
            refusal: Refusal::Excludes("admin.token"),
            allowed: |language| language.settings_one_token().to_owned(),
        });
    }
    if admin.token_for_reads && admin.token.is_none() && admin.token_file.is_none() {
        let with_one = |language: Language| language.settings_token_for_reads().to_owned();
        wrong.push(needs("admin.token_for_reads", &["admin.token", "admin.token_file"], with_one));
    }
    wrong
}

/// A key that names a file.
struct Named<'a> {
    key: &'static [&'static str; 1],
    path: Option<&'a Path>,
    is_written: bool,
}

/// Files that are written and that another key names as well: one would destroy what the other needs. Paths are compared as
/// they are written, without a look at the file system.
fn same_files(settings: &Settings) -> Vec<Wrong> {
    let Settings { servers, admin, log, report, cache, .. } = settings;
    let named = |key, path, is_written| Named { key, path, is_written };
    let files = [
        named(&["servers.admin.tls.certificate"], servers.admin.tls.certificate.as_deref(), false),
        named(&["servers.admin.tls.key"], servers.admin.tls.key.as_deref(), false),
        named(&["servers.business.tls.certificate"], servers.business.tls.certificate.as_deref(), false),
        named(&["servers.business.tls.key"], servers.business.tls.key.as_deref(), false),
        named(&["admin.token_file"], admin.token_file.as_deref(), false),
        named(&["log.file"], log.file.as_deref(), true),
        named(&["report.path"], report.path.as_deref(), true),
        named(&["cache.store"], sqlite_file(&cache.store), true),
        named(&["cache.spool"], Some(&cache.spool), true),
    ];
    let files: Vec<_> = files.iter().filter_map(|file| Some((file, absolute(file.path?)?))).collect();
    let mut wrong = Vec::new();
    for (index, (file, path)) in files.iter().enumerate() {
        let same = |(other, of_other): &&(&Named<'_>, PathBuf)| {
            path == of_other && (file.is_written || other.is_written)
        };
        if let Some((other, _)) = files[..index].iter().find(same) {
            wrong.push(Wrong {
                key: file.key[0],
                others: other.key,
                refusal: Refusal::SameFile(other.key[0]),
                allowed: |language| language.settings_own_file().to_owned(),
            });
        }
    }
    wrong
}

/// The path of SQLite's file in the store's address.
fn sqlite_file(store: &str) -> Option<&Path> {
    let path = store.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    path.split(['?', '#']).next().map(Path::new)
}

/// The path from the root on. `None` for what may be written by several: a device, or what stands for an open file.
fn absolute(path: &Path) -> Option<PathBuf> {
    let path = path::absolute(path).ok()?;
    let is_shared = cfg!(unix) && (path.starts_with("/dev") || path.starts_with("/proc"));
    (!is_shared).then_some(path)
}
