//! Finds the paths in a file's code, and what each leads to.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use super::{
    source::{File, Source},
    tokens::{is_name, tokens},
};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Path {
    /// A module or an item of the same crate, by its path from the crate's root.
    Own(Vec<String>),
    /// Another crate.
    Foreign(String),
}

/// Every path of a file that leads out of its own module.
pub(super) fn paths(file: &File, source: &Source) -> BTreeSet<Path> {
    let mut finder = Finder { file, source, names: BTreeMap::new(), found: BTreeSet::new() };
    // Twice: a module that a `use` brings into scope may be used above it.
    finder.read();
    finder.read();
    let leads_out = |path: &Path| match path {
        Path::Own(path) => source.file_of(path).is_some_and(|to| to.module != file.module),
        Path::Foreign(_) => true,
    };
    finder.found.retain(leads_out);
    finder.found
}

struct Finder<'a> {
    file: &'a File,
    source: &'a Source,
    /// Modules that a `use` brings into scope, by their names here.
    names: BTreeMap<String, Vec<String>>,
    found: BTreeSet<Path>,
}

impl Finder<'_> {
    fn read(&mut self) {
        let file = self.file;
        let tokens = tokens(&file.code);
        // For each open brace, the name of the inline module that it opens, if it does.
        let mut braces: Vec<Option<&str>> = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at] {
                "{" => braces.push((at >= 2 && tokens[at - 2] == "mod").then(|| tokens[at - 1])),
                "}" => drop(braces.pop()),
                // Not the `use<'a>` of a type.
                "use" if tokens.get(at + 1) != Some(&"<") => {
                    let mut imports = Vec::new();
                    at = use_tree(&tokens, at + 1, &mut Vec::new(), &mut |path| imports.push(path.to_vec()));
                    for path in imports {
                        self.note(&path, &braces, true);
                    }
                    continue;
                }
                // A visibility, as in `pub(in crate::drain)`, imports nothing.
                "in" if tokens[..at].ends_with(&["pub", "("]) => {
                    at += tokens[at..].iter().position(|&token| token == ")").unwrap_or(0);
                }
                "extern" if tokens.get(at + 1) == Some(&"crate") => {
                    self.note(&tokens[at + 2..(at + 3).min(tokens.len())], &braces, false);
                    at += 2;
                }
                token if is_name(token) => {
                    let path: Vec<&str> = iter::once(token)
                        .chain(tokens[at + 1..].chunks_exact(2).map_while(|pair| match pair {
                            ["::", name] if is_name(name) => Some(*name),
                            _ => None,
                        }))
                        .collect();
                    if path.len() > 1 {
                        self.note(&path, &braces, false);
                    }
                    // To the path's last name: what follows a `::` of its own is not where a path begins.
                    at += 2 * (path.len() - 1);
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn note(&mut self, path: &[&str], braces: &[Option<&str>], is_use: bool) {
        let inline = braces.iter().flatten().map(|&name| name.to_owned());
        let module: Vec<String> = self.file.module.iter().cloned().chain(inline).collect();
        let Some(path) = self.resolve(path, &module) else { return };
        if let Path::Own(path) = &path
            && is_use
            && !path.is_empty()
            && self.source.has_module(path)
        {
            self.names.insert(path[path.len() - 1].clone(), path.clone());
        }
        self.found.insert(path);
    }

    fn resolve(&self, path: &[&str], module: &[String]) -> Option<Path> {
        let supers = path.iter().take_while(|&&name| name == "super" || name == "self");
        let rest: Vec<String> =
            path.iter().skip(supers.clone().count()).map(|&name| name.to_owned()).collect();
        let own = |base: &[String], rest: &[String]| Some(Path::Own([base, rest].concat()));
        match *path.first()? {
            "crate" => own(&[], &rest[1..]),
            "self" | "super" => {
                let up = supers.filter(|&&name| name == "super").count();
                own(&module[..module.len().saturating_sub(up)], &rest)
            }
            "std" | "core" | "alloc" => Some(Path::Foreign(path[0].to_owned())),
            name => {
                let child = [module, &[name.to_owned()]].concat();
                if self.source.has_module(&child) {
                    own(&child, &rest[1..])
                } else if let Some(named) = self.names.get(name) {
                    own(named, &rest[1..])
                } else {
                    self.source.dependencies.contains(name).then(|| Path::Foreign(name.to_owned()))
                }
            }
        }
    }
}

/// Notes each path of a `use`, from after a prefix on. Returns the index after it.
fn use_tree<'a>(
    tokens: &[&'a str],
    mut at: usize,
    prefix: &mut Vec<&'a str>,
    note: &mut impl FnMut(&[&'a str]),
) -> usize {
    let own = prefix.len();
    while let Some(&token) = tokens.get(at) {
        at += 1;
        match token {
            "{" => {
                while tokens.get(at).is_some_and(|&token| token != "}") {
                    at = use_tree(tokens, at, prefix, note);
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                at += 1;
                prefix.truncate(own);
                return at;
            }
            "," | "}" | ";" => {
                at -= 1;
                break;
            }
            // The new name stands at the path's end then, where it does no harm.
            "::" | "as" => {}
            "self" if !prefix.is_empty() && prefix.iter().any(|&name| name != "super" && name != "self") => {}
            name => prefix.push(name),
        }
    }
    note(prefix);
    prefix.truncate(own);
    at
}

#[test]
fn a_path_is_found_in_every_place() {
    let file = |name: &str, module: &[&str], code: &str| File {
        name: name.to_owned(),
        module: module.iter().map(|&name| name.to_owned()).collect(),
        code: code.to_owned(),
    };
    let seen = |code: &str| -> Vec<String> {
        let files = vec![
            file("lib.rs", &[], ""),
            file("drain/mod.rs", &["drain"], ""),
            file("drain/gate.rs", &["drain", "gate"], code),
            file("drain/gate/tests.rs", &["drain", "gate", "tests"], ""),
            file("drain/registry.rs", &["drain", "registry"], ""),
            file("os/mod.rs", &["os"], ""),
            file("os/signals.rs", &["os", "signals"], ""),
        ];
        let source = Source { files, dependencies: BTreeSet::from(["tokio".to_owned()]) };
        let found = paths(&source.files[2], &source).into_iter().map(|path| match path {
            Path::Foreign(name) => name,
            Path::Own(path) => source.file_of(&path).map_or_else(String::new, |file| file.name.clone()),
        });
        found.collect::<BTreeSet<_>>().into_iter().collect()
    };
    assert_eq!(seen("use crate::os::signals::Name;"), ["os/signals.rs"]);
    assert_eq!(seen("pub(crate) use crate::{os, drain::{self, Word}};"), ["drain/mod.rs", "os/mod.rs"]);
    assert_eq!(seen("use {std::fmt, super::super::os::exit};"), ["os/mod.rs", "std"]);
    assert_eq!(seen("use super::registry; use self::x::y;"), ["drain/registry.rs"]);
    assert_eq!(seen("use crate::Server;"), ["lib.rs"]);
    assert_eq!(seen("mod tests; fn f() { tests::run() }"), ["drain/gate/tests.rs"]);
    assert_eq!(seen("fn f() { os::signals::install() } use crate::os;"), ["os/mod.rs", "os/signals.rs"]);
    assert_eq!(
        seen("mod inner { use super::*; use super::super::super::os; use super::super::Drain; }"),
        ["drain/mod.rs", "os/mod.rs"]
    );
    assert_eq!(seen("use crate as all; use super::super::*;"), ["lib.rs"]);
    assert_eq!(seen("fn f() { if x { crate::os::exit(1) } }"), ["os/mod.rs"]);
    assert_eq!(seen("impl From<crate::os::A> for super::super::drain::B {}"), ["drain/mod.rs", "os/mod.rs"]);
    assert_eq!(seen("macro_rules! m { () => { $crate::os::exit() } }"), ["os/mod.rs"]);
    assert_eq!(seen("async fn f<'a>(x: &'a str) { ::tokio::spawn(g('\\'', 'x')); }"), ["tokio"]);
    assert_eq!(seen("#[tokio::test] fn f() { Duration::from_secs(1); }"), ["tokio"]);
    assert_eq!(seen("extern crate tokio;"), ["tokio"]);
    assert_eq!(seen("use gate::Gate; pub(in crate::os) struct S; fn f(x: a::tokio::B) {}"), [""; 0]);
    assert_eq!(
        seen("// use crate::os;\n/* crate::os /* crate::os */ crate::os */ //! [`crate::os`]"),
        [""; 0]
    );
    assert_eq!(
        seen(r##"f("crate::os \" crate::os", r#"crate::"os"#, b"crate::os", '"', "crate::os")"##),
        [""; 0]
    );
}
